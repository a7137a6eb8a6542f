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
    edge: Float[np.ndarray, "F 3 3"]  # pseudonormal of the edge after corner k, any length
    corner: Float[np.ndarray, "F 3 3"]  # pseudonormal of corner k, any length
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
        return cls(*pseudonormals(points, triangles, partner), partner)


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
def pseudonormals(points, faces, partner):  # (V, 3), (F, 3), (F, 3) -> as the fields of Mesh
    """Corners, normals, and pseudonormals of edges and corners of every triangle."""
    count = faces.shape[0]
    corners, normal = np.zeros((count, 3, 3)), np.zeros((count, 3))
    at_vertex, edge, corner = np.zeros_like(points), np.zeros((count, 3, 3)), np.zeros((count, 3, 3))
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
    for f in range(count):
        for k in range(3):
            for c in range(3):
                edge[f, k, c] = normal[f, c] + normal[partner[f, k], c]
                corner[f, k, c] = at_vertex[faces[f, k], c]
    return corners, normal, edge, corner


@njit(cache=True, error_model="numpy")
def closest(t, px, py, pz):
    """Squared distance of a point to a triangle, the vector from it, and its nearest part.

    Parts: 0 the face, 1–3 the edge after corner k - 1, 4–6 the corner k - 4 (Ericson 2005, §5.1.5).
    """
    ax, ay, az = t[0, 0], t[0, 1], t[0, 2]
    ux, uy, uz = t[1, 0] - ax, t[1, 1] - ay, t[1, 2] - az
    vx, vy, vz = t[2, 0] - ax, t[2, 1] - ay, t[2, 2] - az
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
def outside(f, dx, dy, dz, part, normal, edge, corner):
    """Whether the vector from the nearest point points away from the body."""
    if part == 0:
        return dx * normal[f, 0] + dy * normal[f, 1] + dz * normal[f, 2] >= 0
    if part <= 3:
        n = edge[f, part - 1]
    else:
        n = corner[f, part - 4]
    return dx * n[0] + dy * n[1] + dz * n[2] >= 0


@njit(cache=True, error_model="numpy")
def triangle_frames(corners):  # (F, 3, 3) -> (F, 18)
    """Each triangle in its own plane: corner 0, the plane's axes u, v, n, corners 1 = (x1, 0) and 2 = (x2, y2), and
    one over the squared lengths of the three edges. One without area is put out of reach; its neighbours cover it.
    """
    out = np.zeros((corners.shape[0], 18))
    u, w, n = np.zeros(3), np.zeros(3), np.zeros(3)
    for f in range(corners.shape[0]):
        for c in range(3):
            u[c], w[c] = corners[f, 1, c] - corners[f, 0, c], corners[f, 2, c] - corners[f, 0, c]
        for c in range(3):
            i, j = (c + 1) % 3, (c + 2) % 3
            n[c] = u[i] * w[j] - u[j] * w[i]
        x1, area = np.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2), np.sqrt(n[0] ** 2 + n[1] ** 2 + n[2] ** 2)
        if area <= 1e-12:
            out[f, :3], out[f, 9] = 1e9, 1.0
            continue
        x2, y2 = (u[0] * w[0] + u[1] * w[1] + u[2] * w[2]) / x1, area / x1
        for c in range(3):
            i, j = (c + 1) % 3, (c + 2) % 3
            out[f, c], out[f, 3 + c], out[f, 9 + c] = corners[f, 0, c], u[c] / x1, n[c] / area
            out[f, 6 + c] = (n[i] * u[j] - n[j] * u[i]) / (area * x1)
        out[f, 12], out[f, 13], out[f, 14] = x1, x2, y2
        out[f, 15], out[f, 16], out[f, 17] = 1 / x1**2, 1 / ((x2 - x1) ** 2 + y2**2), 1 / (x2**2 + y2**2)
    return out


@njit(cache=True, error_model="numpy")
def squared(t, px, py, pz):
    """Squared distance of a point to a triangle of :func:`triangle_frames`, with no branch to be guessed wrong."""
    ax, ay, az = px - t[0], py - t[1], pz - t[2]
    x, y = ax * t[3] + ay * t[4] + az * t[5], ax * t[6] + ay * t[7] + az * t[8]
    h = ax * t[9] + ay * t[10] + az * t[11]
    x1, x2, y2 = t[12], t[13], t[14]
    ex, bx = x2 - x1, x - x1
    r = min(max(x * x1 * t[15], 0.0), 1.0)
    gx, gy = x - r * x1, y
    flat = gx * gx + gy * gy
    r = min(max((bx * ex + y * y2) * t[16], 0.0), 1.0)
    gx, gy = bx - r * ex, y - r * y2
    flat = min(flat, gx * gx + gy * gy)
    r = min(max((x * x2 + y * y2) * t[17], 0.0), 1.0)
    gx, gy = x - r * x2, y - r * y2
    flat = min(flat, gx * gx + gy * gy)
    inside = (y >= 0.0) & (ex * y - y2 * bx >= 0.0) & (y2 * x - x2 * y >= 0.0)
    return h * h + (0.0 if inside else flat)
