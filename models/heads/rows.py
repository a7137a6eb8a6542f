"""The few surface points of a head that a landmark fit looks at, cut out of its full bases.

A morphable head has tens of thousands of vertices and a landmark fit needs about four hundred of them: the
landmarks and, for the jaw, every vertex that may become part of the outline as the head turns (facts §8.1). Linear and
bilinear heads differ in how a point depends on the coefficients, and only here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from models.heads.bilinear import BilinearHead
from models.heads.linear import LinearHead

LANDMARKS = 68
JAW = 17  # iBUG-68 points 0..16 are the jaw outline, 17..67 lie on the face

Array = np.ndarray


class Rows(Protocol):
    """Points of a head as a function of its coefficients. n points, K identity modes, E expressions."""

    identity_mean: Float[Array, " K"]
    identity_std: Float[Array, " K"]
    expressions: int

    def points(self, identity: Float[Array, " K"], expression: Float[Array, " E"]) -> Float[Array, "n 3"]:
        """Positions in head-frame millimetres."""
        ...

    def identity_jacobian(self, expression: Float[Array, " E"]) -> Float[Array, "n 3 K"]:
        """Change of the points with each identity coefficient."""
        ...

    def expression_jacobian(self, identity: Float[Array, " K"]) -> Float[Array, "n 3 E"]:
        """Change of the points with each expression coefficient."""
        ...

    def at(self, picks: Int[Array, " m"]) -> Rows:
        """Some of the points alone."""
        ...


@dataclass(frozen=True)
class LinearRows:
    """``mean + B identity + D expression``: the two Jacobians are constant."""

    mean: Float[Array, "n 3"]
    identity_basis: Float[Array, "n 3 K"]
    expression_basis: Float[Array, "n 3 E"]

    @property
    def identity_mean(self) -> Float[Array, " K"]:
        """Zero: linear modes are centred."""
        return np.zeros(self.identity_basis.shape[2])

    @property
    def identity_std(self) -> Float[Array, " K"]:
        """One: linear modes are scaled to unit variance."""
        return np.ones(self.identity_basis.shape[2])

    @property
    def expressions(self) -> int:
        """Number of expression coefficients."""
        return self.expression_basis.shape[2]

    def points(self, identity: Float[Array, " K"], expression: Float[Array, " E"]) -> Float[Array, "n 3"]:
        """See :class:`Rows`."""
        return self.mean + self.identity_basis @ identity + self.expression_basis @ expression

    def identity_jacobian(self, expression: Float[Array, " E"]) -> Float[Array, "n 3 K"]:
        """See :class:`Rows`."""
        return self.identity_basis

    def expression_jacobian(self, identity: Float[Array, " K"]) -> Float[Array, "n 3 E"]:
        """See :class:`Rows`."""
        return self.expression_basis

    def at(self, picks: Int[Array, " m"]) -> LinearRows:
        """See :class:`Rows`."""
        return LinearRows(self.mean[picks], self.identity_basis[picks], self.expression_basis[picks])


@dataclass(frozen=True)
class BilinearRows:
    """``(C_0 + sum_k e_k (C_k - C_0)) i``: each Jacobian depends on the other coefficients (facts §2.3)."""

    core: Float[Array, "E1 n 3 K"]  # slot 0 neutral, slots 1.. residuals to it; float32: 13 MB
    identity_mean: Float[Array, " K"]
    identity_std: Float[Array, " K"]

    @property
    def expressions(self) -> int:
        """Number of expression coefficients (the neutral slot is not one)."""
        return len(self.core) - 1

    def points(self, identity: Float[Array, " K"], expression: Float[Array, " E"]) -> Float[Array, "n 3"]:
        """See :class:`Rows`; slots that are not used are not read."""
        small, (count, _, modes) = identity.astype(np.float32), self.core.shape[1:]
        points = np.zeros(3 * count)
        for slot in (0, *(np.flatnonzero(expression) + 1).tolist()):
            weight = expression[slot - 1] if slot else 1.0
            points += weight * (self.core[slot].reshape(-1, modes) @ small)
        return points.reshape(count, 3)

    def identity_jacobian(self, expression: Float[Array, " E"]) -> Float[Array, "n 3 K"]:
        """See :class:`Rows`."""
        used = np.concatenate([[0], np.flatnonzero(expression) + 1])
        slots = np.concatenate([[1.0], expression])[used].astype(np.float32)
        flat = slots @ self.core[used].reshape(len(used), -1)
        return np.asarray(flat.reshape(self.core.shape[1:]), np.float64)

    def expression_jacobian(self, identity: Float[Array, " K"]) -> Float[Array, "n 3 E"]:
        """See :class:`Rows`."""
        flat = self.core[1:].reshape(-1, self.core.shape[3]) @ identity.astype(np.float32)
        moves = flat.reshape(self.expressions, *self.core.shape[1:3])
        return np.ascontiguousarray(moves.transpose(1, 2, 0), np.float64)

    def at(self, picks: Int[Array, " m"]) -> BilinearRows:
        """See :class:`Rows`."""
        chosen = np.ascontiguousarray(self.core[:, picks])
        return BilinearRows(chosen, self.identity_mean, self.identity_std)


@dataclass(frozen=True)
class LandmarkRows:
    """Rows of the 68 landmarks followed by every jaw candidate, with the line that each candidate belongs to."""

    rows: Rows
    lines: Int[Array, "17 L"]  # index into the rows, -1 where a line is shorter


@lru_cache(maxsize=8)
def landmark_rows(head: LinearHead | BilinearHead) -> LandmarkRows:
    """Cut the landmark rows out of a head's bases, once a process."""
    jaw, slot = np.unique(head.contour[head.contour >= 0], return_inverse=True)
    lines = np.full(head.contour.shape, -1, np.int64)
    lines[head.contour >= 0] = LANDMARKS + slot
    bary = head.landmark_bary.astype(np.float64)

    def cut(basis: Float[Array, "V *d"]) -> Float[Array, "n *d"]:
        fixed = np.einsum("nc...,nc->n...", np.asarray(basis[head.landmark_vertices], np.float64), bary)
        return np.concatenate([fixed, np.asarray(basis[jaw], np.float64)])

    if isinstance(head, BilinearHead):
        rows: Rows = BilinearRows(
            np.stack([cut(slot) for slot in head.core]).astype(np.float32),
            head.identity_mean.astype(np.float64),
            head.identity_std.astype(np.float64),
        )
    else:
        rows = LinearRows(
            cut(head.mean),
            cut(head.id_basis.transpose(1, 2, 0)),
            cut(head.exp_basis.transpose(1, 2, 0)),
        )
    return LandmarkRows(rows, lines)
