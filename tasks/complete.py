"""Stage complete: eyes and inner mouth for the rendered face (paper, figure 3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from assets.registry import AssetError
from models.networks.completion import IRIS_COLOURS, IRIS_WEIGHTS, CompletionNet, complete, load_completion
from tasks.contract import Batch, Field, Gives

__all__ = ["Complete"]


@dataclass(frozen=True)
class Complete:
    """Paint the holes of each render; every other pixel stays the render's.

    Both eyes look at the camera. The colour of the irises is drawn per pair. The mouth starts from the teeth and the
    tongue of ``interior``.

    Args:
        weights: ``completion.safetensors``, as ``facepairs train-swap completion`` writes it.
        device: a torch device.
    """

    weights: Path
    device: str = "cpu"

    name: ClassVar[str] = "complete"
    version: ClassVar[int] = 2
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
            colour = IRIS_COLOURS[int(batch.rng(i, self).choice(len(IRIS_COLOURS), p=IRIS_WEIGHTS))]
            render, interior = batch["render"][i], batch["interior"][i]
            completed[i] = complete(
                net, render, interior, batch["hole_mask"][i], batch["landmarks"][i], colour
            )
        return Gives({"completed": completed})

    __call__ = complete


@cache
def _network(weights: Path, device: str) -> CompletionNet:
    if not weights.is_file():
        msg = (
            f"the completion weights '{weights.name}' are missing; restore the file from the repository, or make it "
            f"with 'facepairs train-swap completion --photos DIR --out DIR --ship'."
        )
        raise AssetError(msg)
    try:
        return load_completion(weights, device)
    except (RuntimeError, KeyError, ValueError, OSError) as error:
        msg = (
            f"'{weights.name}' does not hold the completion network's tensors ({type(error).__name__}); make it again "
            f"with 'facepairs train-swap completion --photos DIR --out DIR --ship'."
        )
        raise AssetError(msg) from error
