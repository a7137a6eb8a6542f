"""Cuts away what is no head (shoulders) along a smooth line: triangles on the line are split, not dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

CLOSEST = 0.05  # share of an edge that a cut keeps from its ends: no slivers


@dataclass(frozen=True, eq=False)
class Trimmed:
    """A part of a mesh; each vertex is a published one, or lies between two of them."""

    ends: Int[np.ndarray, "k 2"]
    share: Float[np.ndarray, " k"]  # of the second end; 0 for a published vertex
    faces: Int[np.ndarray, "f 3"]
    source: Int[np.ndarray, " f"]  # published triangle, -1 where it was split

    def carry(self, points: Float[np.ndarray, "v 3 *d"]) -> Float[np.ndarray, "k 3 *d"]:
        """Vertices of the part for those of the whole; linear, so for displacements too."""
        out = np.array(points[self.ends[:, 0]])
        cut = np.flatnonzero(self.share > 0)
        share = self.share[cut].reshape(-1, *([1] * (points.ndim - 1)))
        out[cut] += share * (points[self.ends[cut, 1]] - out[cut])
        return out

    def only(self, chosen: Int[np.ndarray, " c"]) -> Trimmed:
        """Some of the triangles, and the vertices that they have."""
        used, packed = np.unique(self.faces[chosen], return_inverse=True)
        return Trimmed(self.ends[used], self.share[used], packed.reshape(-1, 3), self.source[chosen])


def trim(faces: Int[np.ndarray, "f 3"], inside: Float[np.ndarray, " v"]) -> Trimmed:
    """Keep the part of a mesh where a function on its vertices, linear along edges, is positive.

    Args:
        faces: triangles.
        inside: the function.
    """
    count = len(inside)
    ends = [np.repeat(np.arange(count)[:, None], 2, 1)]
    share = [np.zeros(count)]
    positive = inside > 0
    number: dict[tuple[int, int], int] = {}

    def between(a: int, b: int) -> int:
        """The vertex where the edge from a (inside) to b (outside) is cut."""
        key = (a, b)
        if key not in number:
            number[key] = count + len(number)
            ends.append(np.array([key]))
            at = inside[a] / (inside[a] - inside[b])
            share.append(np.array([np.clip(at, CLOSEST, 1 - CLOSEST)]))
        return number[key]

    kept = np.flatnonzero(positive[faces].all(1))
    pieces = []
    for face in faces[positive[faces].any(1) & ~positive[faces].all(1)].tolist():
        while not positive[face[0]] or (positive[face[2]] and not positive[face[1]]):
            face = [*face[1:], face[0]]  # inside corners first
        a, b, c = face
        if positive[b]:
            p, q = between(b, c), between(a, c)
            pieces += [[a, b, p], [a, p, q]]
        else:
            pieces.append([a, between(a, b), between(a, c)])
    split = np.array(pieces, np.int64).reshape(-1, 3)
    whole = Trimmed(
        np.concatenate(ends),
        np.concatenate(share),
        np.concatenate([faces[kept], split]),
        np.concatenate([kept, np.full(len(split), -1)]),
    )
    return whole.only(np.arange(len(whole.faces)))
