"""Push-pull: known pixels stay, unknown ones lie between their neighbours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.fill import push_pull


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9), st.floats(0.02, 1))
def test_known_pixels_stay_and_the_rest_is_within_their_range(height, width, seed, share):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    known = rng.random((height, width)) < share
    known[0, 0] = True
    filled = push_pull(image, known)
    np.testing.assert_allclose(filled[known], image[known], atol=1e-3)
    low, high = image[known].min(axis=0), image[known].max(axis=0)
    assert (filled >= low - 0.01).all()
    assert (filled <= high + 0.01).all()


def test_a_constant_is_filled_with_itself():
    image = np.full((33, 20), 7.0, np.float32)
    known = np.zeros(image.shape, bool)
    known[5, 6] = True
    np.testing.assert_allclose(push_pull(image, known), 7, atol=1e-4)


def test_a_hole_takes_the_colour_of_the_nearer_side():
    image = np.zeros((32, 32), np.float32)
    image[:, 16:] = 100
    known = np.ones(image.shape, bool)
    known[8:24, 4:28] = False
    filled = push_pull(image, known)
    assert filled[16, 5] < 20
    assert filled[16, 26] > 80


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)])
def test_nothing_known_gives_zeros(shape):
    assert not push_pull(np.full(shape, 9, np.uint8), np.zeros((8, 8), bool)).any()
