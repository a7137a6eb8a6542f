"""Hair seen from where the photograph did not see it: its colour continued, its strands laid out anew."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from models.geometry.camera import cube_to_pixel
from models.geometry.fill import push_pull

Array = np.ndarray

INNER = 6 / 256  # of the side: depth in the hair beyond which no background shines through
FADED, SHARP = 0.2, 0.6  # source pixels per pixel, below and above which detail is lost and whole
LOUD = 4.0  # times the median, above which a detail is an object and not a strand
SHADING = 4 / 256  # of the side: what is coarser than this in hair is shading, what is finer is strands


def core(mask: Bool[Array, "R R"]) -> Bool[Array, "R R"]:
    """A mask without its outermost pixels, whose colours are mixed with what is behind."""
    return cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0


def look_up(field: Array, points: Float[Array, "R R 3"], flags: int = cv2.INTER_LINEAR) -> Array:
    """A picture of the source at cube points (x, y)."""
    pixels = cube_to_pixel(points, len(field)).astype(np.float32) - np.float32(0.5)
    return cv2.remap(
        field, np.ascontiguousarray(pixels[..., 0]), np.ascontiguousarray(pixels[..., 1]), flags,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip


def hair_colours(photo: UInt8[Array, "R R 3"], hair: Bool[Array, "R R"]) -> Float[Array, "R R 3"]:
    """The hair as it is, and beside it the colour of its inner parts: what shines through its ends is no hair."""
    certain = core(hair)
    depth = cv2.distanceTransform(np.pad(hair, 1, mode="edge").astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    depth = depth[1:-1, 1:-1]
    filled = push_pull(photo, hair & (depth >= min(INNER * len(hair), 0.5 * float(depth.max()))))
    return np.where(certain[..., None], np.float32(photo), filled)


def _kept(points: Float[Array, "R R 3"]) -> Float[Array, "R R 1"]:
    """How much of the source's detail a pixel may show: 1 as seen, 0 where a source pixel is drawn out over several."""
    u, v = points[..., 0] * len(points) / 2, points[..., 1] * len(points) / 2
    (ux, uy), (vx, vy) = (
        [cv2.Scharr(f, cv2.CV_32F, *d, scale=1 / 32) for d in ((1, 0), (0, 1))] for f in (u, v)
    )
    area = cv2.blur(np.minimum(np.abs(ux * vy - uy * vx), 1), (5, 5))
    return np.clip((area - FADED) / (SHARP - FADED), 0, 1)[..., None]


def strands(photo: UInt8[Array, "R R 3"], hair: Bool[Array, "R R"]) -> Float[Array, "R R 3"]:
    """The hair's own detail over the whole picture: its largest patch without its shading, in seamless tiles.

    A tile is the patch and its copies shifted by half a side, each fading out where its own border is, with weights
    that keep the contrast (the sum of their squares is 1).
    """
    size = len(hair)
    inner = cv2.distanceTransform(np.pad(hair, 1).astype(np.uint8), cv2.DIST_C, cv2.DIST_MASK_3)[1:-1, 1:-1]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    r = min(int(inner[row, column]) - 1, size // 8)
    if r < size * 7 // 256:  # smaller tiles show as stripes
        return np.zeros(photo.shape, np.float32)
    patch = photo[row - r : row + r, column - r : column + r].astype(np.float32)
    detail = patch - cv2.GaussianBlur(patch, (0, 0), size * SHADING)
    usual = (
        LOUD * np.median(np.abs(detail)) + 1
    )  # a badge on a cap, once clipped, does not stand out in every tile
    detail = np.clip(detail, -usual, usual)
    weight = np.sin(np.pi * (np.arange(2 * r) + 0.5) / (2 * r))
    for axis in (0, 1):
        along = weight.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        detail = along * detail + np.roll(along * detail, r, axis)
    # Rows and columns of tiles wave, because the eye finds straight ones.
    at = np.arange(size)
    wave = np.rint(0.6 * r * np.sin(at / (0.8 * r))).astype(np.int64)
    rows, columns = (at[:, None] + wave[None]) % (2 * r), (at[None] + wave[:, None]) % (2 * r)
    return np.float32(detail[rows, columns])


def textured(
    colour: Float[Array, "R R 3"], points: Float[Array, "R R 3"], detail: Float[Array, "R R 3"]
) -> Float[Array, "R R 3"]:
    """A source colour field seen at source points, with fresh detail where its own is drawn out."""
    kept = _kept(points)
    smooth = cv2.GaussianBlur(colour, (0, 0), len(colour) * SHADING)
    return kept * look_up(colour, points) + (1 - kept) * (look_up(smooth, points) + detail)
