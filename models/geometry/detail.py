"""Sharpness and grain of a rendered face, after those of its photo.

Pores of a scan in a smooth, retouched or enlarged photo look like sandpaper, and a painted skin in a crisp one like
wax. The picture is split in bands of one octave (differences of Gaussians), and each fine band of the render is
scaled to the strength that it has on the photo's skin. What flat skin lacks in the finest band after that is the
camera's noise, and is added as such. The coarser bands hold the shape of the face and are left alone.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

SIGMAS = (0.6, 1.2, 2.4)  # pixels; band k lies between sigma k - 1 and k
WEAKEST, STRONGEST = 0.35, 1.4  # gain of a band: more than that sharpens noise of the texture
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
MARGIN = 4  # pixels of skin around a pixel that is measured
MIN_PIXELS = 400  # of such skin; a smaller face keeps its detail
BLOCK = 6  # pixels of a patch in which noise is measured
FLAT = 0.2  # share of the patches that hold noise and nothing else
MAX_GRAIN = 6.0  # grey levels


def match_detail(
    render: UInt8[np.ndarray, "R R 3"],
    drawn: Bool[np.ndarray, "R R"],
    photo: UInt8[np.ndarray, "R R 3"],
    skin: Bool[np.ndarray, "R R"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "R R 3"]:
    """The render with the fine bands and the grain of the photo; its tone stays.

    Args:
        render: sRGB.
        drawn: where it shows skin; nothing else is read or changed.
        photo: sRGB, of the same crop.
        skin: where both show skin, inside ``drawn``.
        rng: of the grain.
    """
    measured = cv2.erode(skin.astype(np.uint8), np.ones((2 * MARGIN + 1,) * 2, np.uint8)) > 0
    if measured.sum() < MIN_PIXELS:
        return render
    rows, columns = np.nonzero(drawn)
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    drawn, measured, skin = drawn[box], measured[box], skin[box]
    own = bands(render[box].astype(np.float32), drawn)
    theirs = bands(photo[box].astype(np.float32) @ LUMA, skin)
    result = render[box].astype(np.float32)
    for k, (band, wanted) in enumerate(zip(own, theirs, strict=True)):
        have, want = (float(np.abs(b[measured]).mean()) for b in (band @ LUMA, wanted))
        gain = float(np.clip(want / max(have, 1e-3), WEAKEST, STRONGEST))
        result += (gain - 1) * band
        if k == 0:
            missing = _noise(wanted, measured) ** 2 - (gain * _noise(band @ LUMA, measured)) ** 2
    if missing > 0:
        noise = bands(rng.standard_normal(drawn.shape, dtype=np.float32), np.ones_like(drawn))[0]
        result += (min(missing**0.5, MAX_GRAIN) / max(float(noise.std()), 1e-6) * noise)[..., None]
    out = render.copy()
    out[box][drawn] = np.clip(np.rint(result[drawn]), 0, 255).astype(np.uint8)
    return out


def bands(
    image: Float[np.ndarray, "h w *c"], mask: Bool[np.ndarray, "h w"]
) -> list[Float[np.ndarray, "h w *c"]]:
    """Differences of Gaussians of what a mask shows, finest first; what lies outside never bleeds in."""
    weight = mask.astype(np.float32)
    wide = weight if image.ndim == 2 else weight[..., None]
    found, finer = [], image * wide
    for sigma in SIGMAS:
        share = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-6)
        coarser = cv2.GaussianBlur(image * wide, (0, 0), sigma) / (
            share if image.ndim == 2 else share[..., None]
        )
        found.append(((finer - coarser) * wide).astype(np.float32))
        finer = coarser
    return found


def _noise(band: Float[np.ndarray, "h w"], measured: Bool[np.ndarray, "h w"]) -> float:
    """Standard deviation of a band in the flattest patches that lie in the measured skin."""
    h, w = (side // BLOCK * BLOCK for side in band.shape)
    patches, inside = (
        a[:h, :w].reshape(h // BLOCK, BLOCK, w // BLOCK, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK * BLOCK)
        for a in (band, measured)
    )
    whole = patches[inside.all(axis=1)]
    return float(np.quantile(whole.std(axis=1), FLAT)) if len(whole) else 0.0
