"""Sharpness and grain follow the photo, tone and everything outside stay."""

import cv2
import numpy as np
import pytest

from models.geometry.detail import LUMA, MAX_GRAIN, STRONGEST, WEAKEST, bands, match_detail

SIZE = 96
DRAWN = np.zeros((SIZE, SIZE), dtype=bool)
DRAWN[10:86, 16:80] = True


def _skin(strength, sigma=0.0, seed=0):
    rough = np.random.default_rng(seed).normal(0, strength, (SIZE, SIZE, 1))
    if sigma:
        rough = cv2.GaussianBlur(rough, (0, 0), sigma)[..., None]
    return np.clip(np.rint(np.array([170, 130, 110]) + rough), 0, 255).astype(np.uint8)


def _finest(image):
    return float(np.abs(bands(image.astype(np.float32) @ LUMA, DRAWN)[0][14:82, 20:76]).mean())


def _match(render, photo, seed=0):
    return match_detail(render, DRAWN, photo, DRAWN, np.random.default_rng(seed))


def test_pores_calm_down_in_a_smooth_photo():
    harsh, smooth = _skin(12), _skin(4, seed=1)
    assert _finest(_match(harsh, smooth)) == pytest.approx(
        max(_finest(smooth), WEAKEST * _finest(harsh)), rel=0.15
    )


def test_a_blurred_photo_blurs_the_face():
    harsh, blurred = _skin(8), _skin(25, sigma=1.6, seed=1)
    made = _match(harsh, blurred)
    assert _finest(made) < 0.5 * _finest(harsh)


def test_a_grainy_photo_gives_grain_within_limits():
    clean, grainy = _skin(1), _skin(6, seed=1)
    made = _match(clean, grainy)
    assert 1.2 * STRONGEST * _finest(clean) < _finest(made) <= 1.1 * _finest(grainy)
    wild = _match(clean, _skin(60, seed=1))
    added = wild.astype(float) - clean
    assert added[DRAWN].std() < MAX_GRAIN + (STRONGEST - 1) * 3


def test_tone_and_surroundings_stay():
    render, photo = _skin(9), _skin(3, seed=1)
    render[~DRAWN] = 0
    made = _match(render, photo)
    np.testing.assert_array_equal(made[~DRAWN], render[~DRAWN])
    np.testing.assert_allclose(made[DRAWN].mean(0), render[DRAWN].mean(0), atol=0.5)
    rim = (made.astype(int) - render)[10, 16:80]
    assert np.abs(rim.mean()) < 3  # black around the face does not bleed in


def test_the_same_stream_makes_the_same_grain_and_another_another():
    clean, grainy = _skin(1), _skin(6, seed=1)
    np.testing.assert_array_equal(_match(clean, grainy, 5), _match(clean, grainy, 5))
    assert (_match(clean, grainy, 5) != _match(clean, grainy, 6)).any()


def test_a_small_face_keeps_its_detail():
    render, little = _skin(9), np.zeros_like(DRAWN)
    little[40:60, 40:60] = True
    made = match_detail(render, little, _skin(1), little, np.random.default_rng(0))
    np.testing.assert_array_equal(made, render)
