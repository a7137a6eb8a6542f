"""Stage ``fit``: pose, identity and expression that meet the photo's 68 landmarks (paper, first stage)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from models.geometry.camera import pixel_to_cube
from models.heads.bilinear import BilinearHead
from models.heads.fit import FitPrior, fit_landmarks
from models.heads.linear import LinearHead
from tasks.contract import Batch, Field, Gives, Reason, Reject

POSE_FIELDS = (
    Field("scale", "float32", (), "cube"),
    Field("rotation", "float32", (3, 3), "cube"),
    Field("translation", "float32", (2,), "cube"),
    Field("identity", "float32", ("K",), "head"),
    Field("expression", "float32", ("E",), "head"),
    Field("fit_rms", "float32", (), "iod"),
)


@dataclass(frozen=True)
class Fit:
    """Fit every face of a batch; rejects those whose landmarks no head can meet.

    Args:
        head: linear or bilinear head model.
        size: side of the crop in pixels, the frame of the landmarks.
        max_rms: largest accepted rms landmark residual in inter-ocular distances.
        prior: noise and prior widths of the fit.
    """

    head: LinearHead | BilinearHead
    size: int
    max_rms: float = 0.09
    prior: FitPrior = field(default_factory=FitPrior)

    name: ClassVar[str] = "fit"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = (Field("landmarks", "float32", (68, 2), "pixel"),)
    gives: ClassVar[tuple[Field, ...]] = POSE_FIELDS

    def fit(self, batch: Batch) -> Gives:
        """Closed-form fit of each row, about five milliseconds each."""
        fits = [
            fit_landmarks(self.head, pixel_to_cube(points.astype(np.float64), self.size), self.prior)
            for points in batch["landmarks"]
        ]
        rejects = {
            i: Reject(
                Reason.FIT_RESIDUAL,
                f"landmark residual {f.rms:.3f} of the inter-ocular distance, at most {self.max_rms} is accepted",
            )
            for i, f in enumerate(fits)
            if f.rms > self.max_rms
        }
        return Gives(
            {
                "scale": np.array([f.camera.scale for f in fits], np.float32),
                "rotation": np.array([f.camera.rotation for f in fits], np.float32),
                "translation": np.array([f.camera.translation for f in fits], np.float32),
                "identity": np.array([f.identity for f in fits], np.float32),
                "expression": np.array([f.expression for f in fits], np.float32),
                "fit_rms": np.array([f.rms for f in fits], np.float32),
            },
            rejects,
        )

    __call__ = fit
