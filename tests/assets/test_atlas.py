import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.atlas import Atlas, fill, sample
from models.heads.synthetic import synthetic_head


@pytest.fixture(scope="module")
def atlas():
    return Atlas(synthetic_head(), 128)


def test_a_texel_shows_the_surface_point_with_its_own_coordinates(atlas):
    uv = atlas.spread(atlas.head.uvs, atlas.head.face_uvs)
    rows, columns = np.nonzero(atlas.covered)
    assert len(rows) > 10_000
    np.testing.assert_allclose(uv[rows, columns, 0] * 128, columns + 0.5, atol=1e-3)
    np.testing.assert_allclose((1 - uv[rows, columns, 1]) * 128, rows + 0.5, atol=1e-3)


def test_regions_follow_the_triangles(atlas):
    assert (atlas.region[~atlas.covered] == 0).all()
    at = np.argwhere(atlas.covered)[::500]
    for i, j in at:
        assert atlas.region[i, j] == atlas.head.face_region[atlas.triangle[i, j]]


def test_the_mirror_of_the_mirror_is_the_picture(atlas):
    rows = np.linspace(0, 1, 128, dtype=np.float32)
    picture = np.dstack([np.tile(rows, (128, 1)), np.tile(rows[:, None], (1, 128))])
    once = atlas.mirrored(picture)
    # The synthetic atlas is symmetric: mirroring turns u into 1 - u.
    np.testing.assert_allclose(once[atlas.face][:, 0], 1 - picture[atlas.face][:, 0], atol=0.02)
    np.testing.assert_allclose(once[atlas.face][:, 1], picture[atlas.face][:, 1], atol=0.02)


def test_sampling_at_texel_centres_gives_the_texels():
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    u, v = (np.arange(24) + 0.5) / 24, 1 - (np.arange(16) + 0.5) / 16
    grid = np.stack(np.meshgrid(u, v), -1)
    np.testing.assert_allclose(sample(image, grid), image, atol=1e-3)
    np.testing.assert_allclose(sample(image, grid.reshape(-1, 2)), image.reshape(-1, 3), atol=1e-3)


def test_long_lists_are_sampled_like_short_ones():
    image = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    uv = np.random.default_rng(1).random((70_000, 2)).astype(np.float32)
    np.testing.assert_array_equal(sample(image, uv)[-5:], sample(image, uv[-5:]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.9))
def test_fill_keeps_the_known_and_stays_within_its_range(seed, share):
    rng = np.random.default_rng(seed)
    image = rng.random((33, 47, 3)).astype(np.float32)
    known = rng.random((33, 47)) < share
    known[5, 5] = True
    filled = fill(image, known)
    np.testing.assert_allclose(filled[known], image[known], atol=1e-5)
    assert filled.min() >= image[known].min() - 1e-4
    assert filled.max() <= image[known].max() + 1e-4
