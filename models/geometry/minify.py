"""Choosing the texture resolution that a picture can show, so that pores do not turn into sparkle.

A bilinear sample sees four texels. Where a face shows several texels per sample, whole texels are skipped and fine
detail aliases; halving the texture until a sample spans about one texel removes that (a mip level per face).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numba import njit

from models.geometry.rasterize import RasterResult
from models.geometry.shade import FACE_TABLE, Surface, plain

PROBES = 1000  # pixels that are looked at; the median over them decides
MAX_HALVINGS = 5


def texels_per_pixel(
    vertices: Float[np.ndarray, "V 3"], surface: Surface, seen: RasterResult, texels: int
) -> float:
    """Median side of a face pixel in texels of an atlas with ``texels`` pixels; 1 where no face is seen."""
    pix = seen.pix_to_face[seen.pix_to_face >= 0]
    pix = pix[FACE_TABLE[surface.face_region[pix]]]
    if not len(pix):
        return 1.0
    pix = pix[:: -(-len(pix) // PROBES)]
    in_image = _areas(vertices[surface.faces[pix]][..., :2]) * len(seen.pix_to_face) ** 2 / 4
    in_atlas = _areas(surface.uvs[surface.face_uvs[pix]]) * texels
    return float(np.sqrt(np.median(in_atlas / np.maximum(in_image, 1e-9))))


def _areas(corners: Float[np.ndarray, "n 3 2"]) -> Float[np.ndarray, " n"]:
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2


@njit(cache=True)
def _halve(texture, out):  # type: ignore[no-untyped-def]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for d in range(3):
                total = (
                    np.int32(texture[2 * i, 2 * j, d])
                    + np.int32(texture[2 * i, 2 * j + 1, d])
                    + np.int32(texture[2 * i + 1, 2 * j, d])
                    + np.int32(texture[2 * i + 1, 2 * j + 1, d])
                )
                out[i, j, d] = np.uint8((total + 2) >> 2)


def minified(texture: UInt8[np.ndarray, "n m 3"], texels_per_sample: float) -> UInt8[np.ndarray, "p q 3"]:
    """The texture, halved (2 x 2 means) until a sample spans about one texel. Read-only."""
    texture = plain(texture)
    wanted = int(np.clip(np.round(np.log2(max(texels_per_sample, 1e-6))), 0, MAX_HALVINGS))
    for _ in range(wanted):
        if min(texture.shape[:2]) < 2:
            break
        smaller = np.zeros((texture.shape[0] // 2, texture.shape[1] // 2, 3), dtype=np.uint8)
        _halve(texture, smaller)
        texture = plain(smaller)
    return texture
