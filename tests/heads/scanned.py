"""The synthetic head as a scan: bent out of its linear space, cut open, turned, in another topology."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.geometry.similarity import Similarity
from models.heads.linear import LinearHead
from models.heads.synthetic import synthetic_head
from models.heads.target import Target


@dataclass(frozen=True, eq=False)
class Scanned:
    """A scan and what it was made from."""

    head: LinearHead
    true: np.ndarray  # vertices in the head's frame
    target: Target  # in the scan's frame
    landmarks: np.ndarray
    move: Similarity  # from the head's frame to the scan's


def scanned(bump: float = 3.0, scale: float = 1.0) -> Scanned:
    """A synthetic person with a bump of ``bump`` mm on a cheek, seen as an open surface of split triangles."""
    head = synthetic_head()
    identity = np.array([1.0, -0.8, 0.5, 0.6, -0.4, 0.9, -1.0, 0.3])
    true = head.vertices(identity, np.zeros(4)).astype(np.float64)
    cheek = np.array([35.0, -5.0, 85.0])
    true += bump * np.exp(-((true - cheek) ** 2).sum(1) / (2 * 15**2))[:, None] * [0, 0, 1]
    a = np.radians(20)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    move = Similarity(scale, turn, np.array([10.0, -20.0, 5.0]))
    vertices, faces = split(true, head.faces)
    front = faces[(vertices[faces, 2] > 0).all(1)]
    used, faces = np.unique(front, return_inverse=True)
    target = Target.of(move(vertices[used]), faces.reshape(-1, 3).astype(np.int32))
    return Scanned(head, true, target, move(head.landmarks(true)), move)


def split(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each triangle into four by the middles of its edges."""
    pairs = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, at = np.unique(pairs, axis=0, return_inverse=True)
    middle = (len(vertices) + at.reshape(-1, 3)).astype(np.int32)
    a, b, c = faces.T
    p, q, r = middle.T
    new = np.concatenate([np.stack(t, 1) for t in ((a, p, r), (p, b, q), (r, q, c), (p, q, r))])
    return np.concatenate([vertices, vertices[edges].mean(1)]), new
