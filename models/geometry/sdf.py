"""Signed distances of a closed mesh at voxels near its surface: the training labels (facts §1.5; paper eq. 2).

The grid is 256³ over the cube, voxel centres as in :func:`models.geometry.camera.voxel_centres`. Distances are positive
outside, in cube units. Equation 2's fine target is ``d - mean over 5³ voxels of d``: a label drawn alone would need 125
distances. Labels are therefore drawn in blocks of 4³ voxels, in random order, all of a block's voxels that lie in the
band; the windows of a block share 8³ distances, about eight to sixteen per label. Every voxel of the band is as likely
to be drawn as every other, neighbours are drawn together.

Distances are exact. A block narrows its triangles in three steps (8³, 4³, 2³ voxels): a triangle whose bounding sphere
is farther from the centre of a box than the nearest triangle plus twice the box's radius is nearest to no point in it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8
from numba import njit

from models.geometry.cells import BLOCK, MARGIN, bounding_spheres, near_blocks, triangle_cells
from models.geometry.triangles import Mesh, closest, outside, squared, triangle_frames

GRID = 256  # voxels along each side of the cube
BAND = 0.04  # cube units: half width of the band of labels
WINDOW = 2  # the mean of eq. 2 is over (2 * WINDOW + 1)³ voxels
SIDE = BLOCK + 2 * WINDOW  # voxels along the side of a block with its windows
CHUNK = 256  # blocks a call of the kernel; fixed, since the random order is consumed in chunks


def near_surface_samples(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    points: int,
    rng: np.random.Generator,
    band: float = BAND,
    grid: int = GRID,
) -> tuple[UInt8[np.ndarray, "N 3"], Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Draw ``points`` voxels, without repetition, from those of the cube within ``band`` of the surface.

    Args:
        vertices: cube frame.
        faces: closed and oriented, counter-clockwise seen from outside.
        points: N, how many.
        rng: the only source of chance.
        band: half width in cube units.
        grid: voxels along a side, a multiple of 4, at most 256.

    Returns:
        Voxel (x, y, z), uint8, in order of memory; value, float32, the signed distance at the voxel's centre;
        residual, float32, value minus the mean of the 5³ voxels around.

    Raises:
        ValueError: the band has fewer voxels than asked for, or the mesh is not closed.
    """
    mesh = Mesh.build(vertices, faces, grid)
    centre, radius = bounding_spheres(mesh.corners)
    limit, cells = band * grid / 2, grid // BLOCK
    start, triangles = triangle_cells(mesh.corners, cells)
    candidates = near_blocks(start, cells, int(limit / BLOCK) + 1)
    order = rng.permutation(candidates)
    surface = (
        triangle_frames(mesh.corners),
        mesh.corners,
        mesh.normal,
        mesh.edge,
        mesh.corner,
        centre,
        radius,
        start,
        triangles,
    )
    found: list[tuple[np.ndarray, np.ndarray]] = []
    count = 0
    for first in range(0, len(order), CHUNK):
        found.append(_label_blocks(order[first : first + CHUNK], *surface, cells, grid, limit))
        count += len(found[-1][0])
        if count >= points:
            break
    if count < points:
        msg = (
            f"the cube holds {count} voxels within {band} of the surface, expected at least {points}; "
            f"ask for fewer points or check that the head lies in the cube."
        )
        raise ValueError(msg)
    flat = np.concatenate([f for f, _ in found])[:points]
    numbers = np.concatenate([n for _, n in found])[:points]
    sort = np.argsort(flat)
    index = np.stack(np.unravel_index(flat[sort], (grid,) * 3), -1).astype(np.uint8)
    value, residual = (numbers[sort] * (2 / grid)).astype(np.float32).T
    return index, np.ascontiguousarray(value), np.ascontiguousarray(residual)


@njit(cache=True, error_model="numpy")
def _label_blocks(
    blocks, frames, corners, normal, edge, corner, centre, radius, start, triangles, cells, grid, limit
):
    """Labels of the given blocks: flat voxel (m,), and value and residual in voxel units (m, 2)."""
    flat = np.zeros(blocks.shape[0] * BLOCK**3, np.int64)
    numbers = np.zeros((blocks.shape[0] * BLOCK**3, 2))
    seen = np.full(corners.shape[0], -1, np.int64)
    lists = np.zeros(
        (10, corners.shape[0]), np.int32
    )  # of the windows, of a 2³ box, and of each of eight 4³ boxes
    held = np.zeros(8, np.int64)
    distance = np.zeros((SIDE, SIDE, SIDE))
    box = np.zeros((SIDE // 2, SIDE // 2, SIDE // 2), np.bool_)  # 2³ boxes that a window needs
    half, root = (SIDE - 1) / 2, np.sqrt(3.0)
    count = 0
    for i in range(blocks.shape[0]):
        x0 = (blocks[i] // (cells * cells)) * BLOCK - WINDOW
        y0 = ((blocks[i] // cells) % cells) * BLOCK - WINDOW
        z0 = (blocks[i] % cells) * BLOCK - WINDOW
        # The block's own voxels reach (BLOCK - 1) / 2 from its centre, its windows ``half``.
        near = limit + (BLOCK - 1) / 2 * root
        whole = _gather(
            x0 + half, y0 + half, z0 + half, near, half * root,
            frames, centre, radius, start, triangles, cells, seen, i, lists[0],
        )  # fmt: skip
        if whole == 0:
            continue  # no voxel of the block itself is in the band
        box[:] = False
        for turn in range(2):  # first the block itself, then what its windows need
            for sub in range(8):
                sx, sy, sz = 4 * (sub // 4), 4 * ((sub // 2) % 2), 4 * (sub % 2)
                if turn == 0:
                    held[sub] = _narrow(
                        x0 + sx + 1.5, y0 + sy + 1.5, z0 + sz + 1.5, 1.5 * root,
                        frames, centre, radius, lists[0], whole, lists[2 + sub],
                    )  # fmt: skip
                for tiny in range(8):
                    a, b, c = sx + 2 * (tiny // 4), sy + 2 * ((tiny // 2) % 2), sz + 2 * (tiny % 2)
                    own = min(a, b, c) >= WINDOW and max(a, b, c) < WINDOW + BLOCK
                    if own != (turn == 0) or not (own or box[a // 2, b // 2, c // 2]):
                        continue
                    few = _narrow(
                        x0 + a + 0.5, y0 + b + 0.5, z0 + c + 0.5, 0.5 * root,
                        frames, centre, radius, lists[2 + sub], held[sub], lists[1],
                    )  # fmt: skip
                    for voxel in range(8):
                        u, v, w = a + voxel // 4, b + (voxel // 2) % 2, c + voxel % 2
                        d = _signed(
                            float(x0 + u), float(y0 + v), float(z0 + w),
                            frames, corners, normal, edge, corner, centre, radius, lists[1], few,
                        )  # fmt: skip
                        distance[u, v, w] = d
                        if own and abs(d) <= limit:
                            box[
                                (u - WINDOW) // 2 : (u + WINDOW) // 2 + 1,
                                (v - WINDOW) // 2 : (v + WINDOW) // 2 + 1,
                                (w - WINDOW) // 2 : (w + WINDOW) // 2 + 1,
                            ] = True
        for a in range(WINDOW, WINDOW + BLOCK):
            for b in range(WINDOW, WINDOW + BLOCK):
                for c in range(WINDOW, WINDOW + BLOCK):
                    d = distance[a, b, c]
                    if abs(d) > limit:
                        continue
                    total = 0.0
                    for u in range(a - WINDOW, a + WINDOW + 1):
                        for v in range(b - WINDOW, b + WINDOW + 1):
                            for w in range(c - WINDOW, c + WINDOW + 1):
                                total += distance[u, v, w]
                    flat[count] = ((x0 + a) * grid + y0 + b) * grid + z0 + c
                    numbers[count, 0], numbers[count, 1] = d, d - total / (2 * WINDOW + 1) ** 3
                    count += 1
    return flat[:count], numbers[:count]


@njit(cache=True, error_model="numpy")
def _gather(x, y, z, near, reach, frames, centre, radius, start, triangles, cells, seen, stamp, out):
    """Triangles that may be nearest to a point within ``reach`` of (x, y, z); none when all are beyond ``near``."""
    n = cells + 2 * MARGIN
    best, held = near, 0
    for turn in range(2):
        # First the nearest triangle, then all within its distance and twice the reach.
        wide = near if turn == 0 else best + 2 * reach
        if turn == 1 and best >= near:
            return 0
        ax, bx = (
            max(0, int(np.floor((x - wide + 0.5) / BLOCK)) + MARGIN),
            int((x + wide + 0.5) / BLOCK) + MARGIN,
        )
        ay, by = (
            max(0, int(np.floor((y - wide + 0.5) / BLOCK)) + MARGIN),
            int((y + wide + 0.5) / BLOCK) + MARGIN,
        )
        az, bz = (
            max(0, int(np.floor((z - wide + 0.5) / BLOCK)) + MARGIN),
            int((z + wide + 0.5) / BLOCK) + MARGIN,
        )
        for cx in range(ax, min(n - 1, bx) + 1):
            for cy in range(ay, min(n - 1, by) + 1):
                for cz in range(az, min(n - 1, bz) + 1):
                    k = (cx * n + cy) * n + cz
                    for m in range(start[k], start[k + 1]):
                        f = triangles[m]
                        if seen[f] == 2 * stamp + turn:
                            continue
                        seen[f] = 2 * stamp + turn
                        dx, dy, dz = centre[f, 0] - x, centre[f, 1] - y, centre[f, 2] - z
                        least = np.sqrt(dx * dx + dy * dy + dz * dz) - radius[f]
                        if turn == 0:
                            if least < best:
                                best = min(best, np.sqrt(squared(frames[f], x, y, z)))
                        elif least <= wide:
                            out[held] = f
                            held += 1
    return held


@njit(cache=True, error_model="numpy")
def _narrow(x, y, z, reach, frames, centre, radius, given, count, out):
    """Those of the given triangles that may be nearest to a point within ``reach`` of (x, y, z), the nearest first."""
    best, least, first = np.inf, np.inf, 0
    for m in range(count):
        f = given[m]
        dx, dy, dz = centre[f, 0] - x, centre[f, 1] - y, centre[f, 2] - z
        bound = least + radius[f]
        if dx * dx + dy * dy + dz * dz < bound * bound:
            found = squared(frames[f], x, y, z)
            if found < best:
                best, least, first = found, np.sqrt(found), m
    wide, held = least + 2 * reach, 1
    out[0] = given[first]
    for m in range(count):
        f = given[m]
        dx, dy, dz = centre[f, 0] - x, centre[f, 1] - y, centre[f, 2] - z
        bound = wide + radius[f]
        if m != first and dx * dx + dy * dy + dz * dz <= bound * bound:
            out[held] = f
            held += 1
    return held


@njit(cache=True, error_model="numpy")
def _signed(x, y, z, frames, corners, normal, edge, corner, centre, radius, given, count):
    """Signed distance of a point whose nearest triangle is among the given ones, positive outside."""
    best, size, face = np.inf, np.inf, -1
    for m in range(
        count
    ):  # the first one is nearest to the box's middle, so most of the others fail the sphere test
        f = given[m]
        dx, dy, dz = centre[f, 0] - x, centre[f, 1] - y, centre[f, 2] - z
        bound = size + radius[f]
        if dx * dx + dy * dy + dz * dz < bound * bound:
            found = squared(frames[f], x, y, z)
            if found < best:
                best, size, face = found, np.sqrt(found), f
    found, ex, ey, ez, part = closest(corners[face], x, y, z)
    size = np.sqrt(found)
    return size if outside(face, ex, ey, ez, part, normal, edge, corner) else -size
