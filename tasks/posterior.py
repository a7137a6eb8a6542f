"""How far the identities that stage ``draw`` draws for one face differ: what landmarks leave open.

The posterior of a landmark fit leaves most of the shape space as the prior has it. These numbers say so from the
draws themselves, not from the formula that makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.geometry.camera import ScaledOrtho, pixel_to_cube
from models.heads.bilinear import BilinearHead
from models.heads.fit import identity_posterior, interocular
from models.heads.regions import FACE, HOLES
from models.heads.rows import JAW
from storage.plan import PlanRow
from tasks.contract import Batch
from tasks.draw import Draw

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class DrawnSpread:
    """Draws of one face, measured. Variances are in units of the prior's."""

    variance: Array  # (K,) of the drawn coefficients, over the prior's
    posterior: Array  # (K,) the same of the posterior; draws have its spread² times, less what clipping takes
    whitened: float  # mean square of the draws in the posterior's own axes: 1 when they follow it
    landmark_rms: float  # of the inner landmarks' moves, image x and y, in standard deviations of their noise
    landmark_share: float  # share of the moves within two of them; at most 0.95 of pure noise
    surface_mm: float  # rms distance of a face vertex from its mean over the draws
    prior_mm: float  # the same for draws from the prior
    depth_mm: float  # rms of the surface's moves along the line of sight, which landmarks do not see
    prior_depth_mm: float

    @property
    def decided(self) -> float:
        """How many of the K modes the landmarks decide: K minus the sum of the posterior's variances."""
        return float((1 - self.posterior).sum())


def measure_draws(draw: Draw, source: Mapping[str, Array], count: int = 256, seed: int = 0) -> DrawnSpread:
    """Draw many identities for one annotated face and measure them.

    Args:
        draw: the stage, with a linear head and a spread above 0.
        source: arrays of the face as a recipe's ``load`` gives them, without batch axis.
        count: draws.
        seed: of the plan rows that the draws are for.

    Raises:
        ValueError: the stage draws nothing.
    """
    head = draw.head
    if isinstance(head, BilinearHead) or draw.spread <= 0:
        msg = (
            f"measure_draws wants a linear head and a spread above 0, got {type(head).__name__} and {draw.spread}; "
            f"pass Draw(head, size, spread=1.0)."
        )
        raise ValueError(msg)
    rows = tuple(PlanRow(f"{i:08d}", i, 0, seed, "source", head.name, "", "train") for i in range(count))
    fields = {f.name: np.repeat(source[f.name][None], count, axis=0) for f in draw.needs}
    shape = draw.draw(Batch(rows, fields)).fields["shape"].astype(np.float64)
    pose = ScaledOrtho(float(source["scale"]), source["rotation"], source["translation"])
    landmarks = pixel_to_cube(source["landmarks"].astype(np.float64), draw.size)
    centre = source["identity"].astype(np.float64)
    factor = identity_posterior(head, pose, source["expression"], landmarks, centre, draw.prior)
    inverse = np.linalg.inv(factor)
    off = shape - centre
    noise = draw.prior.noise * interocular(landmarks)
    marks = np.einsum("lc,klcd->kld", head.landmark_bary, head.id_basis[:, head.landmark_vertices])[:, JAW:]
    moves = pose.scale * np.einsum("nk,kld,id->nli", off, marks, pose.rotation[:2]) / noise
    seen = np.unique(head.faces[np.isin(head.face_region, FACE) & ~np.isin(head.face_region, HOLES)])[::4]
    basis = head.id_basis[:, seen].astype(np.float64)
    surface = np.einsum("nk,kvd->nvd", off, basis)
    surface -= surface.mean(axis=0)
    depth, prior_depth = surface @ pose.rotation[2], basis @ pose.rotation[2]
    return DrawnSpread(
        variance=shape.var(axis=0, ddof=1),
        posterior=(inverse**2).sum(axis=0),
        whitened=float(((off @ factor) ** 2).mean()) / draw.spread**2,
        landmark_rms=float(np.sqrt((moves**2).mean())),
        landmark_share=float((np.abs(moves) < 2).mean()),
        surface_mm=_rms(surface),
        prior_mm=float(np.sqrt((basis**2).sum(axis=(0, 2)).mean())),
        depth_mm=float(np.sqrt((depth**2).mean())),
        prior_depth_mm=float(np.sqrt((prior_depth**2).sum(axis=0).mean())),
    )


def _rms(vectors: Array) -> float:
    """Root of the mean squared length of vectors (..., 3)."""
    return float(np.sqrt((vectors**2).sum(axis=-1).mean()))
