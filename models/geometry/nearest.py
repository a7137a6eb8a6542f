"""Which triangles may be nearest to the points of a box, and how far they are: eight or sixteen at a time.

For a convex set S, the squared distance from p = c + o is at least d² + 2 v·o, with d² the one at c and v the vector
to c from the set's nearest point. A point q of the surface is |c - q|² + 2 (c - q)·o + |o|² from p. So S holds no
nearest point for any p of a box of half side h around c when

    d² - |c - q|² > 2 h |v - (c - q)|₁ + 3 h².

Triangles and boxes of triangles are convex, so one rule prunes both. Loops here have a length that the compiler does
not know, no branch and no order of additions to keep; that makes them vector instructions without changing a bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from models.geometry.clusters import FRAME
from models.geometry.triangles import closest, outside

BITSTABLE = {"nnan", "nsz"}  # lets minima be vector instructions; nothing is reordered or fused
SLACK = np.float32(0.05)  # squared voxels: far above what single precision loses
TIE = np.float32(2e-4)  # squared voxels, and relative: what single precision may confuse
ZERO, ONE, TWO, THREE = np.float32(0), np.float32(1), np.float32(2), np.float32(3)


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def distances(frames, start, end, x, y, z, out, at):
    """Squared distance and vector from the nearest point for triangles start..end, into out[:, at:], (4, ≥ at + n)."""
    for i in range(end - start):
        f = start + i
        ax, ay, az = x - frames[0, f], y - frames[1, f], z - frames[2, f]
        ux, uy, uz = frames[3, f], frames[4, f], frames[5, f]
        vx, vy, vz = frames[6, f], frames[7, f], frames[8, f]
        nx, ny, nz = frames[9, f], frames[10, f], frames[11, f]
        x1, x2, y2 = frames[12, f], frames[13, f], frames[14, f]
        p, q, h = ax * ux + ay * uy + az * uz, ax * vx + ay * vy + az * vz, ax * nx + ay * ny + az * nz
        ex, bx = x2 - x1, p - x1
        r = min(max(p * x1 * frames[15, f], ZERO), ONE)
        gx, gy = p - r * x1, q
        flat = gx * gx + gy * gy
        r = min(max((bx * ex + q * y2) * frames[16, f], ZERO), ONE)
        tx, ty = bx - r * ex, q - r * y2
        other = tx * tx + ty * ty
        gx, gy = (tx if other < flat else gx), (ty if other < flat else gy)
        flat = other if other < flat else flat
        r = min(max((p * x2 + q * y2) * frames[17, f], ZERO), ONE)
        tx, ty = p - r * x2, q - r * y2
        other = tx * tx + ty * ty
        gx, gy = (tx if other < flat else gx), (ty if other < flat else gy)
        flat = other if other < flat else flat
        inside = min(min(q, ex * q - y2 * bx), y2 * p - x2 * q) >= ZERO
        gx, gy = (ZERO if inside else gx), (ZERO if inside else gy)
        out[0, at + i] = h * h + (ZERO if inside else flat)
        out[1, at + i] = gx * ux + gy * vx + h * nx
        out[2, at + i] = gx * uy + gy * vy + h * ny
        out[3, at + i] = gx * uz + gy * vz + h * nz


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def squared(rows, f, points, out, at):
    """Squared distance of the points (3, n) to triangle f of (F, 18) frames, into out[at, :]."""
    a, b, c = rows[f, 0], rows[f, 1], rows[f, 2]
    ux, uy, uz = rows[f, 3], rows[f, 4], rows[f, 5]
    vx, vy, vz = rows[f, 6], rows[f, 7], rows[f, 8]
    nx, ny, nz = rows[f, 9], rows[f, 10], rows[f, 11]
    x1, x2, y2, s1, s2, s3 = rows[f, 12], rows[f, 13], rows[f, 14], rows[f, 15], rows[f, 16], rows[f, 17]
    ex = x2 - x1
    for i in range(points.shape[1]):
        ax, ay, az = points[0, i] - a, points[1, i] - b, points[2, i] - c
        p, q, h = ax * ux + ay * uy + az * uz, ax * vx + ay * vy + az * vz, ax * nx + ay * ny + az * nz
        bx = p - x1
        r = min(max(p * x1 * s1, ZERO), ONE)
        gx = p - r * x1
        flat = gx * gx + q * q
        r = min(max((bx * ex + q * y2) * s2, ZERO), ONE)
        gx, gy = bx - r * ex, q - r * y2
        flat = min(flat, gx * gx + gy * gy)
        r = min(max((p * x2 + q * y2) * s3, ZERO), ONE)
        gx, gy = p - r * x2, q - r * y2
        flat = min(flat, gx * gx + gy * gy)
        inside = min(min(q, ex * q - y2 * bx), y2 * p - x2 * q) >= ZERO
        out[at, i] = h * h + (ZERO if inside else flat)


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def box_distances(boxes, start, end, x, y, z, out):
    """As :func:`distances`, of the boxes start..end, into out[:, start:end]."""
    for i in range(start, end):
        dx = x - min(max(x, boxes[0, i]), boxes[3, i])
        dy = y - min(max(y, boxes[1, i]), boxes[4, i])
        dz = z - min(max(z, boxes[2, i]), boxes[5, i])
        out[0, i], out[1, i], out[2, i], out[3, i] = dx * dx + dy * dy + dz * dz, dx, dy, dz


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def nearest_of(found, start, end):
    """Index of the least of found[0, start:end], the first one when several are."""
    least, at = found[0, start], start
    for i in range(start + 1, end):
        if found[0, i] < least:
            least, at = found[0, i], i
    return at


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def prune(found, start, end, best, half, kept):
    """Indices in start..end of the sets that may hold the nearest point of some point of the box (the module's rule).

    Args:
        found: (5, n), as of :func:`distances` at the box's centre; the fifth row is scratch.
        best: squared distance and vector of one point of the surface, four numbers.
        half: half the box's side.
        kept: int32, filled from the front.

    Returns:
        How many are kept.
    """
    least, bx, by, bz = best
    wide = TWO * half
    most = least + THREE * half * half + SLACK
    for i in range(start, end):
        off = abs(found[1, i] - bx) + abs(found[2, i] - by) + abs(found[3, i] - bz)
        found[4, i] = found[0, i] - wide * off
    held = 0
    for i in range(start, end):
        kept[held] = i
        held += found[4, i] <= most
    return held


class Scratch(NamedTuple):
    """Memory of a search, F triangles, M boxes in the largest level, P points of a box."""

    boxes: np.ndarray  # float32 (5, M)
    found: np.ndarray  # float32 (5, F), see distances and prune
    kept: np.ndarray  # int32 (F,)
    leaves: np.ndarray  # int32 (M,)
    listed: np.ndarray  # int32 (F,), the triangles of the columns of found
    triangles: np.ndarray  # int32 (F,), the candidates of a window
    frames: np.ndarray  # float32 (18, F), theirs
    points: np.ndarray  # float32 (3, P)
    squares: np.ndarray  # float32 (F, P)
    size: np.ndarray  # float32 (P,), distance of each point


@njit(cache=True, error_model="numpy")
def new_scratch(clusters, points):
    """Memory for one search after the other in the given clusters."""
    faces = clusters.triangle.shape[0]
    most = max(clusters.leaf_box.shape[1], max(clusters.node_box.shape[1], clusters.top_box.shape[1]))
    return Scratch(
        np.zeros((5, most), np.float32),
        np.zeros((5, faces), np.float32),
        np.zeros(faces, np.int32),
        np.zeros(most, np.int32),
        np.zeros(faces, np.int32),
        np.zeros(faces, np.int32),
        np.zeros((FRAME, faces), np.float32),
        np.zeros((3, points), np.float32),
        np.zeros((faces, points), np.float32),
        np.zeros(points, np.float32),
    )


@njit(cache=True, error_model="numpy")
def candidates(clusters, x, y, z, half, scratch):
    """Triangles that may be nearest to a point of the box of half side ``half`` around (x, y, z), into the scratch.

    Returns:
        How many, and the distance of (x, y, z) itself.
    """
    boxes, found, kept = scratch.boxes, scratch.found, scratch.kept
    # Any triangle of the nearest leaf of the nearest node of the nearest top will do to begin with.
    box_distances(clusters.top_box, 0, clusters.top_box.shape[1], x, y, z, boxes)
    top = nearest_of(boxes, 0, clusters.top_box.shape[1])
    box_distances(clusters.node_box, clusters.top[top], clusters.top[top + 1], x, y, z, boxes)
    node = nearest_of(boxes, clusters.top[top], clusters.top[top + 1])
    box_distances(clusters.leaf_box, clusters.node[node], clusters.node[node + 1], x, y, z, boxes)
    leaf = nearest_of(boxes, clusters.node[node], clusters.node[node + 1])
    size = clusters.leaf[leaf + 1] - clusters.leaf[leaf]
    distances(clusters.frames, clusters.leaf[leaf], clusters.leaf[leaf + 1], x, y, z, found, 0)
    i = nearest_of(found, 0, size)
    best = (found[0, i], found[1, i], found[2, i], found[3, i])
    # Then whatever the rule leaves of every level.
    leaves, held = scratch.leaves, 0
    box_distances(clusters.top_box, 0, clusters.top_box.shape[1], x, y, z, boxes)
    tops = prune(boxes, 0, clusters.top_box.shape[1], best, half, kept)
    for t in kept[:tops].copy():
        box_distances(clusters.node_box, clusters.top[t], clusters.top[t + 1], x, y, z, boxes)
        nodes = prune(boxes, clusters.top[t], clusters.top[t + 1], best, half, kept)
        for n in kept[:nodes].copy():
            box_distances(clusters.leaf_box, clusters.node[n], clusters.node[n + 1], x, y, z, boxes)
            more = prune(boxes, clusters.node[n], clusters.node[n + 1], best, half, kept)
            leaves[held : held + more] = kept[:more]
            held += more
    count, i = 0, 0
    while i < held:
        first = leaves[i]
        while i + 1 < held and leaves[i + 1] == leaves[i] + 1:
            i += 1  # leaves in a row, so their triangles are too
        start, end = clusters.leaf[first], clusters.leaf[leaves[i] + 1]
        distances(clusters.frames, start, end, x, y, z, found, count)
        for f in range(start, end):
            scratch.listed[count + f - start] = f
        count += end - start
        i += 1
    i = nearest_of(found, 0, count)
    best = (found[0, i], found[1, i], found[2, i], found[3, i])
    few = prune(found, 0, count, best, half, kept)
    for m in range(few):
        f = scratch.listed[kept[m]]
        scratch.triangles[m] = f
        for k in range(FRAME):
            scratch.frames[k, m] = clusters.rows[f, k]
    return few, np.sqrt(best[0])


@njit(cache=True, error_model="numpy")
def sizes(given, x, y, z, clusters, scratch):
    """Distance of each point of a cube of points, side by side from (x, y, z) on, into ``scratch.size``.

    Args:
        given: how many candidates the scratch holds.

    Returns:
        How many triangles may be nearest to a point of the cube: ``scratch.kept``, rows of ``scratch.squares``.
    """
    count = scratch.size.shape[0]
    side = int(np.round(count ** (1 / 3)))
    for i in range(count):
        scratch.points[0, i] = x + i // (side * side)
        scratch.points[1, i] = y + (i // side) % side
        scratch.points[2, i] = z + i % side
    half, found = (side - 1) / 2, scratch.found
    distances(
        scratch.frames, 0, given, np.float32(x + half), np.float32(y + half), np.float32(z + half), found, 0
    )
    i = nearest_of(found, 0, given)
    best = (found[0, i], found[1, i], found[2, i], found[3, i])
    few = prune(found, 0, given, best, np.float32(half), scratch.kept)
    for m in range(few):
        squared(clusters.rows, scratch.triangles[scratch.kept[m]], scratch.points, scratch.squares, m)
    _least(scratch.squares, few, scratch.size)
    return few


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def _least(squares, few, size):
    """Root of the least of the first rows, for each column."""
    for i in range(size.shape[0]):
        size[i] = squares[0, i]
    for m in range(1, few):
        for i in range(size.shape[0]):
            size[i] = min(size[i], squares[m, i])
    for i in range(size.shape[0]):
        size[i] = np.sqrt(size[i])


@njit(cache=True, error_model="numpy")
def signed(x, y, z, point, few, clusters, surface, scratch):
    """Signed distance, in double precision, of the point of that number, which lies at voxel (x, y, z)."""
    corners, normal, edge, corner = surface
    least = scratch.size[point] * scratch.size[point]
    most = least + TIE * (ONE + least)
    best, bx, by, bz, bpart, face = np.inf, 0.0, 0.0, 0.0, 0, -1
    for m in range(few):
        if scratch.squares[m, point] <= most:
            f = clusters.triangle[scratch.triangles[scratch.kept[m]]]
            found, dx, dy, dz, part = closest(corners[f], x, y, z)
            if found < best:
                best, bx, by, bz, bpart, face = found, dx, dy, dz, part, f
    size = np.sqrt(best)
    return size if outside(face, bx, by, bz, bpart, normal, edge, corner) else -size
