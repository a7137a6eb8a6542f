"""Which point of the bundled head each vertex of another head is: a landmark spline, then a smooth closest-point fit.

The bundled mean head is the reference in which all heads meet. A head that knows where its vertices lie on it takes
over what the bundled head knows (regions, textures, where eyes and teeth sit, how expressions move) and textures find
their way between any two heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.interpolate import RBFInterpolator
from scipy.sparse.linalg import splu

from models.geometry.normals import vertex_normals
from models.geometry.similarity import Similarity
from models.heads.linear import LinearHead
from models.heads.regions import HOLES

INNER = slice(17, 68)  # iBUG-68 without the jaw, whose points are nobody's anatomical place
# Stiffness against bending, and mm within which a closest point counts, from round to round.
ROUNDS = ((300.0, 30.0), (100.0, 20.0), (30.0, 15.0), (10.0, 10.0), (3.0, 8.0), (1.0, 6.0), (0.5, 5.0))
ALIKE = 0.6  # cosine between normals of points that may be one
LANDMARK_WEIGHT = 20.0


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Where the vertices of a head lie on the reference."""

    placed: Float[np.ndarray, "v 3"]  # in the reference's frame, on or near its mean surface
    triangle: Int[np.ndarray, " v"]  # of the reference, hole patches left out
    bary: Float[np.ndarray, "v 3"]
    apart: Float[np.ndarray, " v"]  # mm between ``placed`` and the reference's surface
    similarity: Similarity  # the rigid part: head frame to reference frame


def correspond(
    points: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    marks: Float[np.ndarray, "68 3"],
    free: Bool[np.ndarray, " v"],
    reference: LinearHead,
) -> Correspondence:
    """Lay a head onto the reference's mean.

    Args:
        points: mean vertices, mm, head frame.
        faces: triangles of the closed head.
        marks: its 68 landmarks.
        free: vertices that are no skin (patches over eyes, mouth bag, caps): they follow their neighbours.
        reference: the bundled head.
    """
    goal_marks = reference.landmarks(reference.mean).astype(np.float64)
    move = Similarity.between(marks[INNER], goal_marks[INNER])
    start = move(points)
    spline = RBFInterpolator(
        move(marks[INNER]), (goal_marks - move(marks))[INNER], kernel="linear", degree=0, smoothing=1.0
    )
    start = start + spline(start)
    goal = reference.mean.astype(np.float64)
    skin = reference.faces[~np.isin(reference.face_region, HOLES)].astype(np.int64)
    goal_normals = vertex_normals(reference.mean, reference.faces).astype(np.float64)
    bending = _bending(faces, len(points))
    at, pull = _landmark_rows(points, faces, marks, goal_marks)
    shift = np.zeros_like(start)
    for stiff, reach in ROUNDS:
        now = start + shift
        squared, triangle, near = igl.point_mesh_squared_distance(now, goal, skin)
        own = vertex_normals(now.astype(np.float32), faces)
        theirs = goal_normals[skin[triangle]].mean(1)
        weight = ((own * theirs).sum(1) > ALIKE) & (squared < reach**2) & ~free
        left = sparse.diags(weight.astype(float)) + stiff * bending + LANDMARK_WEIGHT * at.T @ at
        right = weight[:, None] * (near - start) + LANDMARK_WEIGHT * at.T @ (pull - at @ start)
        left = left + 1e-6 * sparse.identity(len(points))
        shift = splu(left.tocsc()).solve(right)
    placed = start + shift
    squared, triangle, near = igl.point_mesh_squared_distance(placed, goal, skin)
    bary = barycentric(near, goal, skin[triangle])
    return Correspondence(
        placed, np.flatnonzero(~np.isin(reference.face_region, HOLES))[triangle], bary, np.sqrt(squared), move
    )


def barycentric(
    near: Float[np.ndarray, "n 3"], points: Float[np.ndarray, "v 3"], triples: Int[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    """Weights of points on triangles, none below zero."""
    corners = [np.ascontiguousarray(points[triples[:, i]], np.float64) for i in range(3)]
    bary = np.clip(igl.barycentric_coordinates(np.ascontiguousarray(near), *corners), 0, None)
    return bary / bary.sum(1, keepdims=True)


def _bending(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """Squared umbrella operator: how far each vertex's shift is from the mean of its neighbours'."""
    ends = np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)])
    links = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (count, count)).tocsr()
    links = ((links + links.T) > 0).astype(float)
    degree = np.maximum(np.asarray(links.sum(1)).ravel(), 1)
    umbrella = sparse.identity(count) - sparse.diags(1 / degree) @ links
    return (umbrella.T @ umbrella).tocsr()


def _landmark_rows(
    points: np.ndarray, faces: np.ndarray, marks: np.ndarray, goal: np.ndarray
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Rows that pick the inner landmarks out of the vertices, and where they are to be."""
    _, triangle, near = igl.point_mesh_squared_distance(
        np.ascontiguousarray(marks[INNER], np.float64),
        np.ascontiguousarray(points, np.float64),
        faces.astype(np.int64),
    )
    bary = barycentric(near, points, faces[triangle])
    rows = np.repeat(np.arange(len(bary)), 3)
    return sparse.csr_matrix((bary.ravel(), (rows, faces[triangle].ravel())), (len(bary), len(points))), goal[
        INNER
    ]
