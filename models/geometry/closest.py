"""Nearest points of a triangle mesh, with what interpolates values there."""

from __future__ import annotations

import igl
import numpy as np
from jaxtyping import Float, Int


def closest_points(
    points: Float[np.ndarray, "n 3"], vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 3"], Float[np.ndarray, " n"]]:
    """Triangle, barycentric weights and distance of the surface point nearest to each point."""
    V, F = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    squared, triangle, nearest = igl.point_mesh_squared_distance(np.asarray(points, np.float64), V, F)
    a, b, c = (V[F[triangle, k]] for k in range(3))
    n = np.cross(b - a, c - a)
    area = np.maximum((n * n).sum(1), 1e-18)
    u = (np.cross(c - b, nearest - b) * n).sum(1) / area
    v = (np.cross(a - c, nearest - c) * n).sum(1) / area
    return triangle, np.stack([u, v, 1 - u - v], 1), np.sqrt(squared)
