"""Any picture file to upright 8-bit RGB, or the reason why not. Never raises on a bad file, never decodes a
bomb.

A refusal is a value here; ``tasks`` turns it into a Reject with the reason of the same name.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from assets.readers.members import Member

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "MPO")
BEHIND_ALPHA = 128  # neutral grey: neither a black nor a white halo around cut-outs
BYTES_PER_PIXEL = 16  # no format we read stores more, so larger files need not be opened


@dataclass(frozen=True)
class Refused:
    """Why a file is no usable picture: the reason's name and one sentence of detail."""

    reason: Literal["unreadable", "too_large", "too_small"]
    detail: str


@dataclass(frozen=True)
class DecodeLimits:
    """What is decoded at all: shorter side in pixels, and millions of pixels."""

    min_side: int = 64
    max_megapixels: float = 80.0


def read_photo(
    file: Path | Member, limits: DecodeLimits = DecodeLimits()
) -> UInt8[np.ndarray, "H W 3"] | Refused:
    """Read a file or a member of an archive and decode it; what cannot be read is refused too."""
    try:
        size = (
            file.stat().st_size if isinstance(file, Path) else 0
        )  # members check theirs before they are read
        if size > limits.max_megapixels * 1e6 * BYTES_PER_PIXEL:
            return Refused("too_large", f"'{file.name}' has {size} bytes")
        return decode_photo(file.read_bytes(), limits)
    except OSError as error:
        return Refused("unreadable", f"'{file.name}' cannot be read: {error.strerror}")


def decode_photo(data: bytes, limits: DecodeLimits = DecodeLimits()) -> UInt8[np.ndarray, "H W 3"] | Refused:
    """Decode the first frame of an encoded picture to RGB, upright by its EXIF orientation.

    Grey, palette, CMYK and 16-bit files become 8-bit RGB (16 bits by their high byte); transparent pixels
    are laid over neutral grey. Size limits are checked on the header, before any pixel is decoded.

    Returns:
        The picture, or Refused: unreadable (corrupt, truncated, unknown), too_large or too_small.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning: our limit is checked next
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                width, height = picture.size
                pixels = width * height / 1e6
                if pixels > limits.max_megapixels:
                    return Refused("too_large", f"{pixels:.1f} Mpx, limit {limits.max_megapixels:g} Mpx")
                if min(width, height) < limits.min_side:
                    detail = f"{width}x{height} px, shorter side must be {limits.min_side} px or more"
                    return Refused("too_small", detail)
                picture.load()
                upright = _upright(picture)
                return np.ascontiguousarray(_to_rgb(upright))
    except Image.DecompressionBombError:
        return Refused("too_large", f"the header promises more than {limits.max_megapixels:g} Mpx")
    except UnidentifiedImageError:
        return Refused("unreadable", f"not one of the formats {', '.join(FORMATS)}")
    except MemoryError:
        return Refused("too_large", "decoding ran out of memory")
    except Exception as error:
        # Codecs raise anything on damaged bytes (OSError, SyntaxError, struct.error, zlib.error, IndexError
        # ...), and a damaged photo is a row in the reject table, not a bug of ours.
        return Refused("unreadable", f"damaged picture ({type(error).__name__}: {error})"[:200])


def _upright(picture: Image.Image) -> Image.Image:
    """Turned by the EXIF orientation; damaged EXIF of a sound picture is ignored."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def _to_rgb(picture: Image.Image) -> UInt8[np.ndarray, "H W 3"]:
    """8-bit RGB over neutral grey, from any of Pillow's modes (it cuts 16-bit colour to the high byte by
    itself)."""
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        return np.repeat(_eight_bits(np.asarray(picture), picture.mode)[..., None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "La", "RGBa", "PA") or "transparency" in picture.info:
        rgba = np.asarray(picture.convert("RGBA"), dtype=np.uint16)
        alpha = rgba[..., 3:]
        return ((rgba[..., :3] * alpha + BEHIND_ALPHA * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.asarray(picture.convert("RGB"))


def _eight_bits(values: np.ndarray, mode: str) -> UInt8[np.ndarray, "H W"]:
    """16-bit and 32-bit grey to 8 bits: by the high byte where the depth is known, else by the picture's own
    range."""
    if mode == "F" or values.max(initial=0) > 65535 or values.min(initial=0) < 0:
        finite = np.nan_to_num(values.astype(np.float64))
        low, high = float(finite.min()), float(finite.max())
        return ((finite - low) * (255 / max(high - low, 1e-12))).round().astype(np.uint8)
    if values.max(initial=0) <= 255:  # 8-bit values stored in a wide mode
        return values.astype(np.uint8)
    return (values.astype(np.uint32) >> 8).astype(np.uint8)
