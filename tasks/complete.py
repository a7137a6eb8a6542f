"""Stage complete: eyes and inner mouth for the rendered face (paper, figure 3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from models.networks.completion import IRIS_COLOURS, IRIS_WEIGHTS, CompletionNet, complete, load_completion
from tasks.contract import Batch, Field, Gives
from tasks.weights import open_weights

__all__ = ["Complete"]

# Standard deviations of the irises' way from where a look into the camera has them, mm to the right and down: 4 and
# 2 degrees of an eyeball.
GAZE_MM = np.array([0.8, 0.4])


@dataclass(frozen=True)
class Complete:
    """Paint the holes of each render; every other pixel stays the render's.

    Both eyes look at one point near the camera. That point and the colour of the irises are drawn per pair. The
    mouth starts from the teeth and the tongue of ``interior``.

    Args:
        weights: ``completion.safetensors``, as ``facepairs train-swap completion`` writes it.
        device: a torch device.
        rendered: Openings, of "eyes" and "mouth", that are taken from ``interior``; a mouth fades to
            the network's as the lips close (``LinearHead.rendered``).
    """

    weights: Path
    device: str = "cpu"
    rendered: tuple[str, ...] = ()

    name: ClassVar[str] = "complete"
    version: ClassVar[int] = 4
    needs: ClassVar[tuple[Field, ...]] = (
        Field("landmarks", "float32", (68, 2), "pixel"),
        Field("render", "uint8", ("R", "R", 3), "rgb"),
        Field("interior", "uint8", ("R", "R", 3), "rgb"),
        Field("hole_mask", "bool", ("R", "R"), "pixel"),
    )
    gives: ClassVar[tuple[Field, ...]] = (Field("completed", "uint8", ("R", "R", 3), "rgb"),)

    def complete(self, batch: Batch) -> Gives:
        """One row at a time, so that a pair never depends on its neighbours.

        Raises:
            AssetError: the weights are missing or not this network's.
        """
        net = _network(self.weights, self.device)
        completed = np.zeros_like(batch["render"])
        for i in range(len(batch)):
            rng = batch.rng(i, self)
            colour = IRIS_COLOURS[int(rng.choice(len(IRIS_COLOURS), p=IRIS_WEIGHTS))]
            right, down = np.clip(rng.normal(0, GAZE_MM), -2 * GAZE_MM, 2 * GAZE_MM)
            completed[i] = complete(
                net, batch["render"][i], batch["interior"][i], batch["hole_mask"][i], batch["landmarks"][i],
                colour, (float(right), float(down)), rendered=self.rendered,
            )  # fmt: skip
        return Gives({"completed": completed})

    __call__ = complete


@cache
def _network(weights: Path, device: str) -> CompletionNet:
    """Loaded once per process."""
    return open_weights(weights, "completion", load_completion, device)
