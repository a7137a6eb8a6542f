"""Any surface with 68 landmarks in the topology of a head: the model's nearest head first, then bent onto it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from models.geometry.closest import closest_points
from models.geometry.normals import vertex_normals
from models.heads.fit_surface import ACROSS, JAW, SKIN, SurfaceFit, fit_surface
from models.heads.linear import LinearHead
from models.heads.nonrigid import Marks, Sheet, bend, folded
from models.heads.regions import Region
from models.heads.target import Target

# Trust in what a surface shows of a region. Ears, hair and the inside of the mouth are as the plate carries them.
TRUST = dict.fromkeys(SKIN, 1.0) | {Region.EYES: 0.3, Region.NECK: 0.3}
MARK_AREA, ACROSS_AREA = 1.0, 30.0  # mm² of skin that a landmark, and an opening, counts as
BELIEVED = 8.0  # mm from the fitted head beyond which a landmark is a mistake


@dataclass(frozen=True, eq=False)
class Registered:
    """A head that lies on a surface; everything in the head's frame, millimetres."""

    fit: SurfaceFit
    vertices: Float[np.ndarray, "V 3"]
    displacement: Float[np.ndarray, "C 3"]  # of the control vertices, from the fitted head
    residual: Float[np.ndarray, " V"]  # distance to the surface, NaN where the face has no partner on it

    @property
    def rms(self) -> float:
        """Root mean square of the residual, mm."""
        return float(np.sqrt(np.nanmean(self.residual**2)))

    @property
    def tail(self) -> float:
        """95 % of the residuals are below this, mm."""
        return float(np.nanpercentile(self.residual, 95))


def register(
    head: LinearHead,
    target: Target,
    landmarks: Float[np.ndarray, "68 3"],
    *,
    control: sparse.csr_matrix | None = None,
    scale: float | None = None,
    finest: float = 0.0,
) -> Registered:
    """Register one surface.

    Args:
        head: linear head.
        target: surface in its own frame and unit.
        landmarks: iBUG-68 points on it; NaN where one is not known.
        control: ``(V, C)``: how vertices follow the control mesh; without it every vertex is its own control.
        scale: millimetres in a unit of the surface; None fits it.
        finest: bumps of the surface narrower than this, in mm, are noise.

    Raises:
        ValueError: fewer than ten inner landmarks are known, or the surface shows no face.
    """
    fit = fit_surface(head, target, landmarks, scale)
    near = head.vertices(fit.identity, fit.expression).astype(np.float64)
    moved = target.moved(fit.into_head)
    weight = np.zeros(len(near))
    for region, trust in TRUST.items():
        weight[head.vertex_region == region] = trust
    control = sparse.identity(len(near), format="csr") if control is None else control.astype(np.float64)
    marks = _marks(head, near, fit.into_head(np.asarray(landmarks, np.float64)))
    displacement = bend(Sheet(near, head.faces, weight, control), moved, marks, finest)
    vertices = near + control @ displacement
    residual = face_residual(head, vertices, moved)
    if np.isnan(residual).all():
        msg = "registration found no point of the face on the surface; check the landmarks and the unit of the surface."
        raise ValueError(msg)
    return Registered(fit, vertices, displacement, residual)


def face_residual(
    head: LinearHead, vertices: Float[np.ndarray, "V 3"], target: Target
) -> Float[np.ndarray, " V"]:
    """Millimetres from each vertex of skin, nose, brows and lips to the surface.

    NaN elsewhere, and where the nearest point of the surface does not count (border, hair) or faces another way
    (nostrils, the inner rims of lids and lips).
    """
    out = np.full(len(vertices), np.nan)
    skin = np.flatnonzero(np.isin(head.vertex_region, SKIN))
    normals = vertex_normals(vertices, head.faces).astype(np.float64)
    match = target.match(vertices[skin], normals[skin], np.inf)
    out[skin[match.found]] = match.distance[match.found]
    return out


def surface_residual(
    head: LinearHead, vertices: Float[np.ndarray, "V 3"], target: Target
) -> Float[np.ndarray, " n"]:
    """The other way round: millimetres from each vertex of the surface that lies over skin, nose, brows or lips."""
    triangle, _, distance = closest_points(target.vertices, vertices, head.faces)
    over = target.counts & np.isin(head.face_region[triangle], SKIN) & (distance < 10.0)
    return np.where(over, distance, np.nan)


def folds(
    head: LinearHead, before: Float[np.ndarray, "V 3"], after: Float[np.ndarray, "V 3"]
) -> Bool[np.ndarray, " F"]:
    """Triangles of a head that are folded after a registration and were not before it."""
    return folded(before, after, head.faces)


def _marks(head: LinearHead, near: Float[np.ndarray, "V 3"], landmarks: Float[np.ndarray, "68 3"]) -> Marks:
    """The inner landmarks that the fitted head agrees with, and the width of the openings between them."""
    away = np.linalg.norm(landmarks - head.landmarks(near), axis=1)
    known = np.flatnonzero(np.isfinite(away) & (np.nan_to_num(away) < BELIEVED))
    known = known[known >= JAW]
    every = sparse.csr_matrix(
        (
            head.landmark_bary.astype(np.float64).ravel(),
            (np.repeat(np.arange(len(landmarks)), 3), head.landmark_vertices.ravel()),
        ),
        (len(landmarks), len(head.mean)),
    )
    pairs = np.array([p for p in ACROSS if set(p) <= set(known.tolist())], np.int64).reshape(-1, 2)
    rows = sparse.vstack([every[known], every[pairs[:, 0]] - every[pairs[:, 1]]]).tocsr()
    goals = np.concatenate([landmarks[known], landmarks[pairs[:, 0]] - landmarks[pairs[:, 1]]])
    area = np.repeat([MARK_AREA, ACROSS_AREA], [len(known), len(pairs)])
    return Marks(rows, goals, area)
