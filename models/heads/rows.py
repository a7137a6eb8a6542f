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


@dataclass(frozen=True)
class BilinearRows:
    """``(C_0 + sum_k e_k (C_k - C_0)) i``: each Jacobian depends on the other coefficients (facts §2.3)."""

    core: Float[Array, "n 3 E1 K"]  # slot 0 is the neutral face, slots 1.. are residuals to it
    identity_mean: Float[Array, " K"]
    identity_std: Float[Array, " K"]

    @property
    def expressions(self) -> int:
        """Number of expression coefficients (the neutral slot is not one)."""
        return self.core.shape[2] - 1

    def points(self, identity: Float[Array, " K"], expression: Float[Array, " E"]) -> Float[Array, "n 3"]:
        """See :class:`Rows`."""
        return self.identity_jacobian(expression) @ identity

    def identity_jacobian(self, expression: Float[Array, " E"]) -> Float[Array, "n 3 K"]:
        """See :class:`Rows`."""
        return np.einsum("ndek,e->ndk", self.core, np.concatenate([[1.0], expression]))

    def expression_jacobian(self, identity: Float[Array, " K"]) -> Float[Array, "n 3 E"]:
        """See :class:`Rows`."""
        return self.core[:, :, 1:] @ identity


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
            cut(head.core.transpose(1, 2, 0, 3)),
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
