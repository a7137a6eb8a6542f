"""The rows of the paper's table 4 as things that reconstruct, all with one signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8
from safetensors.torch import load
from torch import Tensor

from models.networks.hierarchical import HierarchicalSdf, Reconstruction, restored
from models.networks.occupancy import Occupancy, occupancy_field
from models.networks.position_map import POSITION_SIZES, PositionMap, kept_position_net
from models.networks.sdf_nets import SIZES


class Reconstructor(Protocol):
    """One image in, one mesh out."""

    @property
    def image(self) -> int:
        """Side of the crops that lose nothing; others are resized."""

    def reconstruct(
        self, image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"]
    ) -> Reconstruction:
        """The face of a square sRGB crop with its CelebAMask classes.

        Raises:
            ValueError: there is no face in the mask, or no surface in the field; the benchmark's failure.
        """


Make = Callable[[bytes, Mapping[str, Any]], Reconstructor | None]


def reconstructor(row: str, weights: bytes, config: Mapping[str, Any]) -> Reconstructor:
    """A row of the table from a kept model (``storage.registry``).

    Args:
        row: one of :data:`ROWS`.
        weights: the safetensors file.
        config: its configuration; "preset" decides the sizes.

    Raises:
        ValueError: there is no such row, or the weights lack a network that it needs.
    """
    if row not in ROWS:
        msg = f"table 4 has no row '{row}'; it has {', '.join(ROWS)}."
        raise ValueError(msg)
    made = ROWS[row](weights, config)
    if made is None:
        have = ", ".join(sorted({name.split(".")[0] for name in load(weights)})) or "nothing"
        level = row.split("+")[-1]
        msg = (
            f"row '{row}' needs a trained '{level}', and these weights hold {have}; run `facepairs train --rows "
            f"{level}`."
        )
        raise ValueError(msg)
    return made


def _hierarchy(*left_out: str) -> Make:
    def make(weights: bytes, config: Mapping[str, Any]) -> Reconstructor | None:
        if not any(name.startswith("base.") for name in load(weights)):
            return None
        model = HierarchicalSdf.from_bytes(weights, config)
        wanted = {"fine", "norm"} - set(left_out)
        if any(getattr(model, level) is None for level in wanted):
            return None
        return model.without(*left_out)

    return make


def _occupancy(weights: bytes, config: Mapping[str, Any]) -> Reconstructor | None:
    size = SIZES[config["preset"]]
    net = restored("pifu", load(weights), lambda: occupancy_field(size))
    return None if net is None else Occupancy(net, size.image)


def _position_map(level: str) -> Make:
    def make(weights: bytes, config: Mapping[str, Any]) -> Reconstructor | None:
        tensors: Mapping[str, Tensor] = load(weights)
        net = kept_position_net(POSITION_SIZES[config["preset"]], level, tensors)
        return None if net is None else PositionMap(net)

    return make


ROWS: Mapping[str, Make] = {
    "prnet-fitted": _position_map("prnet-fitted"),
    "prnet": _position_map("prnet"),
    "pifu": _occupancy,
    "base": _hierarchy("fine", "norm"),
    "base+fine": _hierarchy("norm"),
    "base+fine+norm": _hierarchy(),
}
