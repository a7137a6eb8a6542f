"""How an expression stretches and compresses the skin: a strain tensor in the plane of the texture atlas.

With both ends of an edge known in the atlas, a triangle's metric says how long a step along u or v is on the surface.
The strain is the change of the metric from neutral to expression over the neutral one, halved: a stretch by the
factor f in every direction gives (f² - 1) / 2 on the diagonal. The atlas is nearly isometric in the face, so one
number (the mean of both directions) stands for the neutral metric.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from models.heads.linear import LinearHead


@njit(cache=True)
def _metrics(points, faces, frames, chosen, total, weight):  # type: ignore[no-untyped-def]
    for m in range(chosen.shape[0]):
        f = chosen[m]
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        g00 = g01 = g11 = 0.0
        for d in range(3):
            e1 = np.float64(points[b, d]) - points[a, d]
            e2 = np.float64(points[c, d]) - points[a, d]
            s = e1 * frames[m, 0, 0] + e2 * frames[m, 1, 0]  # step along u
            t = e1 * frames[m, 0, 1] + e2 * frames[m, 1, 1]  # and along v
            g00 += s * s
            g01 += s * t
            g11 += t * t
        for k in range(3):
            v = faces[f, k]
            total[v, 0] += weight[m] * g00
            total[v, 1] += weight[m] * g01
            total[v, 2] += weight[m] * g11


class SkinStrain:
    """Strain of chosen triangles of a head; set up once per head.

    Args:
        head: the coarse head; u runs right and v **down**, as the rows of a texture do.
        triangles: those that count; vertices that touch none have no strain.
    """

    def __init__(self, head: LinearHead, triangles: Int[np.ndarray, " m"]) -> None:
        self._head, self._triangles = head, np.ascontiguousarray(triangles)
        corners = head.uvs[head.face_uvs[triangles]].astype(np.float64) * [1, -1]
        sides = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=1)
        self._frames = np.ascontiguousarray(np.linalg.inv(sides))
        self._weight = np.abs(np.linalg.det(sides))
        neutral = self._metric(head.mean)
        mean = (neutral[:, 0] + neutral[:, 2]) / 2
        self._neutral, self._scale = neutral, np.where(mean > 0, 0.5 / np.maximum(mean, 1e-12), 0.0)

    def _metric(self, points: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
        total = np.zeros((len(points), 3))
        _metrics(
            np.ascontiguousarray(points, np.float32), self._head.faces, self._frames, self._triangles, total,
            self._weight,
        )  # fmt: skip
        return total

    def __call__(self, expression: Float[np.ndarray, " E"]) -> Float[np.ndarray, "V 3"]:
        """Strain (uu, uv, vv) of an expression at each coarse vertex of the mean face; negative is compression."""
        used = np.flatnonzero(expression)
        moved = self._head.mean + np.tensordot(
            np.asarray(expression, np.float32)[used], self._head.exp_basis[used], axes=1
        )
        return (self._metric(moved) - self._neutral) * self._scale[:, None]
