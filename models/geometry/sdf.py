"""Signed distances of a closed mesh on the voxels near its surface: the training labels (facts §1.5; paper eq. 2).

The grid is 256³ over the cube, voxel centres as in :func:`models.geometry.camera.voxel_centres`. Distances are positive
outside, in cube units. Paper eq. 2's fine target is ``d - mean over 5³ voxels of d``, so distances are needed on the
whole band and two voxels more, beyond the cube too where the surface is near its border.

How, in voxel units: every triangle is tested against the voxels of its own bounding box; then each voxel hands its
nearest triangle to its six neighbours, layer by layer, and each that takes it walks on over the mesh to nearer ones.
Handing over can miss a triangle by a hair (a mean residual error of 3e-7 on the shipped head, 4e-5 at worst), so the
voxels that are drawn as labels are searched again, exactly, in a list of triangles per cell. Signs are those of the
angle-weighted pseudonormal of the nearest face, edge or corner (Bærentzen & Aanæs 2005), which is exact on a closed,
oriented mesh; a step that is shorter than the two distances at its ends crosses no surface, so most are inherited.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, UInt8
from numba import njit

GRID = 256  # voxels along each side of the cube
BAND = 0.04  # cube units: half width of the band of labels
WINDOW = 2  # the mean of eq. 2 is over (2 * WINDOW + 1)³ voxels
_CELL = 4.0  # voxels: side of a cell of the exact search


@dataclass(frozen=True)
class BandField:
    """Signed distances on every voxel of a band around the surface, in voxel units, on a box of the grid."""

    index: Int[np.ndarray, " n"]  # flat index into ``distance`` of each voxel that was computed
    distance: Float[np.ndarray, "nx ny nz"]  # float32, positive outside; 0 where not computed
    nearest: Int[np.ndarray, "nx ny nz"]  # int32: nearest triangle + 1; 0 or less where not computed
    origin: Int[np.ndarray, " 3"]  # voxel of the cube's grid at entry (0, 0, 0)


def near_surface_samples(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    points: int,
    rng: np.random.Generator,
    band: float = BAND,
    grid: int = GRID,
) -> tuple[UInt8[np.ndarray, "N 3"], Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Draw ``points`` voxels uniformly, without repetition, from those of the cube within ``band`` of the surface.

    Args:
        vertices: cube frame.
        faces: closed and oriented, counter-clockwise seen from outside.
        points: N, how many.
        rng: the only source of chance.
        band: half width in cube units.
        grid: voxels along a side, at most 256.

    Returns:
        Voxel (x, y, z), uint8, in order of memory; value, float32, the signed distance at the voxel's centre;
        residual, float32, value minus the mean of the 5³ voxels around.

    Raises:
        ValueError: the band has fewer voxels than asked for, or the mesh is not closed.
    """
    mesh = Mesh.build(vertices, faces, grid)
    field = band_field(mesh, band, grid)
    flat, shape, origin = field.distance.reshape(-1), np.array(field.distance.shape), field.origin
    inside = _eligible(field.index, flat, np.float32(band * grid / 2), shape, origin, grid)
    if len(inside) < points:
        msg = (
            f"the cube holds {len(inside)} voxels within {band} of the surface, expected at least {points}; "
            f"ask for fewer points or check that the head lies in the cube."
        )
        raise ValueError(msg)
    chosen = np.sort(inside[rng.choice(len(inside), points, replace=False, shuffle=False)])
    normals = (mesh.normal, mesh.edge, mesh.corner)
    cells = _cells(mesh.corners, shape, origin)
    value = _refine(chosen, field.nearest.reshape(-1), shape, origin, mesh.corners, *normals, *cells)
    residual = value - _window_mean(chosen, flat, shape)
    index = np.stack(np.unravel_index(chosen, field.distance.shape), -1) + origin
    unit = 2 / grid
    return index.astype(np.uint8), (value * unit).astype(np.float32), (residual * unit).astype(np.float32)


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
        return cls(*_pseudonormals(points, triangles, partner), partner)


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


def band_field(mesh: Mesh, band: float = BAND, grid: int = GRID) -> BandField:
    """Signed distances wherever the 5³ window of a voxel within ``band`` of the surface reaches.

    The box of the field is the mesh's, clipped to the cube, with a margin; it may leave the cube.
    """
    reach = band * grid / 2 + np.sqrt(3.0) * WINDOW
    margin = int(np.ceil(reach)) + 2
    low = np.maximum(np.floor(mesh.corners.min((0, 1))).astype(np.int64), 0) - margin
    high = np.minimum(np.ceil(mesh.corners.max((0, 1))).astype(np.int64), grid - 1) + margin
    shape = np.maximum(high - low + 1, 3)
    distance, nearest = np.zeros(tuple(shape), np.float32), np.zeros(tuple(shape), np.int32)
    flat = (distance.reshape(-1), nearest.reshape(-1), shape, low)
    index = _propagate(mesh.corners, mesh.normal, mesh.edge, mesh.corner, mesh.partner, *flat, reach)
    return BandField(index, distance, nearest, low)


@njit(cache=True, error_model="numpy")
def _pseudonormals(points, faces, partner):
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
def _closest(t, px, py, pz):
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
def _outside(f, dx, dy, dz, part, normal, edge, corner):
    """Whether the vector from the nearest point points away from the body."""
    if part == 0:
        return dx * normal[f, 0] + dy * normal[f, 1] + dz * normal[f, 2] >= 0
    if part <= 3:
        n = edge[f, part - 1]
    else:
        n = corner[f, part - 4]
    return dx * n[0] + dy * n[1] + dz * n[2] >= 0


@njit(cache=True, error_model="numpy")
def _frames(corners):
    """Each triangle in its own plane, float32 (F, 20): corner 0, the plane's axes u, v, n, corners 1 = (x1, 0) and
    2 = (x2, y2), and one over the squared lengths of the three edges. One without area is put out of reach.
    """
    out = np.zeros((corners.shape[0], 20), np.float32)
    u, w, n = np.zeros(3), np.zeros(3), np.zeros(3)
    for f in range(corners.shape[0]):
        for c in range(3):
            u[c], w[c] = corners[f, 1, c] - corners[f, 0, c], corners[f, 2, c] - corners[f, 0, c]
        for c in range(3):
            i, j = (c + 1) % 3, (c + 2) % 3
            n[c] = u[i] * w[j] - u[j] * w[i]
        x1, area = np.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2), np.sqrt(n[0] ** 2 + n[1] ** 2 + n[2] ** 2)
        if area <= 1e-12:
            out[f, :3] = 1e6
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
def _planar(t, px, py, pz):
    """Squared distance to a triangle of :func:`_frames`, and those to its edges if the nearest point is on one.

    The same answer as :func:`_closest` to 1e-5 voxels, without a branch that the processor could guess wrong.
    """
    zero, one = np.float32(0), np.float32(1)
    ax, ay, az = px - t[0], py - t[1], pz - t[2]
    x, y = ax * t[3] + ay * t[4] + az * t[5], ax * t[6] + ay * t[7] + az * t[8]
    h = ax * t[9] + ay * t[10] + az * t[11]
    x1, x2, y2 = t[12], t[13], t[14]
    ex, bx = x2 - x1, x - x1
    r = min(max(x * x1 * t[15], zero), one)
    gx, gy = x - r * x1, y
    e0 = gx * gx + gy * gy
    r = min(max((bx * ex + y * y2) * t[16], zero), one)
    gx, gy = bx - r * ex, y - r * y2
    e1 = gx * gx + gy * gy
    r = min(max((x * x2 + y * y2) * t[17], zero), one)
    gx, gy = x - r * x2, y - r * y2
    e2 = gx * gx + gy * gy
    inside = (y >= zero) & (ex * y - y2 * bx >= zero) & (y2 * x - x2 * y >= zero)
    flat = zero if inside else min(e0, min(e1, e2))
    return h * h + flat, e0, e1, e2, inside


@njit(cache=True, error_model="numpy")
def _descend(frames, partner, f, px, py, pz):
    """Walk from triangle f over edges to ever nearer triangles; returns (squared distance, triangle)."""
    best, e0, e1, e2, inside = _planar(frames[f], px, py, pz)
    came = -1
    while not inside:
        # At a corner two edges are equally near, and both lead on.
        limit = min(e0, min(e1, e2)) * np.float32(1.0001) + np.float32(1e-6)
        nearer, n0, n1, n2, met = -1, e0, e1, e2, inside
        for k in range(3):
            if (e0 if k == 0 else (e1 if k == 1 else e2)) > limit or partner[f, k] == came:
                continue
            squared, m0, m1, m2, within = _planar(frames[partner[f, k]], px, py, pz)
            if squared < best:
                nearer, best, n0, n1, n2, met = partner[f, k], squared, m0, m1, m2, within
        if nearer < 0:
            break
        came, f, e0, e1, e2, inside = f, nearer, n0, n1, n2, met
    return best, f


@njit(cache=True, error_model="numpy")
def _seed(corners, frames, distance, nearest, shape, origin):
    """Squared distances on the voxels of the triangles' own bounding boxes; returns those voxels in memory order."""
    low, high = np.zeros(3, np.int64), np.zeros(3, np.int64)
    out, count = np.zeros(1 << 18, np.int32), 0
    for f in range(corners.shape[0]):
        for c in range(3):
            a, b, d = corners[f, 0, c], corners[f, 1, c], corners[f, 2, c]
            # The outermost layer stays empty, so that looking at neighbours needs no bounds.
            low[c] = max(1, int(np.ceil(min(a, b, d) - 0.5)) - origin[c])
            high[c] = min(shape[c] - 2, int(np.floor(max(a, b, d) + 0.5)) - origin[c])
        for x in range(low[0], high[0] + 1):
            for y in range(low[1], high[1] + 1):
                for z in range(low[2], high[2] + 1):
                    px, py, pz = (
                        np.float32(x + origin[0]),
                        np.float32(y + origin[1]),
                        np.float32(z + origin[2]),
                    )
                    squared = _planar(frames[f], px, py, pz)[0]
                    k = (x * shape[1] + y) * shape[2] + z
                    if nearest[k] == 0:
                        if count == out.shape[0]:
                            out = np.append(out, np.zeros_like(out))
                        out[count] = k
                        count += 1
                        nearest[k], distance[k] = f + 1, squared
                    elif squared < distance[k]:
                        nearest[k], distance[k] = f + 1, squared
    return np.sort(out[:count])


@njit(cache=True, error_model="numpy")
def _propagate(corners, normal, edge, corner, partner, distance, nearest, shape, origin, reach):
    """Fill ``distance`` (signed, voxel units) and ``nearest`` within ``reach``; returns the voxels.

    Voxels are worked off in layers one voxel thick, each in the order in which it was found, which is nearly the order
    of memory. Meanwhile distances are signed squares, and voxels that wait hold ``-f - 1`` in ``nearest``.
    """
    sx, sy = shape[1] * shape[2], shape[2]
    stride = np.array([sx, -sx, sy, -sy, 1, -1])
    frames = _frames(corners)
    found = _seed(corners, frames, distance, nearest, shape, origin)
    count = found.shape[0]
    for i in range(count):
        k = found[i]
        f = nearest[k] - 1
        px, py, pz = (
            float(k // sx + origin[0]),
            float((k // sy) % shape[1] + origin[1]),
            float(k % sy + origin[2]),
        )
        _, dx, dy, dz, part = _closest(corners[f], px, py, pz)
        if not _outside(f, dx, dy, dz, part, normal, edge, corner):
            distance[k] = -distance[k]
        nearest[k] = -f - 1
    now, later = found.copy(), np.zeros(1 << 18, np.int32)
    size, waiting = count, 0
    layer = 1.0
    while size > 0:
        i = 0
        while i < size:
            k = now[i]
            i += 1
            if nearest[k] > 0:
                continue
            squared = abs(distance[k])
            if squared > layer * layer:
                if waiting == later.shape[0]:
                    later = np.append(later, np.zeros_like(later))
                later[waiting] = k
                waiting += 1
                continue
            f = -nearest[k] - 1
            nearest[k] = f + 1
            here = np.sqrt(squared)
            least = max(here - np.float32(1), np.float32(0))  # this triangle is no nearer to any neighbour
            floor = least * least
            x = k // sx
            y = (k - x * sx) // sy
            z = k - x * sx - y * sy
            for s in range(6):
                q = k + stride[s]
                if nearest[q] != 0 and (abs(distance[q]) <= floor or abs(nearest[q]) == f + 1):
                    continue
                qx, qy, qz = x, y, z
                if s < 2:
                    qx += 1 - 2 * s
                    if qx < 1 or qx > shape[0] - 2:
                        continue
                elif s < 4:
                    qy += 5 - 2 * s
                    if qy < 1 or qy > shape[1] - 2:
                        continue
                else:
                    qz += 9 - 2 * s
                    if qz < 1 or qz > shape[2] - 2:
                        continue
                px, py, pz = (
                    np.float32(qx + origin[0]),
                    np.float32(qy + origin[1]),
                    np.float32(qz + origin[2]),
                )
                if nearest[q] != 0 and _planar(frames[f], px, py, pz)[0] >= abs(distance[q]):
                    continue
                better, g = _descend(frames, partner, f, px, py, pz)
                if nearest[q] == 0:
                    if better > reach * reach:
                        continue
                    if (
                        here + np.sqrt(better) > 1.5
                    ):  # longer than the step between them: no surface in between
                        positive = distance[k] > 0
                    else:
                        _, dx, dy, dz, part = _closest(corners[g], float(px), float(py), float(pz))
                        positive = _outside(g, dx, dy, dz, part, normal, edge, corner)
                    if count == found.shape[0]:
                        found = np.append(found, np.zeros_like(found))
                    found[count] = q
                    count += 1
                elif better < abs(distance[q]):
                    positive = distance[q] > 0
                else:
                    continue
                distance[q] = better if positive else -better
                if nearest[q] >= 0:  # not waiting yet
                    if better <= layer * layer:
                        if size == now.shape[0]:
                            now = np.append(now, np.zeros_like(now))
                        now[size] = q
                        size += 1
                    else:
                        if waiting == later.shape[0]:
                            later = np.append(later, np.zeros_like(later))
                        later[waiting] = q
                        waiting += 1
                elif better <= layer * layer:  # waits for a later layer, but belongs to this one
                    if size == now.shape[0]:
                        now = np.append(now, np.zeros_like(now))
                    now[size] = q
                    size += 1
                nearest[q] = -g - 1
        now, later = later, now
        size, waiting = waiting, 0
        layer += 1.0
        if layer - 1.0 > reach:
            break
    for i in range(count):
        k = found[i]
        distance[k] = np.sqrt(distance[k]) if distance[k] > 0 else -np.sqrt(-distance[k])
        nearest[k] = abs(nearest[k])
    return found[:count]


@njit(cache=True, error_model="numpy")
def _eligible(index, distance, limit, shape, origin, grid):
    """Those voxels of the cube that lie within the limit, as int64 flat indices in the order of ``index``."""
    out, count = np.zeros(index.shape[0], np.int64), 0
    for i in range(index.shape[0]):
        k = index[i]
        if abs(distance[k]) > limit:
            continue
        x = k // (shape[1] * shape[2]) + origin[0]
        y, z = (k // shape[2]) % shape[1] + origin[1], k % shape[2] + origin[2]
        if min(x, y, z) >= 0 and max(x, y, z) < grid:
            out[count] = k
            count += 1
    return out[:count]


@njit(cache=True, error_model="numpy")
def _cells(corners, shape, origin):
    """Triangles by cell of ``_CELL`` voxels: cells along each axis, start of each cell's list, and the triangles."""
    n = np.zeros(3, np.int64)
    for c in range(3):
        n[c] = int(shape[c] / _CELL) + 1
    start = np.zeros(n[0] * n[1] * n[2] + 1, np.int32)
    triangles = np.zeros(0, np.int32)
    low, high = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for fill in range(2):
        for f in range(corners.shape[0]):
            for c in range(3):
                a, b, d = (
                    corners[f, 0, c] - origin[c],
                    corners[f, 1, c] - origin[c],
                    corners[f, 2, c] - origin[c],
                )
                low[c] = max(0, int(np.floor(min(a, b, d) / _CELL)))
                high[c] = min(n[c] - 1, int(np.floor(max(a, b, d) / _CELL)))
            for x in range(low[0], high[0] + 1):
                for y in range(low[1], high[1] + 1):
                    for z in range(low[2], high[2] + 1):
                        k = (x * n[1] + y) * n[2] + z
                        if fill == 0:
                            start[k + 1] += 1
                        else:
                            start[k] -= 1
                            triangles[start[k]] = f
        if fill == 0:
            start = np.cumsum(start).astype(np.int32)
            triangles = np.zeros(start[-1], np.int32)
            start[:-1] = start[1:]  # filled from the end of each list, which leaves the starts behind
    return n, start, triangles


@njit(cache=True, error_model="numpy")
def _refine(chosen, nearest, shape, origin, corners, normal, edge, corner, n, start, triangles):
    """Exact signed distances (voxel units, float64) of voxels whose nearest triangle is known approximately."""
    out = np.zeros(chosen.shape[0])
    for i in range(chosen.shape[0]):
        k = chosen[i]
        x, y, z = k // (shape[1] * shape[2]), (k // shape[2]) % shape[1], k % shape[2]
        px, py, pz = float(x + origin[0]), float(y + origin[1]), float(z + origin[2])
        best_f = nearest[k] - 1
        best, dx, dy, dz, part = _closest(corners[best_f], px, py, pz)
        r = np.sqrt(best)
        x0, x1 = max(0, int((x - r) / _CELL)), min(n[0] - 1, int((x + r) / _CELL))
        y0, y1 = max(0, int((y - r) / _CELL)), min(n[1] - 1, int((y + r) / _CELL))
        z0, z1 = max(0, int((z - r) / _CELL)), min(n[2] - 1, int((z + r) / _CELL))
        for cx in range(x0, x1 + 1):
            gx = max(0.0, max(cx * _CELL - x, x - (cx + 1) * _CELL))
            for cy in range(y0, y1 + 1):
                gy = max(0.0, max(cy * _CELL - y, y - (cy + 1) * _CELL))
                if gx * gx + gy * gy >= best:
                    continue
                for cz in range(z0, z1 + 1):
                    gz = max(0.0, max(cz * _CELL - z, z - (cz + 1) * _CELL))
                    if gx * gx + gy * gy + gz * gz >= best:
                        continue
                    cell = (cx * n[1] + cy) * n[2] + cz
                    for m in range(start[cell], start[cell + 1]):
                        f = triangles[m]
                        if f == best_f or _box_gap(corners[f], px, py, pz) >= best:
                            continue
                        found, ex, ey, ez, where = _closest(corners[f], px, py, pz)
                        if found < best:
                            best, dx, dy, dz, part, best_f = found, ex, ey, ez, where, f
        size = np.sqrt(best)
        out[i] = size if _outside(best_f, dx, dy, dz, part, normal, edge, corner) else -size
    return out


@njit(cache=True, error_model="numpy")
def _box_gap(t, px, py, pz):
    """Squared distance of a point to a triangle's bounding box: never more than that to the triangle."""
    gx = max(0.0, max(min(t[0, 0], t[1, 0], t[2, 0]) - px, px - max(t[0, 0], t[1, 0], t[2, 0])))
    gy = max(0.0, max(min(t[0, 1], t[1, 1], t[2, 1]) - py, py - max(t[0, 1], t[1, 1], t[2, 1])))
    gz = max(0.0, max(min(t[0, 2], t[1, 2], t[2, 2]) - pz, pz - max(t[0, 2], t[1, 2], t[2, 2])))
    return gx * gx + gy * gy + gz * gz


@njit(cache=True, error_model="numpy")
def _window_mean(chosen, distance, shape):
    """Mean distance over the 5³ voxels around each chosen one, float64."""
    out = np.zeros(chosen.shape[0])
    for i in range(chosen.shape[0]):
        total = 0.0
        for a in range(-WINDOW, WINDOW + 1):
            for b in range(-WINDOW, WINDOW + 1):
                k = chosen[i] + (a * shape[1] + b) * shape[2]
                for c in range(-WINDOW, WINDOW + 1):
                    total += distance[k + c]
        out[i] = total / (2 * WINDOW + 1) ** 3
    return out
