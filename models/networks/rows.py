"""The rows of the paper's table 4 as things that reconstruct, all with one signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8
from safetensors.torch import load
from torch import Tensor

from models.networks.bisenet import WeightsError
from models.networks.fitted_head import Fit
from models.networks.hierarchical import HierarchicalSdf, Reconstruction, restored
from models.networks.kept import fitting, text_of
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


Make = Callable[[Mapping[str, Tensor], str, Fit | None], Reconstructor | None]  # from (tensors, preset, fit)


def reconstructor(
    row: str, weights: bytes, config: Mapping[str, Any], fit: Fit | None = None
) -> Reconstructor:
    """A row of the table from a kept model (``storage.registry``).

    Args:
        row: one of :data:`ROWS`.
        weights: the safetensors file.
        config: its configuration; "preset" decides the sizes.
        fit: what fits a head to an image, for the rows that correct fitted heads.

    Raises:
        ValueError: there is no such row, or the weights lack a network that it needs.
    """
    if row not in ROWS:
        msg = f"there is no row '{row}'; there are {', '.join(ROWS)}."
        raise ValueError(msg)
    with fitting(f"the weights of row '{row}'", "train it again with `facepairs train`"):
        tensors = load(weights)
        made = ROWS[row](tensors, text_of(config, "preset", SIZES), fit)
    if made is None:
        have = ", ".join(sorted({name.split(".")[0] for name in tensors})) or "nothing"
        needed = ", ".join(row.replace("integrated", "norm").split("+"))
        msg = (
            f"row '{row}' needs trained networks ({needed}), and these weights hold {have}; run "
            f"`facepairs train STORE --rows {needed.replace(' ', '')}`."
        )
        raise WeightsError(msg)
    return made


def whole(weights: bytes, config: Mapping[str, Any], fit: Fit | None = None) -> Reconstructor:
    """All that a kept model holds, whichever kind it is.

    Raises:
        ValueError: see :func:`reconstructor`.
    """
    kind = text_of(config, "kind", {"sdf": None, **ROWS})
    if kind == "sdf":
        with fitting("the weights", "train them again with `facepairs train`"):
            return HierarchicalSdf.from_bytes(weights, {"preset": text_of(config, "preset", SIZES)}, fit)
    return reconstructor(kind, weights, config, fit)


def _hierarchy(*levels: str, integrated: bool = False) -> Make:
    """The hierarchical function with some levels beside f_base, and only these."""

    def make(tensors: Mapping[str, Tensor], preset: str, fit: Fit | None) -> Reconstructor | None:
        held = {name.split(".")[0] for name in tensors}
        if not {"base", *levels} <= held:
            return None
        model = HierarchicalSdf.of_tensors(tensors, preset, fit).without(*(OPTIONAL - set(levels)))
        return replace(model, integrated=integrated)

    return make


def _occupancy(tensors: Mapping[str, Tensor], preset: str, fit: Fit | None) -> Reconstructor | None:
    net = restored("pifu", tensors, lambda: occupancy_field(SIZES[preset]))
    return None if net is None else Occupancy(net, SIZES[preset].image)


def _position_map(level: str) -> Make:
    def make(tensors: Mapping[str, Tensor], preset: str, fit: Fit | None) -> Reconstructor | None:
        net = kept_position_net(POSITION_SIZES[preset], level, tensors)
        return None if net is None else PositionMap(net)

    return make


OPTIONAL = {"fine", "norm", "guided", "residual"}
ROWS: Mapping[str, Make] = {
    "prnet-fitted": _position_map("prnet-fitted"),
    "prnet": _position_map("prnet"),
    "pifu": _occupancy,
    "base": _hierarchy(),
    "base+fine": _hierarchy("fine"),
    "base+fine+norm": _hierarchy("fine", "norm"),
    # Beyond the paper: normal maps that are integrated instead of equation 3.
    "base+fine+integrated": _hierarchy("fine", "norm", integrated=True),
    "residual+fine+integrated": _hierarchy("residual", "fine", "norm", integrated=True),
    # Beyond the paper: a depth map is drawn before distances are answered.
    "guided": _hierarchy("guided"),
    "guided+fine": _hierarchy("guided", "fine"),
    "guided+fine+norm": _hierarchy("guided", "fine", "norm"),
    "guided+fine+integrated": _hierarchy("guided", "fine", "norm", integrated=True),
    # Beyond the paper: distances that correct those of the fitted head, alone and with the levels above.
    "residual": _hierarchy("residual"),
    "residual+fine": _hierarchy("residual", "fine"),
    "residual+fine+norm": _hierarchy("residual", "fine", "norm"),
}
