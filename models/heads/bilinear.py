"""Bilinear heads (FaceScape v1.6 shape): identity and expression multiply (facts §2.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8


@dataclass(frozen=True, eq=False)
class BilinearHead:
    """``V(i, e) = (C_0 + sum_k e_k R_k) i`` with ``R_k = C_k - C_0`` stored in slots 1.. of the core.

    The core is large (0.8 GB for 26,278 vertices), so it may be a read-only memory map; nothing here copies it whole.
    """

    name: str
    core: Float[np.ndarray, "V 3 E1 K"]  # mm; slot 0 neutral, slots 1.. residuals
    identity_mean: Float[np.ndarray, " K"]  # not zero: an identity vector of zeros is no face
    identity_std: Float[np.ndarray, " K"]
    faces: Int[np.ndarray, "F 3"]
    uvs: Float[np.ndarray, "T 2"]
    face_uvs: Int[np.ndarray, "F 3"]
    vertex_region: UInt8[np.ndarray, " V"]
    face_region: UInt8[np.ndarray, " F"]
    landmark_vertices: Int[np.ndarray, "68 3"]
    landmark_bary: Float[np.ndarray, "68 3"]
    contour: Int[np.ndarray, "17 L"]  # candidates of each jaw landmark, padded with -1

    def vertices(
        self, identity: Float[np.ndarray, " K"], expression: Float[np.ndarray, " E"]
    ) -> Float[np.ndarray, "V 3"]:
        """Vertices in head-frame millimetres of one identity and expression."""
        slots = np.concatenate([[1.0], expression]).astype(np.float32)
        return np.einsum("vdek,e,k->vd", self.core, slots, identity.astype(np.float32), optimize=True)
