"""Photographs that are bombs, torn, or something else: a refusal that says why, in bounded memory."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assets.readers.photo import Refused, decode_photo, read_photo
from tests.hostile import bombs
from tests.hostile.mutations import mutated

EXIF = b"\xff\xe1\x00\x16Exif\0\0II*\0\x08\0\0\0\xff\xff\xff\xff\xff\xff"
FILES = {
    "empty.png": (b"", "unreadable"),
    "header-only.png": (b"\x89PNG\r\n\x1a\n", "unreadable"),
    "two-gigapixels.png": (bombs.png_of(2**31 - 1, 2**31 - 1), "too_large"),
    "hundred-megapixels.png": (bombs.png_of(10_000, 10_000), "too_large"),
    "one-row.png": (bombs.png_of(80_000_000, 1), "too_small"),
    "no-pixels.png": (bombs.png_of(0, 0), "unreadable"),
    "wide-and-empty.png": (bombs.png_of(8900, 8900), "unreadable"),
    "comment-bomb.png": (bombs.text_bomb(), "unreadable"),
    "many-scans.jpg": (bombs.many_scans(), "too_large"),
    "negative.bmp": (bombs.bmp_of(-1, -1), "too_large"),
    "huge.bmp": (bombs.bmp_of(2**31 - 1, 2**31 - 1), "too_large"),
    "huge.ppm": (b"P6\n99999999 99999999\n255\n", "too_large"),
    "plain.ppm": (b"P3\n8000 8000\n255\n1 2 3", "unreadable"),
    "loop.tif": (b"II*\0\x08\0\0\0\x01\0\x00\x01\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0", "unreadable"),
    "svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>", "unreadable"),
    "ghostscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "unreadable"),
    "canvas.webp": (b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\xff\xff\xff\xff\xff\xff", "too_large"),
    "exif.jpg": (b"\xff\xd8" + EXIF + b"\xff\xd9", "unreadable"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_photograph_is_a_refusal(name, tmp_path, confined):
    data, reason = FILES[name]
    (tmp_path / name).write_bytes(data)

    def read() -> str:
        got = read_photo(tmp_path / name)
        return f"{got.reason}: {got.detail}" if isinstance(got, Refused) else f"picture {got.shape}"

    outcome = confined(read)
    outcome.quiet()
    assert outcome.kind == "", outcome.trace
    assert outcome.text.startswith(reason), outcome.text
    assert len(outcome.text) < 250


def test_a_pipe_is_not_waited_for(tmp_path, confined):
    os.mkfifo(tmp_path / "pipe.png")
    outcome = confined(lambda: read_photo(tmp_path / "pipe.png"))
    assert "plain file" in outcome.text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_mutated_pictures_are_pictures_or_refusals(kind, data):
    body = data.draw(mutated(_sound(kind)))
    got = decode_photo(body)
    assert isinstance(got, Refused) or (got.ndim == 3 and got.shape[2] == 3)


def _sound(kind: str) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(bombs.png())).save(out, kind)
    return out.getvalue()


def test_the_folder_of_a_photograph_is_left_alone(tmp_path: Path, confined):
    (tmp_path / "a.png").write_bytes(bombs.png())
    assert confined(lambda: read_photo(tmp_path / "a.png").shape).text == "(96, 96, 3)"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
