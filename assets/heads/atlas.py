"""The head's texture atlas: one chart for the whole surface in which the face is large, and a strip for the rest.

The chart is a convex-combination map onto a rectangle (Tutte 1963; Floater 1997), so no two triangles overlap whatever
the weights are. The weights are then changed step by step until each region has the share of the texture it is meant
to have, in the manner of Yoshizawa et al. 2004. The only cut runs up the back of the head and over the crown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.linalg import splu

from assets.heads.cut import Cut
from models.heads.regions import FACE, Region
from models.heads.subdivide import CatmullClark

PAD = 4 / 1024  # room for bilinear filtering around each chart
STRIP = 0.085  # height of the strip below the chart that holds mouth bag and neck cap
FACE_SHARE = 0.66  # share of the main chart that the face is asked to take
SIDE = 0.72  # share of the back seam that lies on the left and right edges; the rest is the top edge


def cut_topology(
    cut: Cut, points: Float[np.ndarray, "c 3"]
) -> tuple[Int[np.ndarray, "p 4"], list[int], list[int]]:
    """UV index of each polygon corner after cutting, and the seam as UV ids on its right and left side (x<0, x>0).

    The seam runs from the neck loop at the back to a point above the hairline.
    """
    surface = np.isin(cut.part, (Cut.SURFACE, Cut.EYE))
    seam = _back_seam(cut, points, surface)
    polygon_uvs = cut.polygons.astype(np.int64).copy()
    count = len(points)
    twin = {}
    for vertex in seam[:-1]:
        twin[vertex], count = count, count + 1
    to_twin = np.arange(count)
    to_twin[list(twin)] = list(twin.values())
    left = surface & (points[cut.polygons].mean(1)[:, 0] > 0)
    polygon_uvs[left] = to_twin[polygon_uvs[left]]
    for part in (Cut.MOUTH_BAG, Cut.CAP):
        mine = cut.part == part
        ids, local = np.unique(cut.polygons[mine], return_inverse=True)
        polygon_uvs[mine] = count + local.reshape(-1, 4)
        count += len(ids)
    ids, packed = np.unique(polygon_uvs, return_inverse=True)
    number = {int(old): new for new, old in enumerate(ids)}
    right_side = [number[v] for v in seam]
    left_side = [number[twin[v]] for v in seam[:-1]] + [number[seam[-1]]]
    return packed.reshape(-1, 4).astype(np.int32), right_side, left_side


def _back_seam(cut: Cut, points: np.ndarray, surface: np.ndarray) -> list[int]:
    """Control vertices on the middle plane from the neck loop's back up over the crown."""
    polygons = cut.polygons[surface]
    edges = np.concatenate([polygons[:, [i, (i + 1) % 4]] for i in range(4)])
    middle = np.abs(points[:, 0]) < 0.5
    edges = edges[middle[edges].all(1)]
    ring = [v for v in cut.neck if middle[v]]
    at = min(ring, key=lambda v: points[v, 2])
    seam, front = [int(at)], points[:, 2].max()
    while True:
        ends = [b for b in edges[edges[:, 0] == at, 1] if b not in seam]
        ends += [a for a in edges[edges[:, 1] == at, 0] if a not in seam]
        ends = [e for e in ends if e not in cut.neck]
        at = max(ends, key=lambda v: points[v, 1])
        if points[at, 2] > 0.3 * front:
            return seam
        seam.append(int(at))


@dataclass(frozen=True, eq=False)
class Chart:
    """Triangles of a disc with its outline pinned to a rectangle; hole rims are closed with a virtual fan."""

    triangles: Int[np.ndarray, "f 3"]
    pinned: Int[np.ndarray, " b"]
    places: Float[np.ndarray, "b 2"]

    def unwrap(
        self, points: Float[np.ndarray, "n 3"], wanted: Float[np.ndarray, " f"], steps: int = 60
    ) -> Float[np.ndarray, "n 2"]:
        """Positions in the unit square; ``wanted`` is the area each triangle should have, up to a factor."""
        ends, weight, corner = self._edges(points)
        count = len(points)
        free = np.ones(count, bool)
        free[self.pinned] = False
        free &= np.bincount(self.triangles.ravel(), minlength=count) > 0
        goal = wanted / wanted.sum()
        flat = np.zeros((count, 2))
        flat[self.pinned] = self.places
        for _ in range(steps):
            matrix = sparse.coo_matrix((weight, (ends[:, 0], ends[:, 1])), (count, count)).tocsr()
            laplacian = sparse.diags(np.asarray(matrix.sum(1)).ravel()) - matrix
            rows = laplacian[free]
            flat[free] = splu(rows[:, free].tocsc()).solve(-rows[:, ~free] @ flat[~free])
            a, b, c = (flat[self.triangles[:, i]] for i in range(3))
            area = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
            tension = np.sqrt(np.maximum(area / area.sum(), 1e-12) / goal)
            weight = weight * np.clip(tension[corner], 0.5, 2.0) ** 0.5
        return flat

    def _edges(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Directed edges, mean-value weights (Floater 2003, always positive) and the triangle each comes from."""
        ends, weight, corner = [], [], []
        index = np.arange(len(self.triangles))
        for i in range(3):
            at, left, right = (self.triangles[:, (i + k) % 3] for k in range(3))
            u, w = points[left] - points[at], points[right] - points[at]
            lu, lw = np.linalg.norm(u, axis=1), np.linalg.norm(w, axis=1)
            half = np.arccos(np.clip((u * w).sum(1) / (lu * lw), -1, 1)) / 2
            for other, length in ((left, lu), (right, lw)):
                ends.append(np.stack([at, other], 1))
                weight.append(np.maximum(np.tan(np.minimum(half, 1.4)), 1e-3) / length)
                corner.append(index)
        return np.concatenate(ends), np.concatenate(weight), np.concatenate(corner)


def boundary_loops(triangles: Int[np.ndarray, "f 3"]) -> list[list[int]]:
    """Open borders as vertex loops in the direction of the triangles, longest first."""
    ends = np.concatenate([triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    both = {(int(a), int(b)) for a, b in ends}
    after = {a: b for a, b in both if (b, a) not in both}
    loops = []
    while after:
        start = min(after)
        loop, at = [start], after.pop(start)
        while at != start:
            loop.append(at)
            at = after.pop(at)
        loops.append(loop)
    return sorted(loops, key=len, reverse=True)


def _along(points: np.ndarray, path: list[int]) -> np.ndarray:
    """Arc length along a path, scaled to [0, 1]."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points[path], axis=0), axis=1))])
    return length / length[-1]


def main_chart(
    triangles: Int[np.ndarray, "f 3"], points: Float[np.ndarray, "n 3"], seam: tuple[set[int], set[int], int]
) -> tuple[Chart, Float[np.ndarray, "m 3"]]:
    """Chart of the surface and the points with the virtual ones appended.

    ``seam``: UV ids of the seam's x<0 side, of its x>0 side, and of its tip (which is in both).
    """
    outline, *holes = boundary_loops(triangles)
    tip = seam[2]
    at = outline.index(tip)
    loop = [*outline[at:], *outline[:at], tip]  # down one side of the seam, around the neck, up the other
    first, second = (seam[0], seam[1]) if loop[1] in seam[0] else (seam[1], seam[0])
    a = max(i for i, v in enumerate(loop) if v in first and v != tip)
    b = min(i for i, v in enumerate(loop) if v in second and v != tip)
    places = np.zeros((len(loop), 2))
    down = _along(points, loop[: a + 1])
    up = _along(points, loop[b:])
    places[: a + 1] = _edge(down)
    places[a : b + 1, 0] = _along(points, loop[a : b + 1])
    places[b:] = _mirror(_edge(1 - up))
    extra, fans = [], []
    for hole in holes:
        centre = len(points) + len(extra)
        extra.append(points[hole].mean(0))
        fans += [[y, x, centre] for x, y in zip(hole, [*hole[1:], hole[0]], strict=True)]
    all_triangles = np.concatenate([triangles, np.array(fans, int).reshape(-1, 3)])
    all_points = np.concatenate([points, np.array(extra).reshape(-1, 3)])
    return Chart(all_triangles, np.array(loop[:-1]), places[:-1]), all_points


def _edge(t: np.ndarray) -> np.ndarray:
    """Seam position t (0 at the tip, 1 at the neck) to the left half of the rectangle's outline."""
    top = 1 - SIDE
    x = np.where(t < top, 0.5 * (1 - t / top), 0)
    y = np.where(t < top, 1.0, 1 - (t - top) / SIDE)
    return np.stack([x, y], 1)


def _mirror(xy: np.ndarray) -> np.ndarray:
    return np.stack([1 - xy[:, 0], xy[:, 1]], 1)


def unwrap(
    cut: Cut, mean: np.ndarray, fine_mean: np.ndarray, split: np.ndarray, face_region: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """UV index per polygon corner, and UVs (t,2) of the fine mesh, v up."""
    polygon_uvs, seam_right, seam_left = cut_topology(cut, mean)
    atlas = CatmullClark.of(polygon_uvs, smooth=False)
    geometry = CatmullClark.of(cut.polygons)
    to_point = np.zeros(atlas.matrix.shape[0], np.int64)
    to_point[atlas.quads.ravel()] = geometry.quads.ravel()
    points = fine_mean[to_point].astype(float)
    triangles = atlas.quads.ravel()[split].astype(np.int64)
    part = np.repeat(np.repeat(cut.part, (cut.polygons >= 0).sum(1)), 2)
    main = np.isin(part, (Cut.SURFACE, Cut.EYE))
    outline = boundary_loops(triangles[main])[0]
    sides = [_seam_vertices(outline, ids) for ids in (seam_right, seam_left)]
    chart, all_points = main_chart(triangles[main], points, (sides[0], sides[1], seam_right[-1]))
    uvs = np.zeros((len(points), 2))
    wanted = wanted_area(all_points[chart.triangles], face_region[main], len(chart.triangles))
    flat = chart.unwrap(all_points, wanted)[: len(points)]
    used = np.unique(triangles[main])
    uvs[used] = [PAD, STRIP + PAD] + flat[used] * [1 - 2 * PAD, 1 - STRIP - 2 * PAD]
    bag, cap = np.unique(triangles[part == Cut.MOUTH_BAG]), np.unique(triangles[part == Cut.CAP])
    height = STRIP - PAD
    uvs[bag] = fit_into(disc(triangles[part == Cut.MOUTH_BAG], points)[bag], [PAD, PAD], height - PAD)
    uvs[cap] = fit_into(points[cap][:, [0, 2]], [0.5, PAD], height - PAD)
    return polygon_uvs, uvs


def disc(triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Overlap-free map of an open bag onto a disc, with areas as on the surface."""
    rim = boundary_loops(triangles)[0]
    turn = np.arange(len(rim)) * 2 * np.pi / len(rim)
    corners = points[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chart = Chart(triangles, np.array(rim), np.stack([np.cos(turn), np.sin(turn)], 1))
    return chart.unwrap(points, np.maximum(area, 1e-6))


def _seam_vertices(outline: list[int], coarse: list[int]) -> set[int]:
    """Fine UV ids between the coarse seam ids along an outline (every second one is coarse)."""
    place = {v: i for i, v in enumerate(outline)}
    where = [place[v] for v in coarse]
    n = len(outline)
    step = 1 if (where[1] - where[0]) % n < n // 2 else -1
    count = ((where[-1] - where[0]) * step) % n
    return {outline[(where[0] + step * k) % n] for k in range(count + 1)}


def fit_into(points: np.ndarray, corner: list[float], height: float) -> np.ndarray:
    """Points scaled uniformly to a height, with their lower left at a corner."""
    low, high = points.min(0), points.max(0)
    return corner + (points - low) * (height / (high - low)[1])


def wanted_area(corners: np.ndarray, region: np.ndarray, count: int) -> np.ndarray:
    """Area each triangle should have in the main chart: the face together takes ``FACE_SHARE`` of it."""
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    weight = np.ones(count)
    weight[: len(region)][region == Region.EARS] = 0.5
    weight[: len(region)][np.isin(region, (Region.EYES, Region.LIPS))] = 1.5
    face = np.zeros(count, bool)
    face[: len(region)] = np.isin(region, FACE)
    weight[len(region) :] = 0.05  # the virtual fan over the mouth
    wanted = area * weight
    wanted[face] *= FACE_SHARE / wanted[face].sum()
    wanted[~face] *= (1 - FACE_SHARE) / wanted[~face].sum()
    return np.maximum(wanted, 1e-8)
