"""Stage ``blend``: the completed face takes on the photo's colours (paper §3.2; facts §7).

Poisson blending copies the rim's colour into the face, so the rim must be face. What else touches the face mask is
no measure of its colour: hair and glasses in front of it, or the background behind a cheek. Those pixels are left
free, and the photo's own skin, of which ``warp`` keeps a thin rim around the mask, decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from models.geometry.poisson import blend, rim
from models.networks.classes import FACE, Parsing
from tasks.contract import Batch, Field, Gives

Array = np.ndarray[Any, np.dtype[Any]]

MIN_PINNED = 0.15  # share of the rim that must be face; with less, neck and ears have to help
HELPERS = (Parsing.NECK, Parsing.L_EAR, Parsing.R_EAR)


@dataclass(frozen=True)
class Blend:
    """Put the inpainted face into the warped photo; outside the face mask the photo stays as it is, to the bit."""

    name: ClassVar[str] = "blend"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = (
        Field("inpainted", "uint8", ("R", "R", 3), "rgb"),
        Field("face_mask", "bool", ("R", "R"), "pixel"),
        Field("warped", "uint8", ("R", "R", 3), "rgb"),
        Field("warped_parsing", "uint8", ("R", "R"), "celebamask"),
    )
    gives: ClassVar[tuple[Field, ...]] = (Field("image", "uint8", ("R", "R", 3), "rgb"),)

    def blend(self, batch: Batch) -> Gives:
        """Blend every row."""
        image = np.zeros_like(batch["warped"])
        for i in range(len(batch)):
            mask = batch["face_mask"][i]
            free = unpinned(mask, batch["warped_parsing"][i])
            image[i] = blend(batch["inpainted"][i], batch["warped"][i], mask, free=free)
        return Gives({"image": image})

    __call__ = blend


def unpinned(mask: Array, parsing: Array) -> Array:
    """Pixels (R, R) outside the face mask whose colour says nothing about the face's."""
    edge = rim(mask)
    pins = np.isin(parsing, FACE)
    if edge.any() and pins[edge].mean() < MIN_PINNED:
        pins |= np.isin(parsing, HELPERS)
    free: Array = ~pins & ~mask
    return free
