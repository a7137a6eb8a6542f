"""The texture level fits the picture."""

import numpy as np
import pytest

from models.geometry.minify import minified, texels_per_pixel
from models.geometry.rasterize import rasterize
from models.heads.regions import Region
from tests.geometry.square import FACES, QUAD, quad


@pytest.mark.parametrize(("size", "expected"), [(16, 4), (64, 1), (128, 0.5)])
def test_texels_are_counted_along_a_pixel_s_side(size, expected):
    seen = rasterize(QUAD, FACES, size)
    assert texels_per_pixel(QUAD, quad(), seen, 64 * 64) == pytest.approx(expected, rel=1e-4)


def test_without_a_face_the_texture_is_left_alone():
    seen = rasterize(QUAD, FACES, 16)
    assert texels_per_pixel(QUAD, quad(Region.NECK), seen, 64 * 64) == 1


@pytest.mark.parametrize(
    ("texels", "side"), [(0.2, 64), (1.3, 64), (1.5, 32), (2.5, 32), (3.5, 16), (1e9, 2)]
)
def test_halved_until_a_sample_spans_about_one_texel(texels, side):
    assert minified(np.zeros((64, 64, 3), dtype=np.uint8), texels).shape == (side, side, 3)


def test_a_level_is_the_mean_of_its_texels():
    texture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    blocks = texture.reshape(4, 2, 4, 2, 3).mean((1, 3))
    np.testing.assert_allclose(minified(texture, 2.0), blocks, atol=0.501)
