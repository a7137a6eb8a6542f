"""Signed distances of a closed mesh at voxels near its surface: the training labels (facts §1.5; paper eq. 2).

The grid is 256³ over the cube, voxel centres as in :func:`models.geometry.camera.voxel_centres`. Distances are positive
outside, in cube units. Equation 2's fine target is ``d - mean over 5³ voxels of d``: a label drawn alone would need 125
distances. Labels are therefore drawn in blocks of 4³ voxels, in random order, all of a block's voxels that lie in the
band; the windows of a block share 8³ distances. Every voxel of the band is as likely to be drawn as every other,
neighbours are drawn together.

Values and signs are exact: the nearest triangle is found in single precision, whatever comes within its error is
compared in double. Only the other distances of a window stay in single precision (error below 1e-6 cube units) and take
their sign from a neighbour where the surface cannot lie between.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8
from numba import njit

from models.geometry.clusters import FRAME, build_clusters
from models.geometry.nearest import candidates, narrow, pack, signed, sizes
from models.geometry.triangles import Mesh

GRID = 256  # voxels along each side of the cube
BAND = 0.04  # cube units: half width of the band of labels
BLOCK = 4  # voxels along the side of a block of labels
WINDOW = 2  # the mean of eq. 2 is over (2 * WINDOW + 1)³ voxels
SIDE = BLOCK + 2 * WINDOW  # voxels along the side of a block with its windows: two blocks
ROOM = np.float32(
    0.87
)  # voxels: more than from any point between eight neighbours to the nearest of them, √3 / 2
ROWS = 1024  # candidates of a window that memory is made for to begin with; 50 to 900 are usual
APART = np.float32(1.001)  # voxels: more than from a neighbour to the next


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
    clusters = build_clusters(mesh.corners, (grid - 1) / 2)
    limit = band * grid / 2
    order = rng.permutation(near_blocks(clusters.leaf_box, grid, limit))
    surface = (mesh.corners, mesh.normal, mesh.at_vertex, mesh.faces, mesh.partner)
    flat, numbers = _label_blocks(order, points, clusters, surface, grid, limit)
    if len(flat) < points:
        msg = (
            f"the cube holds {len(flat)} voxels within {band} of the surface, expected at least {points}; "
            f"ask for fewer points or check that the head lies in the cube."
        )
        raise ValueError(msg)
    sort = np.argsort(flat[:points])
    index = np.stack(np.unravel_index(flat[sort], (grid,) * 3), -1).astype(np.uint8)
    value, residual = (numbers[sort] * (2 / grid)).astype(np.float32).T
    return index, np.ascontiguousarray(value), np.ascontiguousarray(residual)


@njit(cache=True, error_model="numpy")
def near_blocks(boxes, grid, limit):  # (6, L), about the cube's middle -> flat indices, ascending
    """Every block of the cube that has voxels within ``limit`` of a box, along each axis."""
    cells, middle = grid // BLOCK, (grid - 1) / 2
    near = np.zeros((cells, cells, cells), np.bool_)
    low, high = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for i in range(boxes.shape[1]):
        for c in range(3):
            low[c] = max(0, int(np.ceil((boxes[c, i] + middle - limit - (BLOCK - 1)) / BLOCK)))
            high[c] = min(cells - 1, int(np.floor((boxes[3 + c, i] + middle + limit) / BLOCK)))
        for x in range(low[0], high[0] + 1):
            for y in range(low[1], high[1] + 1):
                for z in range(low[2], high[2] + 1):
                    near[x, y, z] = True
    return np.flatnonzero(near)


@njit(cache=True, error_model="numpy")
def _label_blocks(blocks, points, clusters, surface, grid, limit):
    """Labels of blocks, in their order, until there are at least ``points`` or no more blocks.

    Returns:
        Flat voxel, int64 (m,); value and residual in voxel units, float64 (m, 2).
    """
    # Plain arrays from here on: a tuple that is handed on counts a reference more for each of its arrays.
    triangle, frames, rows, leaf, leaf_box, node, node_box, top, top_box = clusters
    corners, normal, at_vertex, faces, partner = surface
    count, volume = frames.shape[1], BLOCK**3
    found, lists = np.zeros((5, count + 1), np.float32), np.zeros((4, count + 1), np.int32)
    near, squares = np.zeros((FRAME, ROWS), np.float32), np.zeros((ROWS, volume), np.float32)
    size, second = np.zeros(volume, np.float32), np.zeros(volume, np.float32)
    winner = np.zeros(volume, np.float32)
    steps, own = np.zeros((3, volume), np.float32), np.float32((BLOCK - 1) / 2)
    for k in range(volume):
        steps[0, k], steps[1, k], steps[2, k] = (
            k // BLOCK**2 - own,
            (k // BLOCK) % BLOCK - own,
            k % BLOCK - own,
        )
    window, mean = np.zeros((SIDE, SIDE, SIDE)), np.zeros((BLOCK, BLOCK, BLOCK))
    around = np.zeros((2, SIDE, SIDE, SIDE))  # sums along z, and then along y
    flat, numbers = np.zeros(points + volume, np.int64), np.zeros((points + volume, 2))
    cells, middle = grid // BLOCK, np.float32((grid - 1) / 2)
    half = np.float32((SIDE - 1) / 2)
    reach = limit + np.sqrt(3.0) * (BLOCK - 1) / 2 + 0.01
    held = 0
    for i in range(blocks.shape[0]):
        if held >= points:
            break
        x0 = (blocks[i] // (cells * cells)) * BLOCK
        y0 = ((blocks[i] // cells) % cells) * BLOCK
        z0 = (blocks[i] % cells) * BLOCK
        x, y, z = np.float32(x0) + own - middle, np.float32(y0) + own - middle, np.float32(z0) + own - middle
        given, least = candidates(
            frames, leaf, leaf_box, node, node_box, top, top_box,
            x, y, z, half, found, lists,
        )  # fmt: skip
        if least > reach:
            continue
        if given > near.shape[1]:
            near, squares = (
                np.zeros((FRAME, 2 * given), np.float32),
                np.zeros((2 * given, volume), np.float32),
            )
        pack(frames, lists, given, near)
        few = narrow(near, given, x, y, z, own, found, lists)
        sizes(rows, lists, few, x, y, z, steps, squares, size, second, winner)
        first = held
        for k in range(volume):
            if size[k] > limit + 0.01:
                continue
            a, b, c = x0 + k // BLOCK**2, y0 + (k // BLOCK) % BLOCK, z0 + k % BLOCK
            d = signed(
                float(a), float(b), float(c), k, few, lists, squares, size, winner,
                triangle, corners, normal, at_vertex, faces, partner,
            )  # fmt: skip
            if abs(d) <= limit:
                flat[held], numbers[held, 0] = (a * grid + b) * grid + c, d
                held += 1
        if held == first:
            continue
        for part in range(8):
            a, b, c = BLOCK * (part // 4), BLOCK * ((part // 2) % 2), BLOCK * (part % 2)
            u, v, w = x0 - WINDOW + a, y0 - WINDOW + b, z0 - WINDOW + c
            mx, my, mz = x + np.float32(a - WINDOW), y + np.float32(b - WINDOW), z + np.float32(c - WINDOW)
            few = narrow(near, given, mx, my, mz, own, found, lists)
            sizes(rows, lists, few, mx, my, mz, steps, squares, size, second, winner)
            _fill(
                window, a, b, c, u, v, w, few, lists, squares, size, winner, triangle, corners, normal, at_vertex,
                faces, partner,
            )  # fmt: skip
        _means(window, around, mean)
        for k in range(first, held):
            a, b, c = flat[k] // grid**2 - x0, (flat[k] // grid) % grid - y0, flat[k] % grid - z0
            numbers[k, 1] = numbers[k, 0] - mean[a, b, c]
    return flat[:held], numbers[:held]


@njit(cache=True, error_model="numpy")
def _fill(
    window, a0, b0, c0, x, y, z, few, lists, squares, size, winner, triangle, corners, normal, at_vertex,
    faces, partner,
):  # fmt: skip
    """Signed distances of the block whose first voxel is (x, y, z), into the window from (a0, b0, c0) on.

    Two neighbours that together are farther from the surface than from each other lie on one side of it. And if all
    voxels are farther from it than any point between them is from the nearest of them, the whole block does.
    """
    least = size.min()
    for k in range(BLOCK**3):
        a, b, c = k // BLOCK**2, (k // BLOCK) % BLOCK, k % BLOCK
        u, v, w = a0 + a, b0 + b, c0 + c
        if k > 0 and least > ROOM:
            known = window[a0, b0, c0]
        elif c > 0 and size[k] + size[k - 1] > APART:
            known = window[u, v, w - 1]
        elif b > 0 and size[k] + size[k - BLOCK] > APART:
            known = window[u, v - 1, w]
        elif a > 0 and size[k] + size[k - BLOCK**2] > APART:
            known = window[u - 1, v, w]
        else:
            known = signed(
                float(x + a), float(y + b), float(z + c), k, few, lists, squares, size, winner,
                triangle, corners, normal, at_vertex, faces, partner,
            )  # fmt: skip
        window[u, v, w] = size[k] if known >= 0 else -size[k]


@njit(cache=True, error_model="numpy")
def _means(window, around, mean):
    """Means over the (2 WINDOW + 1)³ voxels around each voxel of the block, one axis after the other."""
    for a in range(SIDE):
        for b in range(SIDE):
            for c in range(BLOCK):
                total = 0.0
                for k in range(2 * WINDOW + 1):
                    total += window[a, b, c + k]
                around[0, a, b, c] = total
        for b in range(BLOCK):
            for c in range(BLOCK):
                total = 0.0
                for k in range(2 * WINDOW + 1):
                    total += around[0, a, b + k, c]
                around[1, a, b, c] = total
    for a in range(BLOCK):
        for b in range(BLOCK):
            for c in range(BLOCK):
                total = 0.0
                for k in range(2 * WINDOW + 1):
                    total += around[1, a + k, b, c]
                mean[a, b, c] = total / (2 * WINDOW + 1) ** 3
