"""Triangles sorted along a Morton curve, under three levels of boxes, in single precision for vector instructions.

Equal keys at 4 voxels make a leaf, at 16 a node, at 64 a top; each has the box around its triangles. Coordinates are
voxel units about the middle of the cube: there half a voxel is exact and a coordinate's error is below 1e-5 voxels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

FRAME = 19  # numbers of a triangle, see fill_frames
FAR = 1e6  # where triangles without area are put
LEVELS = (
    0,
    6,
    6,
)  # bits of the key that a leaf, a node and a top drop one after the other: 4 cells along each axis
KEY_BITS = 7  # bits of the key along an axis
CELL = 4  # voxels along the side of a leaf's cell
OUTSIDE = 96.0  # voxels around the cube that have cells of their own: (256 + 2 * 96) / 4 < 2**7


class Clusters(NamedTuple):
    """F triangles in Morton order, in L leaves, N nodes and T tops.

    Attributes:
        triangle: int32 (F,), number in the mesh.
        frames: float32 (19, F), see :func:`fill_frames`.
        rows: float32 (F, 19), the same by triangle.
        leaf, node, top: int32 (L + 1,), (N + 1,), (T + 1,), first triangle, leaf and node of each.
        leaf_box, node_box, top_box: float32 (6, L), (6, N), (6, T): low x, y, z, high x, y, z.
    """

    triangle: np.ndarray
    frames: np.ndarray
    rows: np.ndarray
    leaf: np.ndarray
    leaf_box: np.ndarray
    node: np.ndarray
    node_box: np.ndarray
    top: np.ndarray
    top_box: np.ndarray


def build_clusters(corners: np.ndarray, middle: float) -> Clusters:
    """Clusters of triangles.

    Args:
        corners: float64 (F, 3, 3), voxel units.
        middle: voxel coordinate of the cube's middle, along each axis.
    """
    keys = morton_keys(corners, middle)
    triangle = order_of(keys)
    frames, rows, boxes = fill_frames(corners, triangle, middle)
    keys = keys[triangle]
    levels: list[np.ndarray] = []
    for bits in LEVELS:
        keys = keys >> bits
        start = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1])
        boxes = np.concatenate(
            [np.minimum.reduceat(boxes[:3], start, 1), np.maximum.reduceat(boxes[3:], start, 1)]
        )
        levels += [np.append(start, len(keys)).astype(np.int32), boxes]
        keys = keys[start]
    return Clusters(triangle, frames, rows, *levels)


@njit(cache=True, error_model="numpy")
def morton_keys(corners, middle):  # (F, 3, 3) -> int32 (F,)
    """Cell of each triangle's centroid, the bits of x, y and z in turn; far outside the cube the nearest cell."""
    keys = np.zeros(corners.shape[0], np.int32)
    last = 2.0**KEY_BITS - 1
    for f in range(corners.shape[0]):
        for c in range(3):
            x = (corners[f, 0, c] + corners[f, 1, c] + corners[f, 2, c]) / 3 - middle
            cell = np.int32(min(max((x + 128 + OUTSIDE) / CELL, 0.0), last))
            cell = (cell | (cell << 8)) & 0x00F00F  # two places between one bit and the next
            cell = (cell | (cell << 4)) & 0x0C30C3
            cell = (cell | (cell << 2)) & 0x249249
            keys[f] |= cell << c
    return keys


@njit(cache=True, error_model="numpy")
def order_of(keys):  # (F,) -> int32 (F,)
    """Order that sorts the keys; equal keys keep theirs. A radix sort, eleven bits at a time."""
    count = keys.shape[0]
    order, spare = np.arange(count).astype(np.int32), np.zeros(count, np.int32)
    for shift in (0, 11):
        start = np.zeros(2**11 + 1, np.int64)
        for f in range(count):
            start[((keys[f] >> shift) & 2047) + 1] += 1
        start = np.cumsum(start)
        for i in range(count):
            k = (keys[order[i]] >> shift) & 2047
            spare[start[k]] = order[i]
            start[k] += 1
        order, spare = spare, order
    return order


@njit(cache=True, error_model="numpy")
def fill_frames(corners, triangle, middle):  # (F, 3, 3), (F,) -> (19, F), (F, 19), (6, F)
    """Each triangle in its own plane, by column and by row, and its box.

    A frame is corner 0; the plane's axes u, v, n, with u from corner 0 to 1; in that plane the length from corner 0 to
    1, direction (2) and length from corner 1 to 2, the same from corner 0 to 2. A triangle without area is put out of
    reach; its neighbours cover it.
    """
    count = triangle.shape[0]
    rows, boxes = np.zeros((count, FRAME), np.float32), np.zeros((6, count), np.float32)
    frames = np.zeros((FRAME, count), np.float32)
    u, w, n = np.zeros(3), np.zeros(3), np.zeros(3)
    for i in range(count):
        f = triangle[i]
        for c in range(3):
            u[c], w[c] = corners[f, 1, c] - corners[f, 0, c], corners[f, 2, c] - corners[f, 0, c]
            a, b, d = corners[f, 0, c], corners[f, 1, c], corners[f, 2, c]
            boxes[c, i], boxes[3 + c, i] = min(a, b, d) - middle, max(a, b, d) - middle
        for c in range(3):
            j, k = (c + 1) % 3, (c + 2) % 3
            n[c] = u[j] * w[k] - u[k] * w[j]
        x1 = np.sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2])
        area = np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2])
        if area <= 1e-12:
            rows[i, :3], rows[i, 9] = FAR, 1.0
            for k in range(FRAME):
                frames[k, i] = rows[i, k]
            continue
        x2, y2 = (u[0] * w[0] + u[1] * w[1] + u[2] * w[2]) / x1, area / x1
        far1, far0 = np.sqrt((x2 - x1) * (x2 - x1) + y2 * y2), np.sqrt(x2 * x2 + y2 * y2)
        for c in range(3):
            j, k = (c + 1) % 3, (c + 2) % 3
            rows[i, c] = corners[f, 0, c] - middle
            rows[i, 3 + c], rows[i, 9 + c] = u[c] / x1, n[c] / area
            rows[i, 6 + c] = (n[j] * u[k] - n[k] * u[j]) / (area * x1)
        rows[i, 12] = x1
        rows[i, 13], rows[i, 14], rows[i, 15] = (x2 - x1) / far1, y2 / far1, far1
        rows[i, 16], rows[i, 17], rows[i, 18] = x2 / far0, y2 / far0, far0
        for k in range(FRAME):
            frames[k, i] = rows[i, k]
    return frames, rows, boxes
