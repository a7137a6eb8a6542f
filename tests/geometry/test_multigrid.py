from __future__ import annotations

import numpy as np

from models.geometry import multigrid


def test_solution_satisfies_the_equations():
    rng = np.random.default_rng(0)
    mask = np.zeros((50, 61), bool)
    mask[3:47, 5:58] = rng.random((44, 53)) > 0.1
    right = np.where(mask, rng.normal(0, 5, (3, *mask.shape)), 0).astype(np.float32)
    u = multigrid.laplace(right, mask, ~mask).astype(np.float64)
    assert not u[~mask].any()
    padded = np.pad(u, ((1, 1), (1, 1), (0, 0)))
    near = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    residual = (4 * u - near) - right.transpose(1, 2, 0)
    assert np.abs(residual[mask]).max() < 0.05


def test_cycle_is_symmetric_so_that_conjugate_gradients_may_use_it():
    rng = np.random.default_rng(1)
    mask = rng.random((32, 32)) > 0.3
    diagonals, offsets, sizes = multigrid._hierarchy(mask, ~mask, 32, 32, 4)
    inverse = np.where(diagonals > 0, 1 / np.maximum(diagonals, 0.5), 0).astype(np.float32)

    def cycle(b):
        u, t, full = (np.zeros_like(diagonals) for _ in range(3))
        full[: offsets[1]].reshape(34, 34)[1:-1, 1:-1] = np.where(mask, b, 0)
        multigrid._cycle(u, full, t, diagonals, inverse, offsets, sizes)
        return u[: offsets[1]].reshape(34, 34)[1:-1, 1:-1].astype(np.float64)

    a, b = (np.where(mask, rng.normal(size=mask.shape), 0).astype(np.float32) for _ in range(2))
    one, two = (a * cycle(b)).sum(), (b * cycle(a)).sum()
    assert abs(one - two) < 1e-3 * (abs(one) + abs(two) + 1)
    assert (a * cycle(a)).sum() > 0


def test_same_bits_every_time():
    rng = np.random.default_rng(2)
    mask = rng.random((40, 40)) > 0.2
    right = np.where(mask, rng.normal(size=(3, 40, 40)), 0).astype(np.float32)
    assert np.array_equal(multigrid.laplace(right, mask, ~mask), multigrid.laplace(right, mask, ~mask))
