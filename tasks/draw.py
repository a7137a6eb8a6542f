"""Stage ``draw``: the shape of this pair, drawn from what the landmarks leave open, posed in the cube (DESIGN §7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import solve_triangular

from models.geometry.camera import ScaledOrtho, pixel_to_cube
from models.heads.bilinear import BilinearHead
from models.heads.fit import FitPrior, identity_posterior
from models.heads.linear import LinearHead
from tasks.contract import Batch, Field, Gives
from tasks.fit import POSE_FIELDS

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Draw:
    """Draw an identity around the fitted one and pose the head.

    The image is made from the shape, so every shape is true; a network trained on maximum a-posteriori shapes would
    learn to read shape off the landmarks.

    Args:
        head: the head model that was fitted.
        size: side of the crop in pixels, the frame of the landmarks.
        spread: 0 takes the fitted identity itself, 1 the full posterior.
        limit: largest accepted coefficient in prior standard deviations; draws are clipped there.
        prior: the prior of the fit.
    """

    head: LinearHead | BilinearHead
    size: int
    spread: float = 1.0
    limit: float = 2.5
    prior: FitPrior = field(default_factory=FitPrior)

    name: ClassVar[str] = "draw"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = (
        Field("landmarks", "float32", (68, 2), "pixel"),
        *(f for f in POSE_FIELDS if f.name != "fit_rms"),
    )
    gives: ClassVar[tuple[Field, ...]] = (
        Field("shape", "float32", ("K",), "head"),
        Field("posed", "float32", ("B", 3), "cube"),
    )

    def draw(self, batch: Batch) -> Gives:
        """One identity per row from the row's own random stream."""
        shapes, posed = [], []
        for i in range(len(batch)):
            shape = self._identity(batch, i)
            camera = ScaledOrtho(float(batch["scale"][i]), batch["rotation"][i], batch["translation"][i])
            shapes.append(shape)
            posed.append(camera.to_cube(self.head.vertices(shape, batch["expression"][i])).astype(np.float32))
        return Gives({"shape": np.stack(shapes), "posed": np.stack(posed)})

    __call__ = draw

    def _identity(self, batch: Batch, i: int) -> Array:
        identity = batch["identity"][i].astype(np.float64)
        if self.spread > 0:
            camera = ScaledOrtho(
                float(batch["scale"][i]),
                batch["rotation"][i].astype(np.float64),
                batch["translation"][i].astype(np.float64),
            )
            landmarks = pixel_to_cube(batch["landmarks"][i].astype(np.float64), self.size)
            factor = identity_posterior(
                self.head, camera, batch["expression"][i], landmarks, identity, self.prior
            )
            z = batch.rng(i, self).standard_normal(len(identity))
            identity = identity + self.spread * solve_triangular(factor.T, z, lower=False)
        mean, std = identity_prior(self.head)
        drawn = np.clip(identity, mean - self.limit * std, mean + self.limit * std)
        return np.asarray(drawn, np.float32)


def identity_prior(
    head: LinearHead | BilinearHead,
) -> tuple[Array, Array]:
    """Mean and standard deviation of the identity coefficients, each (K,)."""
    if isinstance(head, BilinearHead):
        return head.identity_mean, head.identity_std
    modes = head.id_basis.shape[0]
    return np.zeros(modes, np.float32), np.ones(modes, np.float32)
