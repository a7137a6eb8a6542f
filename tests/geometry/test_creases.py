"""Creases are dark lines with both sides brighter: not spots, steps, hair or holes; and deeper where darker."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.creases import WIDTHS, find_creases, relief_weight
from models.heads.regions import Region

N, MM = 128, 0.46
WHOLE = np.ones((N, N), np.float32)
Y, X = np.mgrid[:N, :N]
MIDDLE = slice(N // 2 - 8, N // 2 + 8)


def skin(darkness):
    """A plain skin with some log darkness, (2N, 2N, 3)."""
    linear = np.array([0.5, 0.3, 0.22]) * np.exp(-np.kron(darkness, np.ones((2, 2))))[..., None]
    return np.rint(255 * linear ** (1 / 2.2)).astype(np.uint8)


def line(angle, half, dark):
    across = (X - N / 2) * np.cos(angle) + (Y - N / 2) * np.sin(angle)
    return dark * np.exp(-0.5 * (across * MM / half) ** 2)


def test_plain_skin_has_none():
    found = find_creases(skin(0 * X), WHOLE, MM)
    assert np.abs(found.depth).max() < 1e-3
    assert found.darkness.max() == 0


@given(angle=st.floats(0, np.pi), half=st.sampled_from([0.8, 1.2, 2.0]))
@settings(max_examples=15, deadline=None)
def test_a_dark_line_is_a_groove_across_its_direction(angle, half):
    found = find_creases(skin(line(angle, half, 0.2)), WHOLE, MM)
    centre = found.depth[N // 2, N // 2]
    assert 0.05 < centre <= sum(w.bound for w in WIDTHS)
    assert found.depth[MIDDLE, MIDDLE].max() < 1.3 * centre + 0.05
    cosine, sine = found.turn[N // 2, N // 2]
    assert cosine * np.cos(2 * angle) + sine * np.sin(2 * angle) > 0.6


def test_darker_lines_are_deeper_within_bounds():
    depths = [
        find_creases(skin(line(0.4, 1.2, dark)), WHOLE, MM).depth.max() for dark in (0.05, 0.1, 0.2, 2.0)
    ]
    assert depths == sorted(depths)
    assert depths[-1] <= sum(w.bound for w in WIDTHS) + 0.05


def test_bright_lines_are_no_grooves():
    assert find_creases(skin(line(0.4, 1.2, -0.2)), WHOLE, MM).depth[MIDDLE, MIDDLE].max() < 0.05


@pytest.mark.parametrize("half", [0.8, 1.5, 2.5])
def test_a_mole_is_much_shallower_than_a_line(half):
    spot = 0.4 * np.exp(-0.5 * ((X - N / 2) ** 2 + (Y - N / 2) ** 2) * (MM / half) ** 2)
    mole = find_creases(skin(spot), WHOLE, MM).depth[N // 2, N // 2]
    crease = find_creases(skin(line(0.0, half, 0.4)), WHOLE, MM).depth[N // 2, N // 2]
    assert mole < 0.25 * crease


def test_the_edge_of_a_shadow_is_no_groove():
    step = 0.3 / (1 + np.exp(-(X - N / 2) * MM / 0.8))
    assert np.abs(find_creases(skin(step), WHOLE, MM).depth[MIDDLE, MIDDLE]).max() < 0.07


def test_beard_is_no_relief():
    rng = np.random.default_rng(0)
    strokes = 0.5 * (rng.random((N, N)) < 0.25)
    hairy = find_creases(skin(strokes + line(0.0, 1.2, 0.2)), WHOLE, MM).depth[MIDDLE, MIDDLE]
    plain = find_creases(skin(line(0.0, 1.2, 0.2)), WHOLE, MM).depth[MIDDLE, MIDDLE]
    assert np.abs(hairy).max() < 0.1 * plain.max()


def test_nothing_where_the_weight_is_zero():
    half = WHOLE * (Y < N // 2)
    found = find_creases(skin(line(0.0, 1.2, 0.2)), half, MM)
    assert (found.depth[N // 2 :] == 0).all()
    assert (found.darkness[N // 2 :] == 0).all()


def test_the_weight_spares_holes_brows_the_rim_and_spots():
    region = np.full((N, N), Region.SKIN, np.uint8)
    region[:4] = Region.SCALP
    region[40:50, 40:60] = Region.EYES
    region[25:30, 40:60] = Region.BROWS
    region[90:110, 50:80] = Region.LIPS
    weight = relief_weight(region, MM, {6.0: np.array([[110.0, 60.0]])})
    for row, column in ((2, 64), (45, 50), (27, 50), (60, 110)):
        assert weight[row, column] == 0
    assert 0 < weight[100, 65] < 0.5
    assert weight[70, 64] > 0.99
    assert np.abs(np.diff(weight, axis=0)).max() < 0.5
