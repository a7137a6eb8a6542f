"""The atlas of a head of any triangles: cut like the bundled one (:mod:`assets.heads.atlas`), up the back of the head.

A head without a back (a face model) is a disc already and is laid out from its own border.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from assets.heads.atlas import PAD, STRIP, Chart, boundary_loops, disc, fit_into, main_chart, wanted_area
from assets.heads.close import Closed, Part
from models.heads.linear import LinearHead
from models.heads.regions import FACE

OFF_MIDDLE = 0.2  # price of a millimetre away from the middle plane along the seam, in millimetres


@dataclass(frozen=True, eq=False)
class _Cut:
    """Triangles whose corners count texture coordinates, and the vertex of each of those."""

    triangles: Int[np.ndarray, "f 3"]
    vertex: Int[np.ndarray, " t"]
    right: list[int]  # the seam's sides as texture coordinates, from the neck to the tip, which both have
    left: list[int]


def unwrap_head(
    closed: Closed,
    points: Float[np.ndarray, "v 3"],
    placed: Float[np.ndarray, "v 3"],
    face_region: Int[np.ndarray, " f"],
    reference: LinearHead,
) -> tuple[Float[np.ndarray, "t 2"], Int[np.ndarray, "f 3"]]:
    """Texture coordinates (v up, within the unit square) and their indices.

    Args:
        closed: the closed head.
        points: its mean vertices, mm.
        placed: where they lie on the reference.
        face_region: region of each triangle.
        reference: the bundled head, which tells where the crown is.
    """
    main = np.isin(closed.part, (Part.SURFACE, Part.EYE))
    surface = np.ascontiguousarray(closed.faces[main]).astype(np.int64)
    has_back = placed[:, 2].min() < 0 and len(closed.neck) > 0 and placed[closed.neck][:, 1].max() < 0
    seam = _seam(surface, points, placed, closed.neck, reference) if has_back else []
    cut = _open(surface, seam, len(points))
    corners = points[cut.vertex].astype(float)
    if seam:
        chart, every = main_chart(cut.triangles, corners, (set(cut.right), set(cut.left), cut.right[-1]))
    else:
        chart, every = _disc_chart(cut.triangles, corners)
    wanted = _wanted(every[chart.triangles], face_region[main])
    flat = chart.unwrap(every, wanted)[: len(corners)]
    uvs = [[PAD, STRIP + PAD] + flat * [1 - 2 * PAD, 1 - STRIP - 2 * PAD]]
    face_uvs = np.zeros((len(closed.faces), 3), np.int64)
    face_uvs[main] = cut.triangles
    count, height = len(corners), STRIP - PAD
    for part, corner in ((Part.MOUTH_BAG, [PAD, PAD]), (Part.CAP, [0.5, PAD])):
        mine = closed.part == part
        if not mine.any():
            continue
        ids, local = np.unique(closed.faces[mine], return_inverse=True)
        local = local.reshape(-1, 3)
        lone = points[ids].astype(float)
        laid = disc(local, lone) if part == Part.MOUTH_BAG else lone[:, [0, 2]] if has_back else lone[:, :2]
        placed_uv = fit_into(laid, corner, height - PAD)
        # A cap wider than its half of the strip is squeezed: nobody sees it.
        placed_uv[:, 0] = corner[0] + (placed_uv[:, 0] - corner[0]) * min(
            1, (0.5 - 2 * PAD) / max(np.ptp(placed_uv[:, 0]), 1e-9)
        )
        uvs.append(placed_uv)
        face_uvs[mine] = count + local
        count += len(ids)
    return np.concatenate(uvs), face_uvs


def _wanted(corners: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Area of each triangle in the chart: as in the bundled atlas, or even where the head is nothing but face."""
    if not np.isin(region, FACE).all():
        return wanted_area(corners, region, len(corners))
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    area[len(region) :] *= 0.05  # the virtual fan over the mouth
    return np.maximum(area, 1e-8)


def _seam(
    faces: np.ndarray, points: np.ndarray, placed: np.ndarray, neck: np.ndarray, reference: LinearHead
) -> list[int]:
    """Vertices of a shortest path from the back of the neck's rim over the crown, near the middle plane."""
    front = reference.mean[:, 2].max()
    top = reference.mean[(np.abs(reference.mean[:, 0]) < 2) & (reference.mean[:, 2] < 0.3 * front)]
    crown = top[np.argmax(top[:, 1] + top[:, 2])]
    used = np.unique(faces)
    tip = int(used[np.linalg.norm(placed[used] - crown, axis=1).argmin()])
    start = int(neck[np.argmin(placed[neck][:, 2] + np.abs(placed[neck][:, 0]))])
    ends = np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)])
    inner = ~np.isin(ends, np.setdiff1d(neck, [start])).any(1)  # along the rim there is nothing to cut
    ends = ends[inner]
    length = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    cost = length * (1 + OFF_MIDDLE * np.abs(placed[ends][:, :, 0]).mean(1))
    graph = sparse.coo_matrix((cost, (ends[:, 0], ends[:, 1])), (len(points),) * 2).tocsr()
    graph = graph.maximum(graph.T)
    before = sparse.csgraph.dijkstra(graph, directed=False, indices=start, return_predecessors=True)[1]
    path = [tip]
    while path[-1] != start:
        path.append(int(before[path[-1]]))
    return path[::-1]


def _open(faces: np.ndarray, seam: list[int], count: int) -> _Cut:
    """Double the seam's vertices but its tip, for the triangles on its left (walking from the neck)."""
    after = {(int(f[k]), int(f[(k + 1) % 3])): (i, k) for i, f in enumerate(faces) for k in range(3)}
    triangles = faces.copy()
    vertex = list(range(count))
    left = []
    for i, v in enumerate(seam[:-1]):
        twin = len(vertex)
        vertex.append(v)
        left.append(twin)
        at, stop = seam[i + 1], seam[i - 1] if i else -1
        while (v, at) in after:  # triangles around v, anticlockwise from the seam ahead to the seam behind
            face, k = after[v, at]
            triangles[face, k] = twin
            at = int(faces[face, (k + 2) % 3])
            if at == stop:
                break
    used, packed = np.unique(triangles, return_inverse=True)
    number = {int(old): new for new, old in enumerate(used)}
    right = [number[v] for v in seam]
    return _Cut(
        packed.reshape(-1, 3),
        np.array(vertex)[used],
        right,
        [number[v] for v in left] + right[-1:],
    )


def _disc_chart(triangles: np.ndarray, points: np.ndarray) -> tuple[Chart, np.ndarray]:
    """Chart of a face without a back: its border runs around the square, from the middle of the top anticlockwise."""
    outline, *holes = boundary_loops(triangles)
    at = int(np.argmax(points[outline, 1] - np.abs(points[outline, 0])))
    loop = [*outline[at:], *outline[:at]]
    steps = np.linalg.norm(points[loop] - points[np.roll(loop, -1)], axis=1)
    t = np.concatenate([[0], np.cumsum(steps)[:-1]]) / steps.sum()
    knots = [0, 1 / 8, 3 / 8, 5 / 8, 7 / 8, 1]
    places = np.stack(
        [np.interp(t, knots, [0.5, 0, 0, 1, 1, 0.5]), np.interp(t, knots, [1, 1, 0, 0, 1, 1])], 1
    )
    extra, fans = [], []
    for hole in holes:
        middle = len(points) + len(extra)
        extra.append(points[hole].mean(0))
        fans += [[b, a, middle] for a, b in zip(hole, [*hole[1:], hole[0]], strict=True)]
    every = np.concatenate([triangles, np.array(fans, np.int64).reshape(-1, 3)])
    return Chart(every, np.array(loop), places), np.concatenate([points, np.array(extra).reshape(-1, 3)])
