"""A finer mesh of the face, cut out of a head's triangles without opening it: what displacement needs.

Edges of the face longer than a spacing are halved, round by round. A triangle with one, two or three halved edges is
split into two, three or four (red-green), so neighbours always share whole edges and the surface stays closed. Eyes,
inner mouth and everything away from the face keep their triangles. The first vertices are the head's own, so
landmarks, contour and what hangs on vertices keep their indices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from models.heads.bilinear import BilinearHead
from models.heads.linear import LinearHead
from models.heads.outline import Outline, face_outline
from models.heads.regions import FACE, HOLES, Region

INSIDE = 0.5  # of ``Outline.outside``: triangles with a corner inside the smooth outline are refined
ROUNDS = (
    4  # of halving at most: beside an edge that must stay long, no number of rounds makes all edges short
)


@dataclass(frozen=True, eq=False)
class RefinedHead:
    """A finer topology of a head, and where its vertices lie on the coarse triangles."""

    base: LinearHead
    head: LinearHead  # the fine mesh; its bases are empty, since ``models.heads.patches`` places its vertices
    triangle: Int[np.ndarray, " W"]  # coarse triangle of each fine vertex
    bary: Float[np.ndarray, "W 3"]  # and its place on it
    uv: Float[np.ndarray, "W 2"]  # texture coordinates of each fine vertex, in one of its charts
    outside: Float[np.ndarray, " W"]  # ``Outline.outside`` of the coarse head, interpolated


def refine_face(head: LinearHead, spacing: float) -> RefinedHead:
    """Halve edges of the face until none is longer than ``spacing`` millimetres on the mean head.

    Raises:
        ValueError: the spacing is not positive.
    """
    if not spacing > 0:
        msg = f"refine_face needs a spacing in millimetres above 0, got {spacing}; pass about 1."
        raise ValueError(msg)
    outline = face_outline(head.faces, head.vertex_region)
    near = (outline.outside[head.faces] < INSIDE).any(axis=1)
    wanted = near & ~np.isin(head.face_region, HOLES)
    split = _Split(
        faces=head.faces.astype(np.int64),
        face_uvs=head.face_uvs.astype(np.int64),
        parent=np.arange(len(head.faces)),
        corner_bary=np.tile(np.eye(3), (len(head.faces), 1, 1)),
        points=head.mean.astype(np.float64),
        uvs=head.uvs.astype(np.float64),
    )
    for _ in range(ROUNDS):
        if not split.halve(wanted[split.parent], spacing):
            break
    triangle, bary, uv = split.places()
    outside = (outline.outside[head.faces[triangle]] * bary).sum(axis=1).astype(np.float32)
    fine = replace(
        head.mean_identity if isinstance(head, BilinearHead) else head,
        mean=split.points.astype(np.float32),
        id_basis=np.zeros((0, len(split.points), 3), np.float32),
        exp_basis=np.zeros((0, len(split.points), 3), np.float32),
        exp_names=(),
        faces=split.faces.astype(np.int32),
        uvs=split.uvs.astype(np.float32),
        face_uvs=split.face_uvs.astype(np.int32),
        vertex_region=_vertex_regions(head, outline, triangle, bary, outside),
        face_region=head.face_region[split.parent],
        source_uvs=None,
        face_source_uvs=None,
        reference=None,
        provenance={**head.provenance, "refined_mm": spacing},
    )
    return RefinedHead(head, fine, triangle, bary.astype(np.float32), uv.astype(np.float32), outside)


def _vertex_regions(
    head: LinearHead,
    outline: Outline,
    triangle: Int[np.ndarray, " W"],
    bary: Float[np.ndarray, "W 3"],
    outside: Float[np.ndarray, " W"],
) -> UInt8[np.ndarray, " W"]:
    """Region of fine vertices: that of the nearest coarse corner, on the side of the smooth outline where it lies.

    So the outline of the fine head is the coarse head's smooth one and not its saw of coarse triangles.
    """
    corner = np.take_along_axis(head.faces[triangle], bary.argmax(axis=1)[:, None], axis=1)[:, 0]
    region = head.vertex_region[corner]
    added = np.arange(len(region)) >= len(head.mean)
    # Holes are not refined, so what is added beside one lies on the skin around it.
    region = np.where(added & np.isin(region, HOLES), head.face_region[triangle], region)
    is_face = np.isin(region, FACE)
    named = np.where(np.isin(outline.outer[corner], FACE), np.uint8(Region.SCALP), outline.outer[corner])
    region = np.where(added & is_face & (outside > INSIDE), named, region)
    return np.where(added & ~is_face & (outside <= INSIDE), outline.inner[corner], region).astype(np.uint8)


@dataclass(eq=False)
class _Split:
    """A mesh that is being refined. ``corner_bary`` (F, 3, 3) places each corner on the coarse triangle ``parent``."""

    faces: np.ndarray
    face_uvs: np.ndarray
    parent: np.ndarray
    corner_bary: np.ndarray
    points: np.ndarray
    uvs: np.ndarray

    def halve(self, wanted: Bool[np.ndarray, " F"], spacing: float) -> bool:
        """One round: halve the long edges both of whose triangles are wanted; says whether there was one."""
        ends, edge = _edges(self.faces)
        inner = np.bincount(edge.ravel(), np.repeat(wanted, 3), len(ends)) == 2
        length = np.linalg.norm(self.points[ends[:, 0]] - self.points[ends[:, 1]], axis=1)
        cut = inner & (length > spacing)
        if not cut.any():
            return False
        middle = np.full(len(ends), -1)
        middle[cut] = len(self.points) + np.arange(int(cut.sum()))
        uv_ends, uv_edge = _edges(self.face_uvs)
        uv_cut = np.zeros(len(uv_ends), bool)
        uv_cut[uv_edge[cut[edge]]] = True
        uv_middle = np.full(len(uv_ends), -1)
        uv_middle[uv_cut] = len(self.uvs) + np.arange(int(uv_cut.sum()))
        self.points = np.concatenate([self.points, self.points[ends[cut]].mean(axis=1)])
        self.uvs = np.concatenate([self.uvs, self.uvs[uv_ends[uv_cut]].mean(axis=1)])
        self._rewrite(middle[edge], uv_middle[uv_edge])
        return True

    def _rewrite(self, middle: Int[np.ndarray, "F 3"], uv_middle: Int[np.ndarray, "F 3"]) -> None:
        """Replace triangles by their pieces; ``middle`` is the new vertex of edges (0,1), (1,2), (2,0), or -1."""
        b = self.corner_bary
        six = np.concatenate([self.faces, middle], axis=1)
        uv_six = np.concatenate([self.face_uvs, uv_middle], axis=1)
        bary_six = np.concatenate([b, (b + np.roll(b, -1, axis=1)) / 2], axis=1)
        count = (middle >= 0).sum(axis=1)
        # Turn each triangle so that one pattern per count serves: the one cut edge is edge 0, the one whole edge 2.
        odd = np.where(count == 1, (middle >= 0).argmax(axis=1), ((middle < 0).argmax(axis=1) + 1) % 3)
        turn = np.where((count == 1) | (count == 2), odd, 0)
        slots = (np.arange(3)[None] + turn[:, None]) % 3
        slots = np.concatenate([slots, slots + 3], axis=1)
        six, uv_six = np.take_along_axis(six, slots, 1), np.take_along_axis(uv_six, slots, 1)
        bary_six = np.take_along_axis(bary_six, slots[..., None], 1)
        kept: list[list[np.ndarray]] = []
        for pieces, cuts in PATTERNS:
            rows = np.flatnonzero(count == cuts)
            kept.extend(
                [rows, six[rows][:, piece], uv_six[rows][:, piece], bary_six[rows][:, piece]]
                for piece in pieces
            )
        rows, self.faces, self.face_uvs, self.corner_bary = (
            np.concatenate([part[k] for part in kept]) for k in range(4)
        )
        order = np.argsort(rows, kind="stable")  # pieces stay where their triangle was: nearby in memory
        self.parent = self.parent[rows[order]]
        self.faces, self.face_uvs = self.faces[order], self.face_uvs[order]
        self.corner_bary = self.corner_bary[order]

    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coarse triangle, weights on it and texture coordinates of each vertex: those of its first corner."""
        _, first = np.unique(self.faces.ravel(), return_index=True)
        face, corner = first // 3, first % 3
        return self.parent[face], self.corner_bary[face, corner], self.uvs[self.face_uvs[face, corner]]


# Corners 0..2 and edge middles 3..5 of a triangle's pieces, by the number of its cut edges.
PATTERNS = (
    ([[0, 1, 2]], 0),
    ([[0, 3, 2], [3, 1, 2]], 1),
    ([[0, 3, 4], [3, 1, 4], [0, 4, 2]], 2),
    ([[0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]], 3),
)


def _edges(faces: Int[np.ndarray, "F 3"]) -> tuple[Int[np.ndarray, "E 2"], Int[np.ndarray, "F 3"]]:
    """Undirected edges, and the edge from each corner to the next."""
    pairs = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    code, edge = np.unique(pairs[:, 0] * (pairs.max() + 1) + pairs[:, 1], return_inverse=True)
    ends = np.stack([code // (pairs.max() + 1), code % (pairs.max() + 1)], axis=1)
    return ends, edge.reshape(faces.shape)
