"""Triangles of a mesh by blocks of the voxel grid, so that a search looks at few of them. Everything in voxel units."""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 4  # voxels along the side of a block; also of a cell of the triangle lists
MARGIN = 4  # cells around the cube whose triangles count: a window leaves the cube by two voxels


@njit(cache=True, error_model="numpy")
def bounding_spheres(corners):  # (F, 3, 3) -> (F, 3), (F,)
    """A bounding sphere of each triangle: around the middle of its longest edge, or its centroid, whichever is less."""
    centre, radius = np.zeros((corners.shape[0], 3)), np.zeros(corners.shape[0])
    for f in range(corners.shape[0]):
        best = np.inf
        for way in range(4):
            x, y, z = 0.0, 0.0, 0.0
            for k in range(3):
                weight = 1.0 / 3.0 if way == 3 else (0.0 if k == way else 0.5)
                x += weight * corners[f, k, 0]
                y += weight * corners[f, k, 1]
                z += weight * corners[f, k, 2]
            far = 0.0
            for k in range(3):
                far = max(
                    far,
                    (corners[f, k, 0] - x) ** 2 + (corners[f, k, 1] - y) ** 2 + (corners[f, k, 2] - z) ** 2,
                )
            if far < best:
                best = far
                centre[f, 0], centre[f, 1], centre[f, 2] = x, y, z
        radius[f] = np.sqrt(best) + 1e-9
    return centre, radius


@njit(cache=True, error_model="numpy")
def triangle_cells(corners, cells):  # (F, 3, 3) -> starts (n³ + 1,), triangles
    """Triangles by the cells that their bounding boxes touch; n = cells + 2 MARGIN along each axis."""
    n = cells + 2 * MARGIN
    start = np.zeros(n * n * n + 1, np.int64)
    triangles = np.zeros(0, np.int32)
    low, high = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for fill in range(2):
        for f in range(corners.shape[0]):
            for c in range(3):
                a, b, d = corners[f, 0, c], corners[f, 1, c], corners[f, 2, c]
                low[c] = max(0, int(np.floor((min(a, b, d) + 0.5) / BLOCK)) + MARGIN)
                high[c] = min(n - 1, int(np.floor((max(a, b, d) + 0.5) / BLOCK)) + MARGIN)
            for x in range(low[0], high[0] + 1):
                for y in range(low[1], high[1] + 1):
                    for z in range(low[2], high[2] + 1):
                        k = (x * n + y) * n + z
                        if fill == 0:
                            start[k + 1] += 1
                        else:
                            start[k] -= 1
                            triangles[start[k]] = f
        if fill == 0:
            start = np.cumsum(start)
            triangles = np.zeros(start[-1], np.int32)
            start[:-1] = start[1:]  # filled from the end of each list, which leaves the starts behind
    return start, triangles


@njit(cache=True, error_model="numpy")
def near_blocks(start, cells, reach):
    """Flat index of every block of the cube with a triangle in its own or the ``reach`` cells around, ascending."""
    n = cells + 2 * MARGIN
    near = np.zeros((cells, cells, cells), np.bool_)
    for x in range(n):
        for y in range(n):
            for z in range(n):
                k = (x * n + y) * n + z
                if start[k + 1] == start[k]:
                    continue
                for a in range(max(0, x - MARGIN - reach), min(cells, x - MARGIN + reach + 1)):
                    for b in range(max(0, y - MARGIN - reach), min(cells, y - MARGIN + reach + 1)):
                        for c in range(max(0, z - MARGIN - reach), min(cells, z - MARGIN + reach + 1)):
                            near[a, b, c] = True
    return np.flatnonzero(near)
