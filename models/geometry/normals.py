"""Smooth vertex normals, for shading and for the normal maps."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numba import njit


@njit(cache=True)
def _accumulate(vertices, faces, total):  # type: ignore[no-untyped-def]
    side = np.zeros((3, 3), dtype=np.float64)
    for f in range(faces.shape[0]):
        for k in range(3):
            start, end = faces[f, k], faces[f, (k + 1) % 3]
            for d in range(3):
                side[k, d] = np.float64(vertices[end, d]) - np.float64(vertices[start, d])
        nx = side[0, 1] * side[1, 2] - side[0, 2] * side[1, 1]
        ny = side[0, 2] * side[1, 0] - side[0, 0] * side[1, 2]
        nz = side[0, 0] * side[1, 1] - side[0, 1] * side[1, 0]
        # Twice the area; also the sine of every corner, up to the lengths of its two sides.
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        if length == 0.0:
            continue
        for k in range(3):
            p = (k + 2) % 3
            cosine = -(side[k, 0] * side[p, 0] + side[k, 1] * side[p, 1] + side[k, 2] * side[p, 2])
            weight = np.arctan2(length, cosine) / length
            v = faces[f, k]
            total[v, 0] += nx * weight
            total[v, 1] += ny * weight
            total[v, 2] += nz * weight
    for v in range(total.shape[0]):
        length = np.sqrt(total[v, 0] ** 2 + total[v, 1] ** 2 + total[v, 2] ** 2)
        if length > 0.0:
            for d in range(3):
                total[v, d] /= length


def vertex_normals(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V 3"]:
    """Unit normals, float32, in the frame of the vertices: the triangles' normals, averaged by corner angle.

    The angle weight does not depend on how a flat patch is cut into triangles. A vertex that no triangle of
    positive area touches has a zero normal.
    """
    total = np.zeros((len(vertices), 3), dtype=np.float64)
    _accumulate(
        np.ascontiguousarray(vertices, dtype=np.float32), np.ascontiguousarray(faces, dtype=np.int32), total
    )
    return total.astype(np.float32)
