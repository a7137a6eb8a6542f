"""The outline of the face towards ears, neck and scalp, as a smooth line over the mesh.

Region labels sit on vertices and triangles, so an outline that follows them is a saw with teeth of a triangle's size,
which would be the border of every mask and blend. Averaging the labels over neighbours gives a smooth field whose
level 0.5 is nearly the same line without teeth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.sparse import csr_matrix

from models.heads.regions import FACE, HOLES, Region

ROUNDS = 6  # of averaging over direct neighbours; spreads over about two edges


@dataclass(frozen=True, eq=False)
class Outline:
    """Per vertex: how much of its neighbourhood is outside the face, and what to call it on either side."""

    outside: Float[np.ndarray, " V"]  # float32 in [0, 1]; the face ends at 0.5
    inner: UInt8[
        np.ndarray, " V"
    ]  # region if a point here is face: never a hole, whose borders are mesh edges
    outer: UInt8[np.ndarray, " V"]  # region if it is not


def face_outline(faces: Int[np.ndarray, "F 3"], vertex_region: UInt8[np.ndarray, " V"]) -> Outline:
    """Smooth the face's outline of a head. Takes some milliseconds; keep the result."""
    n = len(vertex_region)
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    links = csr_matrix((np.ones(2 * len(start)), (np.r_[start, end], np.r_[end, start])), (n, n))
    links.data[:] = 1
    degree = np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1)
    is_outer = ~np.isin(vertex_region, FACE)
    outside = is_outer.astype(np.float64)
    outer = np.where(is_outer, vertex_region, Region.BACKGROUND)
    for _ in range(ROUNDS):
        outside = 0.5 * outside + 0.5 * (links @ outside) / degree
        # Names spread too, so that every vertex the line may move past has one: the largest id of its neighbours.
        rows, columns = links.nonzero()
        spread = np.zeros(n, dtype=outer.dtype)
        np.maximum.at(spread, rows, outer[columns])
        outer = np.where(outer == Region.BACKGROUND, spread, outer)
    outer = np.where(outer == Region.BACKGROUND, Region.SCALP, outer)
    inner = np.where(is_outer | np.isin(vertex_region, HOLES), Region.SKIN, vertex_region)
    return Outline(outside.astype(np.float32), inner.astype(np.uint8), outer.astype(np.uint8))
