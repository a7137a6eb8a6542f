"""Bend a head onto a surface: regularised non-rigid registration of a mesh that is near it already.

The unknown is a displacement of the control mesh, so that what comes out is again a subdivided mesh and can be a head
file. Its energy is that of a thin plate under a membrane (cotangent Laplacian L, mass M), beside squared distances to
planes at the nearest points in both directions, all as integrals over the surface:

    sum area (n . (v + S d - q))^2  +  bend^4 |M^-1/2 L S d|^2  +  stretch^2 |grad S d|^2  +  loose |S d|^2

``bend`` is a length: bumps narrower than about that many millimetres are not followed. It falls from round to round
(Amberg, Romdhani and Vetter 2007 do so with an affine energy). What has no partner follows the plate.
"""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse.linalg import splu

from models.geometry.normals import vertex_normals
from models.heads.target import Target

# mm of bend and of reach, round by round.
ROUNDS = (
    (30.0, 12.0), (20.0, 10.0), (14.0, 8.0), (10.0, 6.0), (7.0, 5.0), (5.0, 4.0), (4.0, 4.0), (3.0, 4.0), (2.5, 3.0),
    (2.0, 3.0), (1.5, 2.0), (1.5, 2.0),
)  # fmt: skip
STRETCH = 0.5  # mm
LOOSE = 1e-3
SLIDE = 0.02  # weight of distances along the surface against those across it
BACK = 0.5  # weight of the surface's own points against the mesh's
MOST_BACK = 12000  # of them
STIFFER = 3.0  # how much the bend grows around triangles that would fold
TRIES = 6


@dataclass(frozen=True, eq=False)
class Sheet:
    """A triangle mesh that can be bent.

    Attributes:
        vertices: millimetres, in the frame of the surface that it is bent onto.
        faces: triangles.
        weight: trust in a partner of each vertex, 0..1: 0 for what the surface does not show.
        control: vertices are ``control @ controls`` up to a constant; the identity for a mesh that is its own control.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    weight: Float[np.ndarray, " V"]
    control: sparse.csr_matrix


@dataclass(frozen=True, eq=False)
class Marks:
    """Linear functions of the vertices that are known, such as landmarks: ``rows @ vertices`` should be ``goals``."""

    rows: sparse.csr_matrix  # (m, V)
    goals: Float[np.ndarray, "m 3"]
    area: Float[np.ndarray, " m"]  # mm² of skin that each counts as


def bend(
    sheet: Sheet,
    target: Target,
    marks: Marks,
    finest: float = 0.0,
) -> Float[np.ndarray, "C 3"]:
    """Displacements of the control vertices that lay the sheet onto the surface without a fold.

    Args:
        sheet: mesh near the surface.
        target: surface in the sheet's frame.
        marks: landmarks and where they should be.
        finest: least bend in millimetres, for a surface with noise.
    """
    plate = _Plate(sheet)
    d = np.zeros((sheet.control.shape[1], 3))
    stiff = np.ones(len(sheet.vertices))
    for length, reach in ROUNDS:
        if length < finest:
            break
        for _ in range(TRIES):
            trial = _solve(sheet, plate, target, d, length, stiff, reach, marks)
            bad = folded(sheet.vertices, sheet.vertices + sheet.control @ trial, sheet.faces)
            if not bad.any():
                d = trial
                break
            around = np.zeros(len(stiff), bool)
            around[sheet.faces[bad].ravel()] = True
            for _ in range(2):
                around[sheet.faces[around[sheet.faces].any(1)].ravel()] = True
            stiff = np.where(around, stiff * STIFFER, stiff)
    return d


def folded(
    before: Float[np.ndarray, "V 3"], after: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Bool[np.ndarray, " F"]:
    """Triangles that turned by more than a right angle, or against the skin around them."""
    old, new = _cross(before, faces), _cross(after, faces)
    turned = (old * new).sum(1) <= 0
    around = vertex_normals(after, faces).astype(np.float64)[faces].mean(1)
    against = ((new * around).sum(1) <= 0) & ~(
        (old * vertex_normals(before, faces).astype(np.float64)[faces].mean(1)).sum(1) <= 0
    )
    return turned | against


class _Plate:
    """Elastic energy of a sheet at rest."""

    def __init__(self, sheet: Sheet) -> None:
        V, F = np.asarray(sheet.vertices, np.float64), np.asarray(sheet.faces, np.int64)
        self.laplacian = -igl.cotmatrix(V, F)
        area = igl.massmatrix(V, F, igl.MASSMATRIX_TYPE_BARYCENTRIC).diagonal()
        self.area = np.maximum(area, 1e-3 * area.mean())
        S = sheet.control
        self.curl = (sparse.diags(self.area**-0.5) @ self.laplacian @ S).tocsr()
        self.stretch = (S.T @ self.laplacian @ S).tocsr()
        self.loose = (S.T @ sparse.diags(self.area) @ S).tocsr()

    def hessian(self, length: float, stiff: Float[np.ndarray, " V"]) -> sparse.csr_matrix:
        bent = sparse.diags(stiff**2) @ self.curl
        return length**4 * bent.T @ bent + STRETCH**2 * self.stretch + LOOSE * self.loose


def _solve(
    sheet: Sheet, plate: _Plate, target: Target, d: np.ndarray, length: float, stiff: np.ndarray, reach: float,
    marks: Marks,
) -> np.ndarray:  # fmt: skip
    """One round: partners of the present mesh, then the displacement that is best for them."""
    S, now = sheet.control, sheet.vertices + sheet.control @ d
    normals = vertex_normals(now, sheet.faces).astype(np.float64)
    shown = np.flatnonzero(sheet.weight)
    match = target.match(now[shown], normals[shown], reach)
    met = match.found
    at = shown[met]
    ahead = match.weight[met] * sheet.weight[at] * plate.area[at]
    back, back_goal, back_normal, back_weight = _backward(sheet, target, now, normals, reach)
    rows = sparse.vstack([S[at], back @ S]).tocsr()
    base = np.concatenate([sheet.vertices[at], back @ sheet.vertices])
    goal = np.concatenate([match.goal[met], back_goal])
    normal = np.concatenate([match.normal[met], back_normal])
    weight = np.concatenate([ahead, back_weight])
    aim = (normal * (goal - base)).sum(1)
    # Across: rows of normal_k * S, the three coordinates side by side. Along: the same for all three.
    across = sparse.hstack([sparse.diags(normal[:, k]) @ rows for k in range(3)]).tocsr()
    weighted = sparse.diags(weight)
    here = marks.rows @ S
    alone = (
        plate.hessian(length, stiff)
        + SLIDE * rows.T @ weighted @ rows
        + here.T @ sparse.diags(marks.area) @ here
    )
    H = across.T @ weighted @ across + sparse.block_diag([alone] * 3)
    along = SLIDE * rows.T @ (weight[:, None] * (goal - base)) + here.T @ (
        marks.area[:, None] * (marks.goals - marks.rows @ sheet.vertices)
    )
    g = across.T @ (weight * aim) + along.T.ravel()
    return (
        splu(H.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(g).reshape(3, -1).T
    )


def _backward(
    sheet: Sheet, target: Target, now: np.ndarray, normals: np.ndarray, reach: float
) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray, np.ndarray]:
    """The surface's own points and where they lie on the sheet: rows over vertices, points, normals, weights (mm²)."""
    mesh = Target(now, sheet.faces, sheet.weight > 0, normals)
    counted = np.flatnonzero(target.counts)
    chosen = counted[:: max(1, -(-len(counted) // MOST_BACK))]
    points = target.vertices[chosen]
    near = (points > now.min(0) - reach).all(1) & (points < now.max(0) + reach).all(1)
    chosen = chosen[near]
    match = mesh.match(target.vertices[chosen], target.normals[chosen], reach)
    chosen, weight, keep = chosen[match.found], match.weight[match.found], match.found
    corners, bary = sheet.faces[match.triangle[keep]], match.bary[keep]
    rows = sparse.csr_matrix(
        (bary.ravel(), (np.repeat(np.arange(len(chosen)), 3), corners.ravel())), (len(chosen), len(now))
    )
    trust = (sheet.weight[corners] * bary).sum(1)
    area = np.linalg.norm(_cross(target.vertices, target.faces), axis=1).sum() / 2
    each = area / len(target.vertices) * max(1.0, len(counted) / max(1, len(near)))
    return rows, target.vertices[chosen], match.normal[keep], BACK * each * weight * trust


def _cross(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (np.asarray(vertices, np.float64)[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)
