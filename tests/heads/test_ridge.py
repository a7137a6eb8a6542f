"""The bounded ridge problem against its optimality conditions and against plain solutions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.heads.ridge import _bounded, _coordinate_descent, bounded_ridge


def test_thebounded_ridge_meets_the_optimality_conditions():
    rng = np.random.default_rng(5)
    J, target = rng.standard_normal((40, 12)), rng.standard_normal(40)
    low, high = np.full(12, -0.05), np.full(12, 0.05)
    x = bounded_ridge(J, target, np.zeros(12), np.ones(12), low, high)
    slope = J.T @ (J @ x - target) + x
    free = (x > low) & (x < high)
    assert np.abs(slope[free]).max(initial=0) < 1e-5
    assert (slope[x <= low] >= -1e-5).all()
    assert (slope[x >= high] <= 1e-5).all()
    assert 0 < free.sum() < 12


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), loose=st.integers(0, 6))
def test_loose_and_bounded_variables_together_are_optimal(seed, loose):
    rng = np.random.default_rng(seed)
    J, target, mean = rng.standard_normal((30, 10)), rng.standard_normal(30), rng.standard_normal(10)
    low, high = np.full(10, 0.0), np.full(10, 0.1)
    low[:loose], high[:loose] = -np.inf, np.inf
    x = bounded_ridge(J, target, mean, np.ones(10), low, high)
    slope = J.T @ (J @ x - target) + x - mean
    free = (x > low) & (x < high)
    assert np.abs(slope[free]).max(initial=0) < 1e-5
    assert (slope[x <= low] >= -1e-5).all()
    assert (slope[x >= high] <= 1e-5).all()


def test_without_bounds_it_is_the_ridge_solution():
    rng = np.random.default_rng(1)
    J, target = rng.standard_normal((20, 6)), rng.standard_normal(20)
    wide = np.full(6, np.inf)
    x = bounded_ridge(J, target, np.zeros(6), np.full(6, 2.0), -wide, wide)
    np.testing.assert_allclose(x, np.linalg.solve(J.T @ J + 2 * np.eye(6), J.T @ target), atol=1e-10)


def test_active_set_and_coordinate_descent_agree():
    rng = np.random.default_rng(2)
    A = rng.standard_normal((12, 8))
    H, g = A.T @ A + 0.5 * np.eye(8), rng.standard_normal(8)
    low, high = np.full(8, -0.05), np.full(8, 0.2)
    slow = _coordinate_descent(H, g, np.zeros(8), low, high)
    np.testing.assert_allclose(_bounded(H, g, low, high), slow, atol=1e-6)
