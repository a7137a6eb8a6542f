"""A closed triangle mesh with what decides its sides, and the nearest point of a triangle.

Signs are those of the angle-weighted pseudonormal of the nearest face, edge or corner (Bærentzen & Aanæs 2005), which
is exact on a closed, oriented mesh.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numba import njit


@dataclass(frozen=True)
class Mesh:
    """A closed mesh in voxel units (voxel i of the cube is at coordinate i) with what decides its sides."""

    corners: Float[np.ndarray, "F 3 3"]
    normal: Float[np.ndarray, "F 3"]  # unit
    at_vertex: Float[np.ndarray, "V 3"]  # pseudonormal, any length
    faces: Int[np.ndarray, "F 3"]
    partner: Int[np.ndarray, "F 3"]  # triangle on the other side of the edge after corner k

    @classmethod
    def build(cls, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], grid: int) -> Mesh:
        """From cube coordinates.

        Raises:
            ValueError: an edge does not have exactly two triangles that pass it in opposite directions.
        """
        points = np.ascontiguousarray((np.asarray(vertices, np.float64) + 1) * (grid / 2) - 0.5)
        triangles = np.ascontiguousarray(faces, np.int32)
        partner = partners(triangles.tobytes(), len(points))
        if partner.min() < 0:
            msg = (
                f"the mesh has {int((partner < 0).sum())} open or doubled edges, expected none, because only a closed, "
                f"oriented surface has an inside; close it or fix its winding first."
            )
            raise ValueError(msg)
        return cls(*pseudonormals(points, triangles), triangles, partner)


@lru_cache(maxsize=4)
def partners(faces: bytes, count: int) -> Int[np.ndarray, "F 3"]:
    """For edge k (corner k to k + 1) of each triangle the one on the other side, or -1; cached, heads share topology.

    Args:
        faces: int32 (F, 3) as bytes.
        count: number of vertices.
    """
    start = np.frombuffer(faces, np.int32).reshape(-1, 3)
    end = np.roll(start, -1, axis=1)
    there = (start.astype(np.int64) * count + end).ravel()
    back = (end.astype(np.int64) * count + start).ravel()
    order = np.argsort(there, kind="stable")
    keys = there[order]
    at = np.minimum(np.searchsorted(keys, back), len(keys) - 1)
    doubled = np.zeros(len(keys), bool)
    doubled[1:] = keys[1:] == keys[:-1]
    doubled[:-1] |= keys[1:] == keys[:-1]
    partner = np.where((keys[at] == back) & ~doubled[at], order[at] // 3, -1).astype(np.int32)
    partner[order[doubled]] = -1
    partner = partner.reshape(-1, 3)
    partner.flags.writeable = False
    return partner


@njit(cache=True, error_model="numpy")
def pseudonormals(points, faces):  # (V, 3), (F, 3) -> as the fields of Mesh
    """Corners and normals of every triangle, and pseudonormals of the vertices."""
    count = faces.shape[0]
    corners, normal, at_vertex = np.zeros((count, 3, 3)), np.zeros((count, 3)), np.zeros_like(points)
    side = np.zeros((3, 3))
    for f in range(count):
        for k in range(3):
            for c in range(3):
                corners[f, k, c] = points[faces[f, k], c]
        for k in range(3):
            for c in range(3):
                side[k, c] = corners[f, (k + 1) % 3, c] - corners[f, k, c]
        for c in range(3):
            i, j = (c + 1) % 3, (c + 2) % 3
            normal[f, c] = side[0, i] * side[1, j] - side[0, j] * side[1, i]
        length = np.sqrt(normal[f, 0] ** 2 + normal[f, 1] ** 2 + normal[f, 2] ** 2)
        if length == 0:
            continue  # a triangle without area has neighbours that know the direction
        for c in range(3):
            normal[f, c] /= length
        for k in range(3):
            dot, u, v = 0.0, 0.0, 0.0
            for c in range(3):
                dot -= side[k, c] * side[(k + 2) % 3, c]
                u += side[k, c] ** 2
                v += side[(k + 2) % 3, c] ** 2
            angle = np.arccos(min(1.0, max(-1.0, dot / np.sqrt(u * v))))
            for c in range(3):
                at_vertex[faces[f, k], c] += angle * normal[f, c]
    return corners, normal, at_vertex


@njit(cache=True, error_model="numpy")
def closest(corners, f, px, py, pz):
    """Squared distance of a point to triangle f, the vector from it, and its nearest part.

    Parts: 0 the face, 1–3 the edge after corner k - 1, 4–6 the corner k - 4 (Ericson 2005, §5.1.5).
    """
    ax, ay, az = corners[f, 0, 0], corners[f, 0, 1], corners[f, 0, 2]
    ux, uy, uz = corners[f, 1, 0] - ax, corners[f, 1, 1] - ay, corners[f, 1, 2] - az
    vx, vy, vz = corners[f, 2, 0] - ax, corners[f, 2, 1] - ay, corners[f, 2, 2] - az
    wx, wy, wz = px - ax, py - ay, pz - az
    d1, d2 = ux * wx + uy * wy + uz * wz, vx * wx + vy * wy + vz * wz
    uu, uv, vv = ux * ux + uy * uy + uz * uz, ux * vx + uy * vy + uz * vz, vx * vx + vy * vy + vz * vz
    d3, d4, d5, d6 = d1 - uu, d2 - uv, d1 - uv, d2 - vv
    s, r, part = 0.0, 0.0, 0
    if d1 <= 0 and d2 <= 0:
        part = 4
    elif d3 >= 0 and d4 <= d3:
        s, part = 1.0, 5
    elif d6 >= 0 and d5 <= d6:
        r, part = 1.0, 6
    else:
        va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
        if vc <= 0 and d1 >= 0 and d3 <= 0:
            s, part = d1 / (d1 - d3), 1
        elif vb <= 0 and d2 >= 0 and d6 <= 0:
            r, part = d2 / (d2 - d6), 3
        elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
            r = (d4 - d3) / ((d4 - d3) + (d5 - d6))
            s, part = 1.0 - r, 2
        else:
            whole = va + vb + vc
            s, r = vb / whole, vc / whole
    dx, dy, dz = wx - s * ux - r * vx, wy - s * uy - r * vy, wz - s * uz - r * vz
    return dx * dx + dy * dy + dz * dz, dx, dy, dz, part


@njit(cache=True, error_model="numpy")
def outside(f, dx, dy, dz, part, normal, at_vertex, faces, partner):
    """Whether the vector from the nearest point points away from the body."""
    x, y, z = normal[f, 0], normal[f, 1], normal[f, 2]
    if part > 3:
        v = faces[f, part - 4]
        x, y, z = at_vertex[v, 0], at_vertex[v, 1], at_vertex[v, 2]
    elif part > 0:
        g = partner[f, part - 1]
        x, y, z = x + normal[g, 0], y + normal[g, 1], z + normal[g, 2]
    return dx * x + dy * y + dz * z >= 0
