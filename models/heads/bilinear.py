"""Bilinear heads (FaceScape v1.6 shape): identity and expression multiply (facts §2.3)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from jaxtyping import Float

from models.heads.linear import LinearHead


@dataclass(frozen=True, eq=False, kw_only=True)
class BilinearHead(LinearHead):
    """``V(i, e) = (C_0 + sum_k e_k R_k) i`` with ``R_k = C_k - C_0`` stored in slots 1.. of the core.

    As a :class:`LinearHead` it describes its mean identity: ``mean``, and what each expression does to it. The core is
    large (0.8 GB for 26,278 vertices), so it may be a read-only memory map, which processes share; nothing here copies
    it whole. Slots come first: an expression that is not used is not read.
    """

    core: Float[np.ndarray, "E1 V 3 K"]  # mm; slot 0 neutral, slots 1.. residuals
    identity_mean: Float[np.ndarray, " K"]  # not zero: an identity vector of zeros is no face
    identity_std: Float[np.ndarray, " K"]

    def vertices(
        self, identity: Float[np.ndarray, "*n K"], expression: Float[np.ndarray, "*n E"]
    ) -> Float[np.ndarray, "*n V 3"]:
        """Vertices in head-frame millimetres of identities and expressions, float32."""
        identity, expression = np.asarray(identity, np.float32), np.asarray(expression, np.float32)
        modes, slots = self.core.shape[3], self.core.shape[0] - 1
        if identity.shape[-1] != modes or expression.shape[-1] != slots:
            msg = (
                f"head '{self.name}' takes {modes} identity and {slots} expression coefficients, got "
                f"{identity.shape[-1]} and {expression.shape[-1]}; give all of them."
            )
            raise ValueError(msg)
        if identity.ndim > 1 or expression.ndim > 1:
            lead = np.broadcast_shapes(identity.shape[:-1], expression.shape[:-1])
            both = np.broadcast_to(identity, (*lead, modes)), np.broadcast_to(expression, (*lead, slots))
            flat = zip(both[0].reshape(-1, modes), both[1].reshape(-1, slots), strict=True)
            return np.stack([self.vertices(i, e) for i, e in flat]).reshape(*lead, -1, 3)
        points = self.core[0] @ identity
        for slot in np.flatnonzero(expression):
            points += self.core[slot + 1] @ (expression[slot] * identity)
        return points

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the model; the core counts through what is derived from it and a sample of its vertices."""
        digest = hashlib.sha256(str((self.name, self.core.shape, self.exp_names)).encode())
        derived = (self.mean, self.id_basis, self.exp_basis, self.identity_mean, self.identity_std)
        labels = (
            self.landmark_vertices,
            self.landmark_bary,
            self.contour,
            self.vertex_region,
            self.face_region,
        )
        for array in (*derived, *labels, self.faces, self.core[:, ::499]):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    @property
    def mean_identity(self) -> LinearHead:
        """The linear head of the mean identity, without the core."""
        return LinearHead(**{f.name: getattr(self, f.name) for f in fields(LinearHead)})
