"""One step of Catmull–Clark subdivision as a sparse matrix, for meshes of triangles and quads.

Being a matrix, it subdivides a mean and its modes alike, and linear modes stay linear on the fine mesh. Rules as in
Catmull and Clark 1978, with the cubic B-spline rule on open boundaries (which atlas index lists have, surfaces not).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse


@dataclass(frozen=True, eq=False)
class CatmullClark:
    """Fine vertices are ``matrix @ coarse``: first the moved coarse vertices, then edge points, then face points.

    ``quads`` (Q,4) are the fine quads; coarse polygon ``p`` gives as many as it has corners, in corner order, and each
    starts at its coarse vertex, runs to the next edge point, the face point and the previous edge point.
    """

    matrix: sparse.csr_matrix
    quads: Int[np.ndarray, "q 4"]
    coarse: int
    edges: int

    @staticmethod
    def of(polygons: Int[np.ndarray, "p 4"], smooth: bool = True) -> CatmullClark:
        """Set up from polygons of 3 (last corner -1) or 4 corners. ``smooth=False`` splits linearly: for UVs."""
        corners = (polygons >= 0).sum(1)
        owner = np.repeat(np.arange(len(polygons)), corners)
        this = polygons[polygons >= 0]
        slot = np.arange(len(this)) - np.repeat(np.cumsum(corners) - corners, corners)
        start = np.cumsum(corners) - corners
        following = this[start[owner] + (slot + 1) % corners[owner]]
        count = int(this.max()) + 1
        pairs = np.sort(np.stack([this, following], 1), 1)
        edges, edge_of = np.unique(pairs, axis=0, return_inverse=True)
        edge_of = edge_of.reshape(-1)
        uses = np.bincount(edge_of, minlength=len(edges))
        ones = np.ones(len(this))
        face = sparse.csr_matrix((ones / corners[owner], (owner, this)), (len(polygons), count))
        mid = sparse.csr_matrix(
            (np.full(2 * len(edges), 0.5), (np.repeat(np.arange(len(edges)), 2), edges.ravel())),
            (len(edges), count),
        )
        still = sparse.identity(count, format="csr")
        if smooth:
            around = sparse.csr_matrix((ones, (edge_of, owner)), (len(edges), len(polygons)))
            inner = sparse.diags((uses == 2).astype(float))
            edge = mid - 0.5 * inner @ mid + 0.25 * inner @ around @ face
            vertex = _vertex_rule(this, owner, edges, uses, face, mid, still)
        else:
            edge, vertex = mid, still
        matrix = sparse.vstack([vertex, edge, face]).astype(np.float32).tocsr()
        before = edge_of[start[owner] + (slot - 1) % corners[owner]]
        quads = np.stack([this, count + edge_of, count + len(edges) + owner, count + before], 1)
        return CatmullClark(matrix, quads.astype(np.int32), count, len(edges))

    def refine(self, values: Float[np.ndarray, "*n v d"]) -> Float[np.ndarray, "*n w d"]:
        """Values on the fine vertices, float32."""
        values = np.asarray(values, np.float32)
        if values.ndim == 2:
            return np.asarray(self.matrix @ values, np.float32)
        return np.stack([self.refine(v) for v in values])

    def shorter_diagonal(self, points: Float[np.ndarray, "w 3"]) -> Bool[np.ndarray, " q"]:
        """Per fine quad: True where the diagonal from its first corner is the shorter one."""
        a, b, c, d = (points[self.quads[:, i]] for i in range(4))
        return np.linalg.norm(a - c, axis=1) <= np.linalg.norm(b - d, axis=1)

    def triangles(self, diagonal: Bool[np.ndarray, " q"]) -> Int[np.ndarray, "f 3"]:
        """Two triangles per quad, as positions in ``quads.ravel()``: one choice that serves every index list."""
        local = np.where(diagonal[:, None], [[0, 1, 2, 0, 2, 3]], [[0, 1, 3, 1, 2, 3]])
        return (local + 4 * np.arange(len(self.quads))[:, None]).reshape(-1, 3)


def _vertex_rule(this, owner, edges, uses, face, mid, still):  # type: ignore[no-untyped-def]
    """Rows for the moved coarse vertices: (F + 2 E + (n - 3) v) / n inside, (6 v + 2 neighbours) / 8 on a boundary."""
    count = still.shape[0]
    ends, index = edges.ravel(), np.repeat(np.arange(len(edges)), 2)
    touching_faces = sparse.csr_matrix((np.ones(len(this)), (this, owner)), (count, face.shape[0]))
    touching_edges = sparse.csr_matrix((np.ones(len(ends)), (ends, index)), (count, len(edges)))
    n_faces = np.maximum(np.bincount(this, minlength=count), 1)
    n_edges = np.maximum(np.bincount(ends, minlength=count), 1)
    inner = (
        sparse.diags(1.0 / n_faces**2) @ touching_faces @ face
        + sparse.diags(2.0 / (n_faces * n_edges)) @ touching_edges @ mid
        + sparse.diags((n_faces - 3.0) / n_faces) @ still
    )
    open_edges = touching_edges @ sparse.diags((uses == 1).astype(float))
    degree = np.asarray(open_edges.sum(1)).ravel()
    border = 0.5 * still + sparse.diags(0.5 / np.maximum(degree, 1)) @ open_edges @ mid
    on_border = sparse.diags((degree > 0).astype(float))
    return inner - on_border @ inner + on_border @ border
