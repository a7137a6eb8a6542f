"""Curved point-normal triangles: where the vertices of a refined head lie on a posed coarse one.

Halving flat triangles would leave their facets in every normal. A cubic patch per triangle (Vlachos, Peters, Boyd and
Mitchell, "Curved PN triangles", 2001) passes through its corners with their normals, so the fine mesh is as smooth as
the coarse one looked under interpolated normals. Turning, moving or scaling the corners does the same to the patch.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numba import njit


@njit(cache=True)
def _place(vertices, normals, faces, triangle, bary, first, points, directions):  # type: ignore[no-untyped-def]
    p, n = np.zeros((3, 3)), np.zeros((3, 3))
    for v in range(points.shape[0]):
        f = triangle[v]
        for k in range(3):
            for d in range(3):
                p[k, d] = vertices[faces[f, k], d]
                n[k, d] = normals[faces[f, k], d]
        a, b, c = np.float64(bary[v, 0]), np.float64(bary[v, 1]), np.float64(bary[v, 2])
        for d in range(3):
            directions[v, d] = a * n[0, d] + b * n[1, d] + c * n[2, d]
        length = np.sqrt(directions[v, 0] ** 2 + directions[v, 1] ** 2 + directions[v, 2] ** 2)
        if length > 0.0:
            for d in range(3):
                directions[v, d] /= length
        if v < first:
            for d in range(3):
                points[v, d] = vertices[v, d]
            continue
        # Corner i's tangent plane above corner j: (p_j - p_i) . n_i
        w01 = w12 = w20 = w10 = w21 = w02 = 0.0
        for d in range(3):
            w01 += (p[1, d] - p[0, d]) * n[0, d]
            w10 += (p[0, d] - p[1, d]) * n[1, d]
            w12 += (p[2, d] - p[1, d]) * n[1, d]
            w21 += (p[1, d] - p[2, d]) * n[2, d]
            w20 += (p[0, d] - p[2, d]) * n[2, d]
            w02 += (p[2, d] - p[0, d]) * n[0, d]
        for d in range(3):
            b210 = (2.0 * p[0, d] + p[1, d] - w01 * n[0, d]) / 3.0
            b120 = (2.0 * p[1, d] + p[0, d] - w10 * n[1, d]) / 3.0
            b021 = (2.0 * p[1, d] + p[2, d] - w12 * n[1, d]) / 3.0
            b012 = (2.0 * p[2, d] + p[1, d] - w21 * n[2, d]) / 3.0
            b102 = (2.0 * p[2, d] + p[0, d] - w20 * n[2, d]) / 3.0
            b201 = (2.0 * p[0, d] + p[2, d] - w02 * n[0, d]) / 3.0
            side = (b210 + b120 + b021 + b012 + b102 + b201) / 6.0
            b111 = side + (side - (p[0, d] + p[1, d] + p[2, d]) / 3.0) / 2.0
            points[v, d] = (
                a * a * a * p[0, d] + b * b * b * p[1, d] + c * c * c * p[2, d]
                + 3.0 * (a * a * b * b210 + a * b * b * b120 + b * b * c * b021)
                + 3.0 * (b * c * c * b012 + c * c * a * b102 + a * a * c * b201)
                + 6.0 * a * b * c * b111
            )  # fmt: skip


def patch_points(
    vertices: Float[np.ndarray, "V 3"],
    normals: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    triangle: Int[np.ndarray, " W"],
    bary: Float[np.ndarray, "W 3"],
) -> tuple[Float[np.ndarray, "W 3"], Float[np.ndarray, "W 3"]]:
    """Points on the patches and unit directions to displace them along, float64, in the frame of the vertices.

    Args:
        vertices: coarse vertices; the first V points are these themselves.
        normals: their unit normals.
        faces: coarse triangles.
        triangle: coarse triangle of each point.
        bary: its weights there.
    """
    points, directions = np.zeros((len(triangle), 3)), np.zeros((len(triangle), 3))
    _place(vertices, normals, faces, triangle, bary, len(vertices), points, directions)
    return points, directions
