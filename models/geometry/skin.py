"""What colour bare skin has in a photo, pixel by pixel, and how far the photo is from it.

Lightness and chroma of the skin are fitted over the head's normals (spherical harmonics of order 2), robustly: most of
what is fitted must be skin, the rest may be beard, shadow, shine or an occluder. Chroma is divided by lightness first
(``a / (L + 16)`` does not change when a surface gets more or less of the same light), so a cast shadow keeps the
predicted chroma. What is off is told in three numbers that separate an object from what skin does by itself:

* ``lightness``: shadow and beard are darker, shine is brighter;
* ``along``: chroma along the skin's own, negative towards grey, as shine and pallor are;
* ``across``: chroma across it, a change of hue, which neither shadow nor shine nor beard makes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from models.geometry.light import basis

REFITS = 8
KEEP = 0.65  # share of the pixels that each refit trusts
MOST = 3000  # pixels that are fitted
CALM = (0.0, 0.02, 0.02, 0.02, 0.3, 0.3, 0.3, 0.3, 0.3)  # pull of each harmonic to zero, per pixel
WIDTH = (12.0, 4.0, 4.0)  # usual spread of lightness and chroma around the fit, Lab units
BLUR = 0.8  # pixels: pores and JPEG blocks are no objects
LEAST_CHROMA = 4.0  # below, skin has no hue of its own


@dataclass(frozen=True)
class Departure:
    """How far each pixel is from bare skin in its place, float32 (h, w) each, in Lab units."""

    lightness: Float[np.ndarray, "h w"]
    along: Float[np.ndarray, "h w"]
    across: Float[np.ndarray, "h w"]
    chroma: Float[np.ndarray, "h w"]  # that skin has there
    edges: Float[np.ndarray, "h w"]  # gradient of the photo: the steepest of L, a, b, per pixel


def depart_from_skin(
    photo: UInt8[np.ndarray, "h w 3"], normals: Float[np.ndarray, "h w 3"], skin: Bool[np.ndarray, "h w"]
) -> Departure:
    """The departure of every pixel; meaningless where there are no normals.

    Args:
        photo: sRGB.
        normals: unit normals of the fitted head in the cube frame, zero where there is none.
        skin: where mostly bare skin is seen, at least nine pixels.

    Raises:
        ValueError: fewer skin pixels than unknowns.
    """
    rows, cols = np.nonzero(skin)
    if len(rows) < len(CALM):
        msg = f"a skin model needs at least {len(CALM)} pixels of skin, got {len(rows)}; reject this face as occluded."
        raise ValueError(msg)
    lab = cv2.cvtColor(cv2.GaussianBlur(photo, (0, 0), BLUR).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    level = (lab[..., :1] + 16) / 76  # 1 at middle lightness
    colour = np.concatenate([lab[..., :1], lab[..., 1:] / np.maximum(level, 0.2)], axis=-1)
    harmonics = basis(normals)
    step = -(-len(rows) // MOST)
    rows, cols = rows[::step], cols[::step]
    design, seen = harmonics[rows, cols].astype(np.float64), colour[rows, cols].astype(np.float64)
    # Chroma is noise in dark pixels.
    trust = np.clip(level[rows, cols], 0.3, 1.3) * (0, 1, 1) + (1, 0, 0)
    kept = np.ones(len(rows), bool)
    weights = np.zeros((len(CALM), 3))
    for _ in range(REFITS):
        some = design[kept]
        normal = some.T @ some + len(some) * np.diag(CALM) + 1e-9 * np.eye(len(CALM))
        weights = np.linalg.solve(normal, some.T @ seen[kept])
        far = (((seen - design @ weights) * trust / WIDTH) ** 2).sum(axis=1)
        kept = far <= np.quantile(far, KEEP)
    model = harmonics @ weights.astype(np.float32)
    scale = np.clip(level, 0.3, 1.3)
    own = model[..., 1:] * scale
    off = (colour[..., 1:] - model[..., 1:]) * scale
    chroma = np.linalg.norm(own, axis=-1)
    axis = own / np.maximum(chroma, LEAST_CHROMA)[..., None]
    steep = [
        np.hypot(*(cv2.Sobel(lab[..., c], cv2.CV_32F, *d, scale=0.125) for d in ((1, 0), (0, 1))))
        for c in range(3)
    ]
    return Departure(
        lightness=lab[..., 0] - model[..., 0],
        along=(off * axis).sum(axis=-1),
        across=off[..., 0] * axis[..., 1] - off[..., 1] * axis[..., 0],
        chroma=chroma,
        edges=np.max(steep, axis=0),
    )
