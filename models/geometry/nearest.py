"""Which triangles may be nearest to the points of a box, and how far they are: eight or sixteen at a time.

For a convex set S, the squared distance from p = c + o is at least d² + 2 v·o, with d² the one at c and v the vector
to c from the set's nearest point. A point q of the surface is |c - q|² + 2 (c - q)·o + |o|² from p. So S holds no
nearest point for any p of a box of half side h around c when

    d² - |c - q|² > 2 h |v - (c - q)|₁ + 3 h².

Triangles and boxes of triangles are convex, so one rule prunes both. Loops here have a length that the compiler does
not know, unsigned indices, no branch and no order of additions to keep; that makes them vector instructions without
changing a bit.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from models.geometry.clusters import FRAME
from models.geometry.triangles import closest, outside

BITSTABLE = {"nnan", "nsz"}  # lets minima be vector instructions; nothing is reordered or fused
SLACK = np.float32(0.05)  # squared voxels: far above what single precision loses
TIE = np.float32(2e-4)  # squared voxels, and relative: what single precision may confuse
NEVER = np.float32(1e30)
FIRST = np.int64(
    0
)  # numba compiles a function once more for each kind and each literal value of a whole number
ZERO, ONE, TWO, THREE = np.float32(0), np.float32(1), np.float32(2), np.float32(3)


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def distances(frames, start, end, x, y, z, out, at):
    """Squared distance and vector from the nearest point for triangles start..end, into out[:4, at:]."""
    first, put = np.uint64(start), np.uint64(at)
    for i in range(np.uint64(end - start)):
        f, o = first + i, put + i
        ax, ay, az = x - frames[0, f], y - frames[1, f], z - frames[2, f]
        ux, uy, uz = frames[3, f], frames[4, f], frames[5, f]
        vx, vy, vz = frames[6, f], frames[7, f], frames[8, f]
        nx, ny, nz = frames[9, f], frames[10, f], frames[11, f]
        ex, ey, cx, cy = frames[13, f], frames[14, f], frames[16, f], frames[17, f]
        p, q, h = ax * ux + ay * uy + az * uz, ax * vx + ay * vy + az * vz, ax * nx + ay * ny + az * nz
        b = p - frames[12, f]
        gx, gy = p - min(max(p, ZERO), frames[12, f]), q
        flat = gx * gx + gy * gy
        r = min(max(b * ex + q * ey, ZERO), frames[15, f])
        tx, ty = b - r * ex, q - r * ey
        other = tx * tx + ty * ty
        gx, gy = (tx if other < flat else gx), (ty if other < flat else gy)
        flat = other if other < flat else flat
        r = min(max(p * cx + q * cy, ZERO), frames[18, f])
        tx, ty = p - r * cx, q - r * cy
        other = tx * tx + ty * ty
        gx, gy = (tx if other < flat else gx), (ty if other < flat else gy)
        flat = other if other < flat else flat
        inside = min(min(q, q * ex - b * ey), p * cy - q * cx) >= ZERO
        gx, gy = (ZERO if inside else gx), (ZERO if inside else gy)
        out[0, o] = h * h + (ZERO if inside else flat)
        out[1, o] = gx * ux + gy * vx + h * nx
        out[2, o] = gx * uy + gy * vy + h * ny
        out[3, o] = gx * uz + gy * vz + h * nz


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def squared(rows, f, x, y, z, steps, out, at):
    """Squared distance of (x, y, z) + steps, (3, n), to triangle f of (F, 19) frames, into out[at, :]."""
    a, b, c = x - rows[f, 0], y - rows[f, 1], z - rows[f, 2]
    ux, uy, uz = rows[f, 3], rows[f, 4], rows[f, 5]
    vx, vy, vz = rows[f, 6], rows[f, 7], rows[f, 8]
    nx, ny, nz = rows[f, 9], rows[f, 10], rows[f, 11]
    base, ex, ey, e, cx, cy, far = (
        rows[f, 12], rows[f, 13], rows[f, 14], rows[f, 15], rows[f, 16], rows[f, 17], rows[f, 18],
    )  # fmt: skip
    for i in range(steps.shape[1]):
        ax, ay, az = a + steps[0, i], b + steps[1, i], c + steps[2, i]
        p, q, h = ax * ux + ay * uy + az * uz, ax * vx + ay * vy + az * vz, ax * nx + ay * ny + az * nz
        r = p - base
        along, across = r * ex + q * ey, q * ex - r * ey
        along -= min(max(along, ZERO), e)
        flat = along * along + across * across
        along, beside = p * cx + q * cy, p * cy - q * cx
        along -= min(max(along, ZERO), far)
        flat = min(flat, along * along + beside * beside)
        along = p - min(max(p, ZERO), base)
        flat = min(flat, along * along + q * q)
        inside = min(min(q, across), beside) >= ZERO
        out[at, i] = h * h + (ZERO if inside else flat)


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def box_distances(boxes, start, end, x, y, z, out):
    """As :func:`distances`, of the boxes start..end, into out[:, start:end]."""
    for i in range(np.uint64(start), np.uint64(end)):
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
    for i in range(np.uint64(start), np.uint64(end)):
        off = abs(found[1, i] - bx) + abs(found[2, i] - by) + abs(found[3, i] - bz)
        found[4, i] = found[0, i] - wide * off
    for i in range(start, end):
        lists[row, held] = i
        held += found[4, i] <= most
    return held


@njit(cache=True, error_model="numpy")
def candidates(frames, leaf, leaf_box, node, node_box, top, top_box, x, y, z, half, found, lists):
    """Triangles that may be nearest to a point of the box of half side ``half`` around (x, y, z).

    Args:
        frames, leaf, leaf_box, node, node_box, top, top_box: of :class:`models.geometry.clusters.Clusters`.
        found: float32 (5, F + 1) scratch.
        lists: int32 (4, F + 1); the candidates come into the first row, the others are scratch.

    Returns:
        How many candidates, and the distance of (x, y, z) itself.
    """
    # Any triangle of the nearest leaf of the nearest node of the nearest top will do to begin with.
    tops = top_box.shape[1]
    box_distances(top_box, FIRST, tops, x, y, z, found)
    t = nearest_of(found, FIRST, tops)
    start, end = np.int64(top[t]), np.int64(top[t + 1])
    box_distances(node_box, start, end, x, y, z, found)
    n = nearest_of(found, start, end)
    start, end = np.int64(node[n]), np.int64(node[n + 1])
    box_distances(leaf_box, start, end, x, y, z, found)
    i = nearest_of(found, start, end)
    start, end = np.int64(leaf[i]), np.int64(leaf[i + 1])
    distances(frames, start, end, x, y, z, found, FIRST)
    i = nearest_of(found, FIRST, end - start)
    best = (found[0, i], found[1, i], found[2, i], found[3, i])
    # Then whatever the rule leaves of every level.
    box_distances(top_box, FIRST, tops, x, y, z, found)
    tops = prune(found, FIRST, tops, best, half, lists, np.int64(1), FIRST)
    nodes, leaves, count = FIRST, FIRST, FIRST
    for i in range(tops):
        t = lists[1, i]
        start, end = np.int64(top[t]), np.int64(top[t + 1])
        box_distances(node_box, start, end, x, y, z, found)
        nodes = prune(found, start, end, best, half, lists, np.int64(2), nodes)
    for i in range(nodes):
        n = lists[2, i]
        start, end = np.int64(node[n]), np.int64(node[n + 1])
        box_distances(leaf_box, start, end, x, y, z, found)
        leaves = prune(found, start, end, best, half, lists, np.int64(3), leaves)
    i = 0
    while i < leaves:
        start = np.int64(leaf[lists[3, i]])
        while i + 1 < leaves and lists[3, i + 1] == lists[3, i] + 1:
            i += 1  # leaves in a row, so their triangles are too
        end = np.int64(leaf[lists[3, i] + 1])
        distances(frames, start, end, x, y, z, found, count)
        for f in range(start, end):
            lists[2, count + f - start] = f
        count += end - start
        i += 1
    i = nearest_of(found, FIRST, count)
    best = (found[0, i], found[1, i], found[2, i], found[3, i])
    few = prune(found, FIRST, count, best, half, lists, np.int64(1), FIRST)
    for m in range(few):
        lists[0, m] = lists[2, lists[1, m]]
    return few, np.sqrt(best[0])


@njit(cache=True, error_model="numpy")
def pack(frames, lists, count, near):
    """Frames of the candidates, side by side, into ``near``, float32 (19, ≥ count)."""
    for k in range(FRAME):
        for m in range(count):
            near[k, m] = frames[k, lists[0, m]]


@njit(cache=True, error_model="numpy")
def narrow(near, given, x, y, z, half, found, lists):
    """Which of the packed candidates may be nearest to a point of a smaller box: into the second row of the lists.

    Returns:
        How many.
    """
    distances(near, FIRST, given, x, y, z, found, FIRST)
    i = nearest_of(found, FIRST, given)
    best = (found[0, i], found[1, i], found[2, i], found[3, i])
    return prune(found, FIRST, given, best, half, lists, np.int64(1), FIRST)


@njit(cache=True, error_model="numpy")
def sizes(rows, lists, few, x, y, z, steps, squares, size, second, winner):
    """Distance of each of the points (x, y, z) + steps from the narrowed candidates.

    Args:
        rows: of the clusters.
        lists: as :func:`narrow` left them.
        few: what it returned.
        x, y, z: the middle of the box.
        steps: float32 (3, P), from there to the points.
        squares: float32 (≥ few, P), becomes the squared distances.
        size, second, winner: see :func:`two_nearest`; ``size`` is the distance.
    """
    for m in range(few):
        squared(rows, lists[0, lists[1, m]], x, y, z, steps, squares, m)
    two_nearest(squares, few, size, second, winner)


@njit(cache=True, error_model="numpy", fastmath=BITSTABLE)
def two_nearest(squares, few, size, second, winner):
    """Roots of the least and the next of the first rows, for each column, and which row the least is in.

    Args:
        squares: float32 (≥ few, P).
        few: how many rows count.
        size, second: float32 (P,), the roots.
        winner: float32 (P,), the row, or -1 if the two are equal within the error of :func:`squared`.
    """
    count = size.shape[0]
    for i in range(count):
        size[i], second[i], winner[i] = squares[0, i], NEVER, ZERO
    for m in range(1, few):
        row = np.float32(m)
        for i in range(count):
            square, least = squares[m, i], size[i]
            second[i] = min(second[i], max(square, least))
            winner[i] = row if square < least else winner[i]
            size[i] = min(square, least)
    for i in range(count):
        winner[i] = -ONE if second[i] <= size[i] + TIE * (ONE + size[i]) else winner[i]
        size[i], second[i] = np.sqrt(size[i]), np.sqrt(second[i])


@njit(cache=True, error_model="numpy")
def signed(
    x, y, z, point, few, lists, squares, size, winner, triangle, corners, normal, at_vertex, faces, partner
):
    """Signed distance, in double precision, of a point of :func:`sizes`.

    Args:
        x, y, z: its voxel coordinates.
        point: its number.
        few, lists: what :func:`narrow` returned and left.
        squares, size, winner: what :func:`sizes` left.
        triangle: of the clusters.
        corners, normal, at_vertex, faces, partner: of the :class:`models.geometry.triangles.Mesh`.
    """
    face = -1
    if winner[point] >= 0:
        face = np.int64(triangle[lists[0, lists[1, int(winner[point])]]])
    else:
        least, best = size[point] * size[point], np.inf
        for m in range(few):
            if squares[m, point] <= least + TWO * TIE * (ONE + least):
                f = np.int64(triangle[lists[0, lists[1, m]]])
                found = closest(corners, f, x, y, z)[0]
                if found < best:
                    best, face = found, f
    found, dx, dy, dz, part = closest(corners, face, x, y, z)
    far = np.sqrt(found)
    return far if outside(face, dx, dy, dz, part, normal, at_vertex, faces, partner) else -far
