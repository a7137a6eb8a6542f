from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assets.readers.photo import DecodeLimits, Refused, decode_photo, read_photo


def gradient(h: int = 80, w: int = 96) -> np.ndarray:
    v, u = np.mgrid[:h, :w]
    return np.stack([u * 255 // (w - 1), v * 255 // (h - 1), np.full((h, w), 90)], -1).astype(np.uint8)


def encoded(picture: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **how)
    return out.getvalue()


def decoded(data: bytes) -> np.ndarray:
    image = decode_photo(data)
    assert isinstance(image, np.ndarray), image
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.flags.c_contiguous
    return image


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_files_decode_exactly(kind: str) -> None:
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(gradient()), kind)), gradient())


def test_webp_and_jpeg_decode_closely() -> None:
    picture = Image.fromarray(gradient())
    for data in (encoded(picture, "WEBP", quality=95), encoded(picture, "JPEG", quality=95)):
        assert np.abs(decoded(data).astype(int) - gradient()).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int) -> None:
    upright = gradient()
    # How a camera stores the upright picture under each orientation tag.
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(decoded(data), upright)


def test_grey_palette_and_16_bit_agree_with_rgb() -> None:
    grey = gradient()[..., 0]
    want = np.repeat(grey[..., None], 3, 2)
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(grey), "PNG")), want)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    np.testing.assert_array_equal(decoded(encoded(deep, "PNG")), want)
    palette = Image.fromarray(gradient() // 64 * 64).quantize(64)
    data = encoded(palette, "PNG")
    np.testing.assert_array_equal(decoded(data), np.asarray(palette.convert("RGB")))


def test_cmyk_is_converted() -> None:
    picture = Image.fromarray(np.full((70, 70, 3), (200, 30, 60), np.uint8)).convert("CMYK")
    mean = decoded(encoded(picture, "JPEG", quality=95)).reshape(-1, 3).mean(0)
    np.testing.assert_allclose(mean, (200, 30, 60), atol=8)


def test_alpha_lies_over_neutral_grey() -> None:
    rgba = np.dstack([gradient(), np.full((80, 96), 255, np.uint8)])
    rgba[:40, :, 3] = 0
    rgba[40:60, :, 3] = 128
    image = decoded(encoded(Image.fromarray(rgba), "PNG"))
    assert (image[:40] == 128).all()
    np.testing.assert_array_equal(image[60:], gradient()[60:])
    half = (gradient()[40:60].astype(float) * 128 + 128 * 127) / 255
    np.testing.assert_allclose(image[40:60], half, atol=1)


def test_limits_are_reasons() -> None:
    small = decode_photo(encoded(Image.fromarray(gradient(40, 90)), "PNG"))
    assert isinstance(small, Refused)
    assert small.reason == "too_small"
    assert "90x40" in small.detail
    # Eighty-one megapixels of nothing: a few kB that would decode to 243 MB.
    bomb = encoded(Image.new("1", (9000, 9000)), "PNG")
    assert len(bomb) < 50_000
    large = decode_photo(bomb)
    assert isinstance(large, Refused)
    assert large.reason == "too_large"
    assert isinstance(decode_photo(bomb, DecodeLimits(max_megapixels=82)), np.ndarray)


def test_truncated_empty_foreign_and_missing_files(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(gradient(200, 200)), "JPEG")
    for bad in (data[: len(data) // 2], b"", b"not a picture", b"<svg xmlns='x'/>"):
        refused = decode_photo(bad)
        assert isinstance(refused, Refused)
        assert refused.reason == "unreadable"
        assert refused.detail
    gone = read_photo(tmp_path / "gone.jpg")
    assert isinstance(gone, Refused)
    assert "gone.jpg" in gone.detail
    assert isinstance(read_photo(tmp_path), Refused)


SEEDS = [
    encoded(Image.fromarray(gradient()), "JPEG"),
    encoded(Image.fromarray(gradient()), "PNG"),
    encoded(Image.fromarray(gradient()), "WEBP"),
    encoded(Image.fromarray(gradient()), "TIFF"),
    encoded(Image.fromarray(gradient()).quantize(16), "GIF"),
    encoded(Image.fromarray(gradient()), "BMP"),
]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    cuts=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=12),
    keep=st.floats(0.2, 1.0),
)
def test_damaged_bytes_never_raise(seed: bytes, cuts: list[tuple[int, int]], keep: float) -> None:
    data = bytearray(seed[: int(len(seed) * keep)])
    for at, value in cuts:
        if data:
            data[at % len(data)] = value
    image = decode_photo(bytes(data))
    if isinstance(image, Refused):
        assert image.reason in ("unreadable", "too_large", "too_small")
    else:
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
