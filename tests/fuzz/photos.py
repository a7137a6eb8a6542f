"""Pictures in every format that is decoded."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from assets.readers.photo import DecodeLimits, Refused, decode_photo, header_refusal

OURS = ()
SMALL = DecodeLimits(min_side=1, max_megapixels=1.0)  # larger ones only take longer


def _decode(data: bytes, work: Path) -> None:
    got = decode_photo(data, SMALL)
    assert isinstance(got, Refused) or (got.ndim == 3 and got.shape[2] == 3)
    header_refusal(data, SMALL)


FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
READERS: dict[str, Callable[[bytes, Path], None]] = dict.fromkeys(FORMATS, _decode)


def seeds(reader: str) -> Iterator[bytes]:
    """Small pictures of one format in all modes that it knows."""
    for mode in ("RGB", "L", "P", "RGBA", "I;16", "F", "CMYK", "1"):
        out = io.BytesIO()
        try:
            Image.new(mode, (16, 16)).save(out, reader)
        except (OSError, ValueError):
            continue
        yield out.getvalue()
