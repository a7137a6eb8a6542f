"""Closes a published head: a patch over each eye opening, a bag behind the lips, a cap over the neck or the back.

Every new vertex is a linear function of the old ones (bulges too, in proportion to how far an eye or a mouth is
open), so that modes and bilinear cores are carried along as they are and lids that close take their patch with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from assets.heads.atlas import boundary_loops
from assets.heads.trim import Trimmed, trim
from assets.registry import AssetError

EYE_RINGS, BAG_RINGS, CAP_RINGS = 5, 8, 4
EYE_BULGE = 0.12  # height of an eye's patch over the plane of its lids, in widths of the opening: 3 mm
BAG_DEPTH = 0.8  # depth of a mouth bag in widths of the opening
NEAR_EYE, NEAR_MOUTH = (
    0.25,
    0.35,
)  # distances, in outer eye distances, within which an opening is one of these


class Part(IntEnum):
    """What a triangle of a closed head belongs to."""

    SURFACE, MOUTH_BAG, EYE, CAP = range(4)


@dataclass(frozen=True, eq=False)
class Patch:
    """Rings from a rim (n,) to its middle; ``push`` moves ring and middle along z in proportion to an extent.

    The extent is how far the rim's vertices ``high`` are from ``low`` along ``axis``: the opening of an eye, the width
    of a mouth.
    """

    rim: Int[np.ndarray, " n"]
    steps: Float[np.ndarray, " r"]  # share of the way to the middle, of each ring; the middle itself is 1
    push: Float[np.ndarray, " r+1"]
    axis: int
    high: Int[np.ndarray, " h"]
    low: Int[np.ndarray, " l"]

    def carry(self, points: Float[np.ndarray, "v 3 *d"]) -> Float[np.ndarray, "p 3 *d"]:
        """New vertices, rings first, of old ones or of displacements."""
        rim = points[self.rim]
        middle = rim.mean(0, keepdims=True)
        steps = self.steps.reshape(-1, 1, 1, *([1] * (points.ndim - 2)))
        rings = rim[None] + (middle - rim)[None] * steps
        extent = points[self.high, self.axis].mean(0) - points[self.low, self.axis].mean(0)
        for ring, push in zip(rings, self.push[:-1], strict=True):
            ring[:, 2] += push * extent
        middle[:, 2] += self.push[-1] * extent
        return np.concatenate([rings.reshape(-1, *points.shape[1:]), middle])


@dataclass(frozen=True, eq=False)
class Closed:
    """A closed head: what was kept of the published one first, then the vertices of each patch."""

    kept: Trimmed
    patches: tuple[Patch, ...]  # rims are numbered among the kept
    faces: Int[np.ndarray, "f 3"]
    part: Int[np.ndarray, " f"]
    neck: Int[np.ndarray, " n"]  # rim of the cap, in order; the longest of several
    source: Int[np.ndarray, " f"]  # published triangle of each triangle, -1 on patches

    def carry(self, points: Float[np.ndarray, "v 3 *d"]) -> Float[np.ndarray, "w 3 *d"]:
        """Vertices of the closed head for vertices of the published one; linear, so for displacements too."""
        return self.cover(self.kept.carry(points))

    def cover(self, kept: Float[np.ndarray, "k 3 *d"]) -> Float[np.ndarray, "w 3 *d"]:
        """The kept vertices with those of the patches."""
        return np.concatenate([kept, *(patch.carry(kept) for patch in self.patches)])

    @property
    def published(self) -> Int[np.ndarray, " w"]:
        """Vertex of the published head that each vertex is, -1 for what was cut or added."""
        own = np.where(self.kept.share == 0, self.kept.ends[:, 0], -1)
        added = sum(len(p.rim) * len(p.steps) + 1 for p in self.patches)
        return np.concatenate([own, np.full(added, -1)]).astype(np.int64)

    def number(self, vertices: Int[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
        """Numbers here of published vertices; -1 stays -1, as does a vertex that was left out."""
        own = np.flatnonzero(self.kept.share == 0)
        there = self.kept.ends[own, 0]
        to = np.full(int(max(there.max(), np.max(vertices, initial=0))) + 2, -1, np.int64)
        to[there] = own
        return to[vertices]


def close_head(
    mean: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    marks: Float[np.ndarray, "68 3"],
    mouth_bag: Int[np.ndarray, " b"] | None = None,
    inside: Float[np.ndarray, " v"] | None = None,
    name: str = "",
) -> Closed:
    """Close the piece of a mesh that carries the face.

    Args:
        mean: vertices, y up, z to the viewer, any unit.
        faces: triangles, CCW seen from outside; loose pieces (eyeballs, lashes) are left out.
        marks: iBUG-68 on the mean: tell which opening is an eye or the mouth.
        mouth_bag: vertices of the mouth's inside where the model has one.
        inside: positive on what is part of the head; shoulders are not. None for all.
        name: of the head, for messages.

    Raises:
        AssetError: an edge is shared by three triangles, or triangles are oriented against each other.
    """
    kept = trim(faces, np.ones(len(mean)) if inside is None else inside)
    kept = kept.only(_piece_with(kept.faces, kept.carry(mean), marks))
    _check_edges(kept.faces, name)
    points = kept.carry(mean)
    bag = np.isin(kept.ends[:, 0], [] if mouth_bag is None else mouth_bag)
    part = np.where(bag[kept.faces].all(1), Part.MOUTH_BAG, Part.SURFACE).astype(np.int64)
    size = float(np.linalg.norm(marks[45] - marks[36]))
    patches, new_faces, new_parts = [], [kept.faces], [part]
    count, neck, cap, widest = len(points), np.zeros(0, np.int64), -1, 0.0
    for loop in boundary_loops(kept.faces):
        rim = np.array(loop[::-1])  # a patch runs against the surface
        kind = _kind(points[rim], marks, size)
        patch = _patch(rim, points, kind)
        n, rings = len(rim), len(patch.steps)
        grid = np.concatenate([rim[None], count + np.arange(rings * n).reshape(rings, n)])
        a, b = grid[:-1], np.roll(grid[:-1], -1, 1)
        c, d = np.roll(grid[1:], -1, 1), grid[1:]
        bands = np.stack([a, b, c, a, c, d], -1).reshape(-1, 3)
        last, middle = grid[-1], count + rings * n
        fan = np.stack([last, np.roll(last, -1), np.full(n, middle)], 1)
        patches.append(patch)
        new_faces.append(np.concatenate([bands, fan]))
        new_parts.append(np.full(len(bands) + n, kind))
        count = middle + 1
        reach = float(np.ptp(points[rim], axis=0).max())
        if kind == Part.CAP and reach > widest:
            neck, cap, widest = rim, len(new_parts) - 1, reach
    # The cap is the widest one; smaller openings (nostrils, a bag's end) are what lies around them.
    for k, patch in enumerate(patches, 1):
        if k != cap and (new_parts[k] == Part.CAP).all():
            new_parts[k][:] = Part.MOUTH_BAG if bag[patch.rim].all() else Part.SURFACE
    every = np.concatenate(new_faces)
    source = np.full(len(every), -1, np.int64)
    source[: len(kept.source)] = kept.source
    return Closed(kept, tuple(patches), every, np.concatenate(new_parts), neck, source)


def _pinched(faces: np.ndarray) -> np.ndarray:
    """Vertices that lie on two open borders at once."""
    ends = np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)]).astype(np.int64)
    count = int(faces.max()) + 1
    starts = ends[~np.isin(ends @ [count, 1], ends @ [1, count]), 0]
    vertex, uses = np.unique(starts, return_counts=True)
    return vertex[uses > 1]


def _piece_with(faces: np.ndarray, mean: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Numbers of the triangles of the connected piece that is nearest to the nose tip."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (len(mean),) * 2)
    piece = sparse.csgraph.connected_components(graph, False)[1]
    used = np.unique(faces)
    nearest = used[np.linalg.norm(mean[used] - marks[30], axis=1).argmin()]
    return np.flatnonzero(piece[faces[:, 0]] == piece[nearest])


def _check_edges(faces: np.ndarray, name: str) -> None:
    ends = np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)])
    code = ends[:, 0].astype(np.int64) * (int(faces.max()) + 1) + ends[:, 1]
    twice = len(code) - len(np.unique(code))
    if twice:
        msg = (
            f"head '{name}': {twice} edges are used twice in one direction, so its surface has no inside; weld or drop "
            f"the doubled triangles and orient all alike."
        )
        raise AssetError(msg)
    if pinched := len(_pinched(faces)):
        msg = f"head '{name}': {pinched} vertices lie on two open borders at once; split them, or drop their triangles."
        raise AssetError(msg)


def _kind(rim: np.ndarray, marks: np.ndarray, size: float) -> Part:
    """What an opening is, from where its middle lies; the border of a face has its middle near the mouth too."""
    middle = rim.mean(0)
    if np.ptp(rim, axis=0).max() > size:
        return Part.CAP
    for eye in (marks[36:42].mean(0), marks[42:48].mean(0)):
        if np.linalg.norm(middle - eye) < NEAR_EYE * size:
            return Part.EYE
    if np.linalg.norm(middle - marks[60:68].mean(0)) < NEAR_MOUTH * size:
        return Part.MOUTH_BAG
    return Part.CAP


def _patch(rim: np.ndarray, points: np.ndarray, kind: Part) -> Patch:
    x, y = points[rim, 0], points[rim, 1]
    if kind == Part.EYE:
        steps = np.arange(1, EYE_RINGS + 1) / (EYE_RINGS + 1)
        width, gap = float(np.ptp(x)), y - np.interp(x, np.sort(x)[[0, -1]], y[np.argsort(x)[[0, -1]]])
        high, low = rim[gap > 0], rim[gap <= 0]
        opening = max(float(points[high, 1].mean() - points[low, 1].mean()), 0.05 * width)
        dome = 1 - (1 - np.append(steps, 1)) ** 2
        return Patch(rim, steps, EYE_BULGE * width / opening * dome, 1, high, low)
    if kind == Part.MOUTH_BAG:
        steps = np.arange(1, BAG_RINGS + 1) / (BAG_RINGS + 1) * 0.6
        order = np.argsort(x)
        deep = -BAG_DEPTH * np.append(np.arange(1, BAG_RINGS + 1) / BAG_RINGS, 1.05)
        return Patch(rim, steps, deep, 0, rim[order[-3:]], rim[order[:3]])
    steps = np.arange(1, CAP_RINGS + 1) / (CAP_RINGS + 1)
    return Patch(rim, steps, np.zeros(CAP_RINGS + 1), 1, rim, rim)
