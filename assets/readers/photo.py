"""Any picture file to upright 8-bit RGB, or the reason why not. Never raises on a bad file, never decodes a
bomb.

A refusal is a value here; ``tasks`` turns it into a Reject with the reason of the same name.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from assets.readers.members import Member

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "BMP",
    "TIFF",
    "GIF",
    "PPM",
)  # an MPO (stereo cameras) opens as the JPEG it is
BEHIND_ALPHA = 128  # neutral grey: neither a black nor a white halo around cut-outs
BYTES_PER_PIXEL = 8  # 16-bit RGBA; no format we read stores more, so larger files need not be opened
# A progressive JPEG of a few kilobytes can hold thousands of passes over the whole picture, each as slow as a picture.
# Encoders make 10 to 20; libjpeg's own fuzzers stop at 500.
MAX_SCANS = 100
BAND = (
    1 << 22
)  # pixels that are converted at once: wide intermediates of a whole picture would take gigabytes
_SCAN = b"\xff\xda"  # a JPEG's start of scan; never within coded data, where FF is followed by 00


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
        if isinstance(file, Path) and not file.is_file():  # a pipe would be waited for
            return Refused("unreadable", f"'{file.name}' is no plain file")
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
                if (refused := _refused(picture, data, limits)) is not None:
                    return refused
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


def header_refusal(data: bytes, limits: DecodeLimits = DecodeLimits()) -> Refused | None:
    """Why a picture would be refused by its header; None if another decoder may have it. No pixel is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                return _refused(picture, data, limits)
    except Image.DecompressionBombError:
        return Refused("too_large", f"the header promises more than {limits.max_megapixels:g} Mpx")
    except Exception as error:
        return Refused("unreadable", f"not one of the formats {', '.join(FORMATS)} ({type(error).__name__})")


def _refused(picture: Image.Image, data: bytes, limits: DecodeLimits) -> Refused | None:
    """What the header of an opened picture says against it."""
    width, height = picture.size
    pixels = width * height / 1e6
    if pixels > limits.max_megapixels:
        return Refused("too_large", f"{pixels:.1f} Mpx, limit {limits.max_megapixels:g} Mpx")
    if min(width, height) < limits.min_side:
        detail = f"{width}x{height} px, shorter side must be {limits.min_side} px or more"
        return Refused("too_small", detail)
    if picture.format in ("JPEG", "MPO") and (scans := data.count(_SCAN)) > MAX_SCANS:
        return Refused("too_large", f"a JPEG of {scans} scans, limit {MAX_SCANS}; save it again")
    return None


def _upright(picture: Image.Image) -> Image.Image:
    """Turned by the EXIF orientation; damaged EXIF of a sound picture is ignored."""
    try:
        ImageOps.exif_transpose(picture, in_place=True)  # otherwise it copies those that are upright already
    except Exception:
        return picture
    return picture


def _to_rgb(picture: Image.Image) -> UInt8[np.ndarray, "H W 3"]:
    """8-bit RGB over neutral grey, from any of Pillow's modes (it cuts 16-bit colour to the high byte by
    itself)."""
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        return np.repeat(_eight_bits(np.asarray(picture), picture.mode)[..., None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "La", "RGBa", "PA") or "transparency" in picture.info:
        return _over_grey(np.asarray(picture.convert("RGBA")))
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _over_grey(rgba: UInt8[np.ndarray, "H W 4"]) -> UInt8[np.ndarray, "H W 3"]:
    made = np.zeros((*rgba.shape[:2], 3), np.uint8)
    for rows in _bands(rgba.shape[:2]):
        part = rgba[rows].astype(np.uint16)
        alpha = part[..., 3:]
        made[rows] = (part[..., :3] * alpha + BEHIND_ALPHA * (255 - alpha) + 127) // 255
    return made


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows of a picture, a few million pixels at a time."""
    step = max(1, BAND // max(1, shape[1]))
    return (slice(at, at + step) for at in range(0, shape[0], step))


def _eight_bits(values: np.ndarray, mode: str) -> UInt8[np.ndarray, "H W"]:
    """16-bit and 32-bit grey to 8 bits: by the high byte where the depth is known, else by the picture's own
    range."""
    if mode == "F" or values.max(initial=0) > 65535 or values.min(initial=0) < 0:
        made = np.zeros(values.shape, np.uint8)
        finite = values if values.dtype.kind == "i" else np.nan_to_num(values)
        low, high = float(finite.min()), float(finite.max())
        scale = 255 / max(high - low, 1e-12)
        for rows in _bands(values.shape):
            made[rows] = ((finite[rows].astype(np.float64) - low) * scale).round()
        return made
    if values.max(initial=0) <= 255:  # 8-bit values stored in a wide mode
        return values.astype(np.uint8)
    return (values >> 8).astype(np.uint8)
