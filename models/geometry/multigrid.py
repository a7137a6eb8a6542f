"""Multigrid-preconditioned conjugate gradients for the five-point Laplacian on any set of pixels.

Cell-centred coarsening by two, bilinear interpolation and its transpose, two Chebyshev–Jacobi sweeps before and
after. On every level the operator is ``diagonal * u - sum of the four neighbours``, so only the diagonal is stored and
the loops compile to SIMD code. One thread, no reassociation by the compiler: the same bits on every run.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numba import njit

TOLERANCE = 0.02  # grey levels: estimate of the largest remaining error at which the iteration stops
MAX_ITERATIONS = 60
_FIRST, _SECOND = 0.5617, 1.3895  # Chebyshev weights for eigenvalues of D⁻¹A in [0.5, 2]


def laplace(
    right: Float[np.ndarray, "c h w"], mask: Bool[np.ndarray, "h w"], pinned: Bool[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w c"]:
    """Solve, for each pixel p of the mask, ``sum over neighbours q of (u_p - u_q) = right_p``.

    Neighbours in the mask count with their unknown value, ``pinned`` ones with zero, all others not at all. Every
    4-connected part of the mask must touch a pinned pixel.

    Args:
        right: float32, three channels; zero outside the mask.
        mask: the unknowns.
        pinned: pixels outside the mask with a given value (moved to ``right`` by the caller).
    """
    height, width = mask.shape
    depth = _depth(height, width)
    step = 1 << (depth - 1)
    rows, cols = -(-height // step) * step, -(-width // step) * step
    diagonals, offsets, sizes = _hierarchy(mask, pinned, rows, cols, depth)
    return _solve(right, diagonals, offsets, sizes)


def _depth(height: int, width: int) -> int:
    depth = 1
    while max(height, width) > 6:
        height, width, depth = (height + 1) // 2, (width + 1) // 2, depth + 1
    return depth


@njit(cache=True)
def _hierarchy(mask, pinned, rows, cols, depth):
    """Diagonals of all levels in one flat float32 array, each level padded by one cell of zeros (0 = not unknown)."""
    sizes = np.zeros((depth, 2), np.int64)
    offsets = np.zeros(depth + 1, np.int64)
    for level in range(depth):
        sizes[level, 0], sizes[level, 1] = (rows >> level) + 2, (cols >> level) + 2
        offsets[level + 1] = offsets[level] + sizes[level, 0] * sizes[level, 1]
    diagonals = np.zeros(offsets[depth], np.float32)
    height, width = mask.shape
    inside = np.zeros((rows + 2, cols + 2), np.bool_)
    pins = np.zeros((rows + 2, cols + 2), np.float32)  # pinned edges of each unknown
    for i in range(height):
        for j in range(width):
            if not mask[i, j]:
                continue
            inside[i + 1, j + 1] = True
            if i > 0 and pinned[i - 1, j]:
                pins[i + 1, j + 1] += 1
            if i + 1 < height and pinned[i + 1, j]:
                pins[i + 1, j + 1] += 1
            if j > 0 and pinned[i, j - 1]:
                pins[i + 1, j + 1] += 1
            if j + 1 < width and pinned[i, j + 1]:
                pins[i + 1, j + 1] += 1
    for level in range(depth):
        h, w = sizes[level, 0], sizes[level, 1]
        diagonal = diagonals[offsets[level] : offsets[level + 1]].reshape((h, w))
        for i in range(1, h - 1):
            for j in range(1, w - 1):
                if inside[i, j]:
                    near = 0.0
                    near += inside[i - 1, j]
                    near += inside[i + 1, j]
                    near += inside[i, j - 1]
                    near += inside[i, j + 1]
                    diagonal[i, j] = near + pins[i, j]
        if level + 1 == depth:
            break
        # A pinned pixel lies 1/2 + 2^(k-1) fine cells from the centre of a cell of level k, and 1/2 + 2^k on the next.
        near_now, near_next = 0.5 + 0.5 * 2.0**level, 0.5 + 2.0**level
        scale = np.float32(near_now / near_next)
        hc, wc = sizes[level + 1, 0], sizes[level + 1, 1]
        inside_c = np.zeros((hc, wc), np.bool_)
        pins_c = np.zeros((hc, wc), np.float32)
        for i in range(1, h - 1):
            for j in range(1, w - 1):
                if inside[i, j]:
                    ic, jc = (i + 1) >> 1, (j + 1) >> 1
                    inside_c[ic, jc] = True
                    pins_c[ic, jc] += scale * pins[i, j]
        inside, pins = inside_c, pins_c
    return diagonals, offsets, sizes


# The loops below walk row slices, not [i, j ± 1]: without possibly negative indices they compile to SIMD code.


@njit(cache=True)
def _sweep(u, b, d, inverse, weight, out):
    """out = u + weight * D⁻¹ (b - A u); cells that are not unknown have inverse 0 and stay 0."""
    h, w = u.shape
    for i in range(1, h - 1):
        up, down, here = u[i - 1, 1 : w - 1], u[i + 1, 1 : w - 1], u[i, 1 : w - 1]
        left, right = u[i, 0 : w - 2], u[i, 2:w]
        b_row, d_row, inverse_row, out_row = (
            b[i, 1 : w - 1],
            d[i, 1 : w - 1],
            inverse[i, 1 : w - 1],
            out[i, 1 : w - 1],
        )
        for j in range(w - 2):
            near = (up[j] + down[j]) + (left[j] + right[j])
            out_row[j] = here[j] + weight * inverse_row[j] * (b_row[j] + near - d_row[j] * here[j])


@njit(cache=True)
def _residual(u, b, d, inverse, out):
    """out = b - A u on the unknowns, 0 elsewhere."""
    h, w = u.shape
    for i in range(1, h - 1):
        up, down, here = u[i - 1, 1 : w - 1], u[i + 1, 1 : w - 1], u[i, 1 : w - 1]
        left, right = u[i, 0 : w - 2], u[i, 2:w]
        b_row, d_row, inverse_row, out_row = (
            b[i, 1 : w - 1],
            d[i, 1 : w - 1],
            inverse[i, 1 : w - 1],
            out[i, 1 : w - 1],
        )
        for j in range(w - 2):
            near = (up[j] + down[j]) + (left[j] + right[j])
            value = b_row[j] + near - d_row[j] * here[j]
            out_row[j] = value if inverse_row[j] > 0 else np.float32(0)


@njit(cache=True)
def _restrict(r, inverse_coarse, b_coarse):
    """b_coarse = Pᵀ r, with P the bilinear interpolation of :func:`_prolong`: weights (1 3 3 1) × (1 3 3 1) / 16."""
    hc, wc = b_coarse.shape
    three, sixteenth = np.float32(3), np.float32(1 / 16)
    row = np.zeros(
        r.shape[1] + 2, np.float32
    )  # fine column j at j + 1, so that the outermost cells read zeros
    for i in range(1, hc - 1):
        first = r[2 * i - 2]
        second, third = r[2 * i - 1], r[2 * i]
        fourth = r[2 * i + 1]
        inner = row[1 : r.shape[1] + 1]
        for j in range(r.shape[1]):
            inner[j] = (first[j] + fourth[j]) + three * (second[j] + third[j])
        out_row, inverse_row = b_coarse[i], inverse_coarse[i]
        for j in range(1, wc - 1):
            k = 2 * j
            value = ((row[k - 1] + row[k + 2]) + three * (row[k] + row[k + 1])) * sixteenth
            out_row[j] = value if inverse_row[j] > 0 else np.float32(0)


@njit(cache=True)
def _prolong(u_coarse, inverse, u):
    """u += P u_coarse on the unknowns: 9/16 of the own coarse cell, 3/16 of each near one, 1/16 of the diagonal one."""
    hc, wc = u_coarse.shape
    three, sixteenth = np.float32(3), np.float32(1 / 16)
    row = np.zeros(wc, np.float32)
    for i in range(1, 2 * hc - 3):
        ic = (i + 1) >> 1
        own, other = u_coarse[ic], u_coarse[ic + 1 if (i & 1) == 0 else ic - 1]
        for j in range(wc):
            row[j] = (three * own[j] + other[j]) * sixteenth
        u_row, inverse_row = u[i], inverse[i]
        near, before, after = row[1 : wc - 1], row[0 : wc - 2], row[2:wc]
        for j in range(wc - 2):
            odd, even = three * near[j] + before[j], three * near[j] + after[j]
            u_row[2 * j + 1] += odd if inverse_row[2 * j + 1] > 0 else np.float32(0)
            u_row[2 * j + 2] += even if inverse_row[2 * j + 2] > 0 else np.float32(0)


@njit(cache=True)
def _coarsest(u, b, d):
    """Symmetric Gauss–Seidel sweeps on a handful of cells, as good as a direct solve."""
    h, w = u.shape
    u[:] = 0
    for _ in range(12):
        for i in range(1, h - 1):
            for j in range(1, w - 1):
                if d[i, j] > 0:
                    u[i, j] = (b[i, j] + u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]) / d[i, j]
        for i in range(h - 2, 0, -1):
            for j in range(w - 2, 0, -1):
                if d[i, j] > 0:
                    u[i, j] = (b[i, j] + u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]) / d[i, j]


@njit(cache=True)
def _cycle(u, b, t, d, inverse, offsets, sizes):
    """One V-cycle from zero: u[level 0] ≈ A⁻¹ b[level 0]. All arrays are flat over levels; t is scratch."""
    depth = sizes.shape[0]
    for level in range(depth):
        shape, span = (sizes[level, 0], sizes[level, 1]), slice(offsets[level], offsets[level + 1])
        ul, bl, tl, dl = (
            u[span].reshape(shape),
            b[span].reshape(shape),
            t[span].reshape(shape),
            d[span].reshape(shape),
        )
        il = inverse[span].reshape(shape)
        if level + 1 == depth:
            _coarsest(ul, bl, dl)
            break
        flat_t, flat_b, flat_i = t[span], b[span], inverse[span]
        for k in range(flat_t.shape[0]):
            flat_t[k] = np.float32(_FIRST) * flat_b[k] * flat_i[k]
        _sweep(tl, bl, dl, il, np.float32(_SECOND), ul)
        _residual(ul, bl, dl, il, tl)
        below = slice(offsets[level + 1], offsets[level + 2])
        shape_c = (sizes[level + 1, 0], sizes[level + 1, 1])
        _restrict(tl, inverse[below].reshape(shape_c), b[below].reshape(shape_c))
    for level in range(depth - 2, -1, -1):
        shape, span = (sizes[level, 0], sizes[level, 1]), slice(offsets[level], offsets[level + 1])
        ul, bl, tl, dl = (
            u[span].reshape(shape),
            b[span].reshape(shape),
            t[span].reshape(shape),
            d[span].reshape(shape),
        )
        il = inverse[span].reshape(shape)
        below = slice(offsets[level + 1], offsets[level + 2])
        _prolong(u[below].reshape((sizes[level + 1, 0], sizes[level + 1, 1])), il, ul)
        _sweep(ul, bl, dl, il, np.float32(_FIRST), tl)
        _sweep(tl, bl, dl, il, np.float32(_SECOND), ul)


@njit(cache=True)
def _dot(a, b):
    """Dot product with eight fixed partial sums: SIMD code, and the same bits on every machine."""
    total = 0.0
    parts = np.zeros(8, np.float32)
    for start in range(0, a.shape[0] - 1023, 1024):
        x, y = a[start : start + 1024], b[start : start + 1024]
        parts[:] = 0
        for i in range(0, 1024, 8):
            for k in range(8):
                parts[k] += x[i + k] * y[i + k]
        for k in range(8):
            total += parts[k]
    for i in range(a.shape[0] // 1024 * 1024, a.shape[0]):
        total += a[i] * b[i]
    return total


@njit(cache=True)
def _largest(a):
    """Largest magnitude, with eight partial maxima (see :func:`_dot`)."""
    parts = np.zeros(8, np.float32)
    for i in range(0, a.shape[0] - 7, 8):
        for k in range(8):
            value = abs(a[i + k])
            parts[k] = value if value > parts[k] else parts[k]
    for i in range(a.shape[0] // 8 * 8, a.shape[0]):
        parts[0] = max(parts[0], abs(a[i]))
    return parts.max()


@njit(cache=True)
def _solve(right, diagonals, offsets, sizes):
    """Preconditioned conjugate gradients, one colour after the other; returns (H, W, 3) float32."""
    height, width = right.shape[1], right.shape[2]
    h, w = sizes[0, 0], sizes[0, 1]
    n = h * w
    out = np.zeros((height, width, 3), np.float32)
    inverses = np.zeros_like(diagonals)
    for k in range(diagonals.shape[0]):
        if diagonals[k] > 0:
            inverses[k] = np.float32(1) / diagonals[k]
    d, inverse = diagonals[:n].reshape((h, w)), inverses[:n].reshape((h, w))
    z_all, r_all, t_all = np.zeros_like(diagonals), np.zeros_like(diagonals), np.zeros_like(diagonals)
    z, r = z_all[:n], r_all[:n]
    x, p, q, zero = (
        np.zeros(n, np.float32),
        np.zeros(n, np.float32),
        np.zeros(n, np.float32),
        np.zeros((h, w), np.float32),
    )
    for c in range(3):
        x[:] = 0
        p[:] = 0
        r.reshape((h, w))[1 : height + 1, 1 : width + 1] = right[c]
        before = 1.0
        for _ in range(MAX_ITERATIONS):
            _cycle(z_all, r_all, t_all, diagonals, inverses, offsets, sizes)
            if _largest(z) < TOLERANCE:  # the V-cycle's answer to the residual estimates the error
                for k in range(n):
                    x[k] += z[k]
                break
            now = _dot(r, z)
            beta = np.float32(now / before)
            before = now
            for k in range(n):
                p[k] = z[k] + beta * p[k]
            _residual(p.reshape((h, w)), zero, d, inverse, q.reshape((h, w)))  # q = -A p
            alpha = np.float32(-now / _dot(p, q))
            for k in range(n):
                x[k] += alpha * p[k]
                r[k] += alpha * q[k]
        solution = x.reshape((h, w))
        for i in range(height):
            for j in range(width):
                out[i, j, c] = solution[i + 1, j + 1]
    return out
