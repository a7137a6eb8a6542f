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

import numpy as np
from jaxtyping import Float, Int, UInt8
from numba import njit

from models.geometry.triangles import Mesh, box_gap, closest, descend, outside, planar, triangle_frames

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
                    squared = planar(frames[f], px, py, pz)[0]
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
    frames = triangle_frames(corners)
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
        _, dx, dy, dz, part = closest(corners[f], px, py, pz)
        if not outside(f, dx, dy, dz, part, normal, edge, corner):
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
                if nearest[q] != 0 and planar(frames[f], px, py, pz)[0] >= abs(distance[q]):
                    continue
                better, g = descend(frames, partner, f, px, py, pz)
                if nearest[q] == 0:
                    if better > reach * reach:
                        continue
                    if (
                        here + np.sqrt(better) > 1.5
                    ):  # longer than the step between them: no surface in between
                        positive = distance[k] > 0
                    else:
                        _, dx, dy, dz, part = closest(corners[g], float(px), float(py), float(pz))
                        positive = outside(g, dx, dy, dz, part, normal, edge, corner)
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
        best, dx, dy, dz, part = closest(corners[best_f], px, py, pz)
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
                        if f == best_f or box_gap(corners[f], px, py, pz) >= best:
                            continue
                        found, ex, ey, ez, where = closest(corners[f], px, py, pz)
                        if found < best:
                            best, dx, dy, dz, part, best_f = found, ex, ey, ez, where, f
        size = np.sqrt(best)
        out[i] = size if outside(best_f, dx, dy, dz, part, normal, edge, corner) else -size
    return out


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
