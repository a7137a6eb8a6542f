"""The field over the image: found again, stiff, bounded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.falloff import HIGHEST, LOWEST, estimate_falloff


def _skin(rng, n=1500):
    return rng.uniform(0.2, 0.6, (n, 3)), rng.uniform(0.25, 0.75, (n, 2))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), down=st.floats(-0.5, 0.5), warm=st.floats(-0.2, 0.2))
def test_a_field_is_found_again_under_specks(seed, down, warm):
    rng = np.random.default_rng(seed)
    lit, where = _skin(rng)
    slope = np.array([down + warm, down, down - warm])
    photo = lit * np.exp((where[:, 1:] - 0.5) * 2 * slope)
    photo[rng.random(len(photo)) < 0.05] *= 0.1
    gain = estimate_falloff(photo, lit, where).gain(64)
    truth = np.exp(((np.arange(64) + 0.5) / 64 - 0.5)[:, None] * 2 * slope)
    np.testing.assert_allclose(gain[20:44, 32], truth[20:44], rtol=0.08)


def test_without_a_difference_nothing_changes():
    lit, where = _skin(np.random.default_rng(0))
    np.testing.assert_allclose(estimate_falloff(lit, lit, where).gain(96), 1, atol=1e-5)


def test_a_beard_in_the_photo_is_not_copied():
    lit, where = _skin(np.random.default_rng(1), 4000)
    photo = lit.copy()
    photo[(np.abs(where[:, 0] - 0.5) < 0.06) & (where[:, 1] > 0.66)] *= 0.2
    assert estimate_falloff(photo, lit, where).gain(64)[45, 32].min() > 0.85


def test_the_gain_is_bounded_and_does_not_depend_on_the_size():
    lit, where = _skin(np.random.default_rng(2))
    field = estimate_falloff(lit * np.where(where[:, :1] > 0.5, 4, 0.05), lit, where)
    small, large = field.gain(64), field.gain(256)
    assert np.exp(LOWEST) - 1e-5 <= small.min() <= small.max() <= np.exp(HIGHEST) + 1e-5
    np.testing.assert_allclose(
        large.reshape(64, 4, 64, 4, 3).mean((1, 3))[8:-8, 8:-8], small[8:-8, 8:-8], atol=0.05
    )


def test_too_few_pixels_are_an_error():
    with pytest.raises(ValueError, match="at least 32 pixels"):
        estimate_falloff(np.ones((5, 3)), np.ones((5, 3)), np.ones((5, 2)))
