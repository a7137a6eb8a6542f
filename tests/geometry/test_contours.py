from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.contours import at, contour, grown, trimmed_distance


def disc(size: int, u: float, v: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size] + 0.5
    return np.hypot(columns - u, rows - v) < radius


def nearest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Reference: the distance of each point of ``a`` to all of ``b``."""
    return np.array([np.linalg.norm(b - p, axis=1).min() for p in a])


@settings(max_examples=25, deadline=None)
@given(u=st.floats(28, 36), v=st.floats(28, 36), radius=st.floats(8, 20))
def test_the_contour_of_a_disc_is_its_circle(u: float, v: float, radius: float) -> None:
    points = contour(disc(64, u, v, radius))
    away = np.hypot(points[:, 0] - u, points[:, 1] - v) - radius
    assert abs(away.mean()) < 0.2, "which pixels are inside decides up to so much"
    assert away.std() < 0.3
    assert np.abs(points.mean(axis=0) - (u, v)).max() < 0.4


def test_without_smoothing_points_lie_between_pixels_and_the_picture_s_border_is_none() -> None:
    mask = np.zeros((6, 8), bool)
    mask[:, :3] = True
    points = contour(mask, smooth=0)
    assert sorted(map(tuple, points)) == [(3.0, row + 0.5) for row in range(6)]
    assert len(contour(np.ones((5, 5), bool))) == 0


def test_a_circle_moved_by_two_pixels_is_two_times_the_mean_cosine_away() -> None:
    a, b = contour(disc(256, 100, 100, 60)), contour(disc(256, 102, 100, 60))
    assert trimmed_distance(a, b, keep=1.0) == pytest.approx(2 * 2 / np.pi, abs=0.05)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_is_symmetric_and_agrees_with_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 50, (40, 2)), rng.uniform(0, 50, (30, 2))
    want = 0.0
    for one, other, keep in ((a, b, 36), (b, a, 27)):
        want += np.sort(nearest(one, other))[:keep].mean() / 2
    assert trimmed_distance(a, b) == pytest.approx(want)
    assert trimmed_distance(a, b) == trimmed_distance(b, a)


def test_strays_are_trimmed_and_nothing_is_no_number() -> None:
    line = np.stack([np.arange(100.0), np.zeros(100)], axis=1)
    assert trimmed_distance(
        line, np.concatenate([line + np.array([0, 1]), [[50.0, 400.0]]])
    ) == pytest.approx(1.0)
    assert np.isnan(trimmed_distance(line, np.zeros((0, 2))))


def test_pixels_are_looked_up_where_points_lie_and_masks_grow_by_a_radius() -> None:
    mask = np.zeros((5, 5), bool)
    mask[2, 3] = True
    assert at(mask, np.array([[3.0, 2.0], [3.99, 2.99], [4.0, 2.5], [-3.0, 9.0]])).tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert grown(mask, 1.0).sum() == 5
    assert grown(mask, 1.5).sum() == 9
    assert not grown(np.zeros((5, 5), bool), 3.0).any()
