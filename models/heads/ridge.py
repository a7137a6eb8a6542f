"""Ridge problems of which some variables have bounds: the linear algebra inside the landmark fit."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numba import njit
from scipy.linalg import cho_factor, cho_solve

Array = np.ndarray


def bounded_ridge(
    J: Float[Array, "n m"],
    target: Float[Array, " n"],
    mean: Float[Array, " m"],
    precision: Float[Array, " m"],
    low: Float[Array, " m"],
    high: Float[Array, " m"],
) -> Float[Array, " m"]:
    """Minimise ``|J x - target|^2 + (x - mean)^T diag(precision) (x - mean)`` within bounds.

    Variables without bounds (pose, identity) are eliminated exactly, which leaves a problem of the few bounded ones.
    """
    H = J.T @ J
    H[np.diag_indices_from(H)] += precision
    g = J.T @ target + precision * mean
    loose = np.isinf(low) & np.isinf(high)
    B = H[np.ix_(loose, ~loose)]
    factor = cho_factor(H[np.ix_(loose, loose)], lower=True, check_finite=False)
    solved = cho_solve(factor, np.column_stack([B, g[loose]]), check_finite=False)
    x = np.zeros(len(g))
    x[~loose] = _bounded(
        H[np.ix_(~loose, ~loose)] - B.T @ solved[:, :-1],
        g[~loose] - B.T @ solved[:, -1],
        low[~loose],
        high[~loose],
    )
    x[loose] = solved[:, -1] - solved[:, :-1] @ x[~loose]
    return x


def _bounded(
    H: Float[Array, "m m"], g: Float[Array, " m"], low: Float[Array, " m"], high: Float[Array, " m"]
) -> Float[Array, " m"]:
    """Minimise ``x^T H x / 2 - g^T x`` within bounds.

    The set of variables at a bound changes until the optimality conditions hold (primal active set, started from the
    clipped solution); should it cycle, coordinate descent finishes.
    """
    if len(g) == 0:
        return g
    x = np.clip(np.linalg.solve(H, g), low, high)
    for _ in range(12):
        slope = H @ x - g
        held = ((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0))
        free = ~held
        trial = x.copy()
        trial[free] = np.linalg.solve(H[np.ix_(free, free)], g[free] - H[np.ix_(free, held)] @ x[held])
        clipped = np.clip(trial, low, high)
        if np.array_equal(clipped, trial) and np.allclose(trial, x, rtol=0, atol=1e-10):
            return x
        x = clipped
    return _coordinate_descent(H, g, x, low, high)


@njit(cache=True)
def _coordinate_descent(H, g, x, low, high):  # (m, m), (m,), (m,), (m,), (m,) -> (m,)
    """Exact line search along each coordinate in turn: the objective is strictly convex, so this converges."""
    for _ in range(500):
        change = 0.0
        for k in range(x.shape[0]):
            new = x[k] + (g[k] - np.dot(H[k], x)) / H[k, k]
            new = min(max(new, low[k]), high[k])
            change = max(change, abs(new - x[k]))
            x[k] = new
        if change < 1e-8:
            break
    return x
