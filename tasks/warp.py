"""Stage ``warp``: the photo's face edge moves to the new face's (paper §3.2; facts §6.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.geometry.warp import apply, edge_flow
from models.networks.classes import FACE, among
from tasks.contract import Batch, Field, Gives, Reason, Reject


@dataclass(frozen=True)
class Warp:
    """Warp the photo and its parsing so that no old face is left around the face mask.

    Args:
        min_amplitude: rows are rejected when more than this share of the flow would have to be given up to keep the
            picture from folding.
    """

    min_amplitude: float = 0.5

    name: ClassVar[str] = "warp"
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Field, ...]] = (
        Field("photo", "uint8", ("R", "R", 3), "rgb"),
        Field("parsing", "uint8", ("R", "R"), "celebamask"),
        Field("face_mask", "bool", ("R", "R"), "pixel"),
    )
    gives: ClassVar[tuple[Field, ...]] = (
        Field("warped", "uint8", ("R", "R", 3), "rgb"),
        Field("warped_parsing", "uint8", ("R", "R"), "celebamask"),
        Field("warp_max", "float32", (), "pixel"),
    )

    def warp(self, batch: Batch) -> Gives:
        """Warp every row; a row whose flow folds is rejected."""
        warped, classes = np.zeros_like(batch["photo"]), np.zeros_like(batch["parsing"])
        largest = np.zeros(len(batch), np.float32)
        rejects: dict[int, Reject] = {}
        for i in range(len(batch)):
            photo, parsing = batch["photo"][i], batch["parsing"][i]
            flow = edge_flow(among(parsing, FACE), batch["face_mask"][i])
            if flow.amplitude < self.min_amplitude:
                detail = (
                    f"only {100 * flow.amplitude:.0f} % of the flow to the face's edge are free of folds, "
                    f"{100 * self.min_amplitude:.0f} % are needed"
                )
                rejects[i] = Reject(Reason.WARP_FOLDS, detail)
                continue
            warped[i], classes[i] = apply(flow, photo, parsing)
            largest[i] = flow.largest
        return Gives({"warped": warped, "warped_parsing": classes, "warp_max": largest}, rejects)

    __call__ = warp
