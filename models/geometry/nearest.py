"""Which triangles may be nearest to the points of a box, and how far they are: eight or sixteen at a time.

For a convex set S, the squared distance from p = c + o is at least d² + 2 v·o, with d² the one at c and v the vector
to c from the set's nearest point. A point q of the surface is |c - q|² + 2 (c - q)·o + |o|² from p. So S holds no
nearest point for any p of a box of half side h around c when

    d² - |c - q|² > 2 h |v - (c - q)|₁ + 3 h².

Triangles and boxes of triangles are convex, so one rule prunes both. Loops here have a length that the compiler does
not know, no branch and no order of additions to keep; that makes them vector instructions without changing a bit.
"""

from __future__ import annotations

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
def squared(rows, f, x, y, z, steps, out, at):
    """Squared distance of (x, y, z) + steps, (3, n), to triangle f of (F, 18) frames, into out[at, :]."""
    a, b, c = x - rows[f, 0], y - rows[f, 1], z - rows[f, 2]
    ux, uy, uz = rows[f, 3], rows[f, 4], rows[f, 5]
    vx, vy, vz = rows[f, 6], rows[f, 7], rows[f, 8]
    nx, ny, nz = rows[f, 9], rows[f, 10], rows[f, 11]
    x1, x2, y2, s1, s2, s3 = rows[f, 12], rows[f, 13], rows[f, 14], rows[f, 15], rows[f, 16], rows[f, 17]
    ex = x2 - x1
    for i in range(steps.shape[1]):
        ax, ay, az = a + steps[0, i], b + steps[1, i], c + steps[2, i]
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
def prune(found, start, end, best, half, lists, row, held):
    """Indices in start..end of the sets that may hold the nearest point of some point of the box (the module's rule).

    Args:
        found: (5, n), as of :func:`distances` at the box's centre; the fifth row is scratch.
        best: squared distance and vector of one point of the surface, four numbers.
        half: half the box's side.
        lists: int32 (n, ≥ end); the indices are put into its ``row`` behind the ``held`` that are there.

    Returns:
        How many the row then holds.
    """
    least, bx, by, bz = best
    wide = TWO * half
    most = least + THREE * half * half + SLACK
    for i in range(start, end):
        off = abs(found[1, i] - bx) + abs(found[2, i] - by) + abs(found[3, i] - bz)
        found[4, i] = found[0, i] - wide * off
    for i in range(start, end):
        lists[row, held] = i
        held += found[4, i] <= most
    return held


@njit(cache=True, error_model="numpy")
def candidates(frames, leaf, leaf_box, node, node_box, top, top_box, x, y, z, half, found, lists, near):
    """Triangles that may be nearest to a point of the box of half side ``half`` around (x, y, z).

    Args:
        frames, leaf, leaf_box, node, node_box, top, top_box: of :class:`models.geometry.clusters.Clusters`.
        found: float32 (5, F) scratch.
        lists: int32 (4, F); the candidates come into the first row, the others are scratch.
        near: float32 (18, F); frames of the candidates.

    Returns:
        How many, and the distance of (x, y, z) itself.
    """
    # Any triangle of the nearest leaf of the nearest node of the nearest top will do to begin with.
    tops = top_box.shape[1]
    box_distances(top_box, 0, tops, x, y, z, found)
    t = nearest_of(found, 0, tops)
    box_distances(node_box, top[t], top[t + 1], x, y, z, found)
    n = nearest_of(found, top[t], top[t + 1])
    box_distances(leaf_box, node[n], node[n + 1], x, y, z, found)
    i = nearest_of(found, node[n], node[n + 1])
    distances(frames, leaf[i], leaf[i + 1], x, y, z, found, 0)
    i = nearest_of(found, 0, leaf[i + 1] - leaf[i])
    best = (found[0, i], found[1, i], found[2, i], found[3, i])
    # Then whatever the rule leaves of every level.
    box_distances(top_box, 0, tops, x, y, z, found)
    tops = prune(found, 0, tops, best, half, lists, 1, 0)
    nodes, leaves, count = 0, 0, 0
    for i in range(tops):
        t = lists[1, i]
        box_distances(node_box, top[t], top[t + 1], x, y, z, found)
        nodes = prune(found, top[t], top[t + 1], best, half, lists, 2, nodes)
    for i in range(nodes):
        n = lists[2, i]
        box_distances(leaf_box, node[n], node[n + 1], x, y, z, found)
        leaves = prune(found, node[n], node[n + 1], best, half, lists, 3, leaves)
    i = 0
    while i < leaves:
        start = leaf[lists[3, i]]
        while i + 1 < leaves and lists[3, i + 1] == lists[3, i] + 1:
            i += 1  # leaves in a row, so their triangles are too
        end = leaf[lists[3, i] + 1]
        distances(frames, start, end, x, y, z, found, count)
        for f in range(start, end):
            lists[2, count + f - start] = f
        count += end - start
        i += 1
    i = nearest_of(found, 0, count)
    best = (found[0, i], found[1, i], found[2, i], found[3, i])
    few = prune(found, 0, count, best, half, lists, 1, 0)
    for m in range(few):
        lists[0, m] = lists[2, lists[1, m]]
    for k in range(FRAME):
        for m in range(few):
            near[k, m] = frames[k, lists[0, m]]
    return few, np.sqrt(best[0])


@njit(cache=True, error_model="numpy")
def sizes(given, x, y, z, steps, half, rows, found, lists, near, squares, size, winner):
    """Distance of each of the points (x, y, z) + steps.

    Args:
        given: how many candidates ``lists`` and ``near`` hold.
        x, y, z: the middle of a box.
        steps: float32 (3, P), from there to the points.
        half: half side of the box.
        rows: of the clusters.
        found, lists, near: as :func:`candidates` left them; the second row of the lists becomes the numbers of the
            candidates that may be nearest to a point of the box.
        squares: float32 (F, P), squared distances of those candidates.
        size: float32 (P,), the distances.
        winner: int32 (P,), the nearest candidate's row in ``squares``, or -1 if others are as near within the error.

    Returns:
        How many candidates that are.
    """
    distances(near, 0, given, x, y, z, found, 0)
    i = nearest_of(found, 0, given)
    best = (found[0, i], found[1, i], found[2, i], found[3, i])
    few = prune(found, 0, given, best, half, lists, 1, 0)
    for m in range(few):
        squared(rows, lists[0, lists[1, m]], x, y, z, steps, squares, m)
    _least(squares, few, size, winner)
    return few


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def _least(squares, few, size, winner):
    """Root of the least of the first rows, for each column, and which row it is if no other is within the error."""
    count = size.shape[0]
    for i in range(count):
        size[i], winner[i] = squares[0, i], 0
    for m in range(1, few):
        for i in range(count):
            square = squares[m, i]
            winner[i] = np.int32(m) if square < size[i] else winner[i]
            size[i] = min(size[i], square)
    for m in range(few):
        for i in range(count):
            close = (squares[m, i] <= size[i] + TIE * (ONE + size[i])) & (winner[i] != np.int32(m))
            winner[i] = np.int32(-1) if close else winner[i]
    for i in range(count):
        size[i] = np.sqrt(size[i])


@njit(cache=True, error_model="numpy")
def signed(x, y, z, point, few, lists, squares, size, winner, triangle, corners, normal, edge, corner):
    """Signed distance, in double precision, of a point of :func:`sizes`.

    Args:
        x, y, z: its voxel coordinates.
        point: its number.
        few: what :func:`sizes` returned.
        lists, squares, size, winner: what it left.
        triangle: of the clusters.
        corners, normal, edge, corner: of the :class:`models.geometry.triangles.Mesh`.
    """
    face = -1
    if winner[point] >= 0:
        face = triangle[lists[0, lists[1, winner[point]]]]
    else:
        least, best = size[point] * size[point], np.inf
        for m in range(few):
            if squares[m, point] <= least + TWO * TIE * (ONE + least):
                f = triangle[lists[0, lists[1, m]]]
                found = closest(corners, f, x, y, z)[0]
                if found < best:
                    best, face = found, f
    found, dx, dy, dz, part = closest(corners, face, x, y, z)
    far = np.sqrt(found)
    return far if outside(face, dx, dy, dz, part, normal, edge, corner) else -far
