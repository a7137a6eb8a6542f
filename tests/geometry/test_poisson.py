from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import spsolve

from models.geometry import poisson

SHIFTS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def direct(foreground, background, mask, valid, pinned):
    """The same equations, assembled and solved by SuperLU: float64 (unknowns, 3)."""
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(mask.sum())
    rows, cols, values, right = [], [], [], np.zeros((mask.sum(), 3))
    for (i, j), k in np.ndenumerate(number):
        if k < 0:
            continue
        for di, dj in SHIFTS:
            y, x = i + di, j + dj
            if not (0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]) or not (mask[y, x] or pinned[y, x]):
                continue
            rows, cols, values = [*rows, k], [*cols, k], [*values, 1.0]
            if valid[i, j] and valid[y, x]:
                right[k] += foreground[i, j].astype(float) - foreground[y, x]
            if mask[y, x]:
                rows, cols, values = [*rows, k], [*cols, number[y, x]], [*values, -1.0]
            else:
                right[k] += background[y, x]
    matrix = csc_matrix((values, (rows, cols)), shape=(len(right),) * 2)
    return np.stack([spsolve(matrix, right[:, c]) for c in range(3)], -1)


def pictures(rng, shape):
    small = (max(shape[1] // 6, 2), max(shape[0] // 6, 2))
    return [
        cv2.resize(rng.integers(0, 256, (small[1], small[0], 3), dtype=np.uint8), (shape[1], shape[0]))
        for _ in range(2)
    ]


def ellipse(side):
    mask = np.zeros((side, side), np.uint8)
    cv2.ellipse(mask, (side // 2, side // 2), (side // 4, side // 3), 20, 0, 360, 1, -1)
    return mask > 0


def masks(rng, side):
    rows, cols = np.indices((side, side))
    ring = ellipse(side)
    ring[side // 2 - 3 : side // 2 + 3, side // 2 - 2 : side // 2 + 4] = False
    parts = cv2.resize(rng.random((6, 6)), (side, side)) > 0.55
    almost = np.ones((side, side), bool)
    almost[side // 3, side // 2] = False
    return {
        "ellipse": ellipse(side),
        "hole": ring,
        "parts": parts,
        "border": cols > side // 3,
        "stripes": cols % 3 == 0,
        "noise": rng.random((side, side)) > 0.4,
        "all but one": almost,
        "one pixel": (rows == 5) & (cols == 7),
    }


@pytest.mark.parametrize("name", list(masks(np.random.default_rng(0), 8)))
@pytest.mark.parametrize("side", [37, 48])
def test_error_against_a_direct_solve_is_far_below_half_a_grey_level(name, side):
    rng = np.random.default_rng(side)
    mask = masks(rng, side)[name]
    foreground, background = pictures(rng, mask.shape)
    ours = (foreground + poisson.solve(foreground, background, mask, mask, ~mask))[mask]
    assert np.abs(ours - direct(foreground, background, mask, mask, ~mask)).max() < 0.1
    out = poisson.blend(foreground, background, mask)
    assert np.array_equal(out[~mask], background[~mask])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 40), st.integers(4, 40), st.floats(0.02, 0.98))
def test_any_mask_shape_valid_and_free_pixels(seed, height, width, share):
    rng = np.random.default_rng(seed)
    field = cv2.resize(rng.random((max(height // 4, 2), max(width // 4, 2))), (width, height))
    mask = field > np.quantile(field, share)
    if mask.all() or not mask.any():
        return
    foreground, background = pictures(rng, mask.shape)
    valid, free = mask & (rng.random(mask.shape) > 0.2), rng.random(mask.shape) > 0.5
    pinned = poisson._pinned(mask, free)
    correction = poisson.solve(foreground, background, mask, valid, pinned)
    ours = (np.where(valid[..., None], foreground, 0) + correction)[mask]
    assert np.abs(ours - direct(foreground, background, mask, valid, pinned)).max() < 0.5
    out = poisson.blend(foreground, background, mask, valid=valid, free=free)
    assert np.array_equal(out[~mask], background[~mask])


def test_a_constant_offset_of_the_foreground_does_not_matter():
    rng = np.random.default_rng(1)
    foreground, background = pictures(rng, (64, 64))
    foreground = foreground // 2
    mask = ellipse(64)
    one, two = (poisson.blend(f, background, mask) for f in (foreground, foreground + 90))
    assert np.abs(one.astype(int) - two).max() <= 1


def test_blending_a_picture_into_itself_changes_nothing():
    foreground, _ = pictures(np.random.default_rng(2), (48, 48))
    mask = ellipse(48)
    out = poisson.blend(foreground, foreground, mask, valid=np.ones_like(mask))
    assert np.array_equal(out, foreground)


def test_empty_and_full_masks():
    foreground, background = pictures(np.random.default_rng(3), (32, 32))
    assert np.array_equal(poisson.blend(foreground, background, np.zeros((32, 32), bool)), background)
    assert np.array_equal(poisson.blend(foreground, background, np.ones((32, 32), bool)), foreground)


def test_foreground_outside_the_mask_is_never_read():
    rng = np.random.default_rng(4)
    foreground, background = pictures(rng, (48, 48))
    mask = ellipse(48)
    other = np.where(mask[..., None], foreground, 255 - foreground)
    assert np.array_equal(poisson.blend(foreground, background, mask), poisson.blend(other, background, mask))


def test_free_pixels_do_not_colour_the_face():
    mask = ellipse(64)
    foreground = np.full((64, 64, 3), 120, np.uint8)
    background = np.full((64, 64, 3), 160, np.uint8)
    hair = np.indices((64, 64))[0] < 30
    background[hair] = 10
    out = poisson.blend(foreground, background, mask, free=hair)
    assert np.abs(out[mask].astype(int) - 160).max() <= 1
    assert poisson.blend(foreground, background, mask)[mask].min() < 100
    # Nothing else is left to decide: the free pixels pin after all.
    assert (
        np.abs(poisson.blend(foreground, background, mask, free=~mask)[40:][mask[40:]] - 120.0).max() <= 100
    )


def test_arrays_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"got \(4, 4, 3\)"):
        poisson.blend(np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8), np.zeros((4, 4), bool))


def test_golden(golden):
    rows, cols = np.indices((64, 64))
    foreground = np.stack([rows * 2 + 60, cols * 2 + 40, 90 + 40 * np.sin(cols / 3)], -1).astype(np.uint8)
    background = np.stack([200 - cols, 120 + rows, 60 + cols + rows], -1).astype(np.uint8)
    golden("poisson", poisson.blend(foreground, background, ellipse(64)), atol=1)
