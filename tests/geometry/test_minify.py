"""The texture level fits the picture."""

import numpy as np
import pytest

from models.geometry.minify import minified, texels_per_pixel
from models.geometry.rasterize import rasterize
from models.geometry.shade import Surface
from models.heads.outline import Outline
from models.heads.regions import FACE, Region

QUAD = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
UVS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)


def _outline(*labels):
    """The outline as the labels of the four corners say, not smoothed."""
    region = np.resize(np.array(labels, dtype=np.uint8), 4)
    face = np.isin(region, FACE)
    inner, outer = (
        np.where(face, region, np.uint8(Region.SKIN)),
        np.where(face, np.uint8(Region.SCALP), region),
    )
    return Outline(np.float32(~face), inner, outer)


def _quad(region=Region.SKIN):
    normals = np.tile(np.float32([0, 0, 1]), (4, 1))
    return Surface(normals, FACES, UVS, FACES, np.full(2, region, np.uint8), _outline(region))


@pytest.mark.parametrize(("size", "expected"), [(16, 4), (64, 1), (128, 0.5)])
def test_texels_are_counted_along_a_pixel_s_side(size, expected):
    seen = rasterize(QUAD, FACES, size)
    assert texels_per_pixel(QUAD, _quad(), seen, 64 * 64) == pytest.approx(expected, rel=1e-4)


def test_without_a_face_the_texture_is_left_alone():
    seen = rasterize(QUAD, FACES, 16)
    assert texels_per_pixel(QUAD, _quad(Region.NECK), seen, 64 * 64) == 1


@pytest.mark.parametrize(
    ("texels", "side"), [(0.2, 64), (1.3, 64), (1.5, 32), (2.5, 32), (3.5, 16), (1e9, 2)]
)
def test_halved_until_a_sample_spans_about_one_texel(texels, side):
    assert minified(np.zeros((64, 64, 3), dtype=np.uint8), texels).shape == (side, side, 3)


def test_a_level_is_the_mean_of_its_texels():
    texture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    blocks = texture.reshape(4, 2, 4, 2, 3).mean((1, 3))
    np.testing.assert_allclose(minified(texture, 2.0), blocks, atol=0.501)
