"""Exact masked Poisson blending (paper §3.2, last step of Figure 3; facts §7).

Inside the mask the result has the foreground's gradients, on the mask's rim it meets the background, and outside of it
nothing changes, which ``cv2.seamlessClone`` does not promise. Unknowns are the pixels of the mask, with the five-point
Laplacian. What is solved for is the *correction* to the foreground: it is harmonic, so it is smooth, and multigrid
removes its error by about ten in each iteration.

Three kinds of edges between a mask pixel and its neighbour:

* neighbour in the mask: difference of the two equals that of the foreground (zero if a foreground pixel is not valid);
* neighbour outside the mask: the background pins the value (Dirichlet);
* neighbour outside the image, or marked ``free``: no condition (Neumann).

The solver is :mod:`models.geometry.multigrid`. It runs on one thread and its result depends on nothing but its input.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numba import njit

from models.geometry.multigrid import laplace


def blend(
    foreground: UInt8[np.ndarray, "h w 3"],
    background: UInt8[np.ndarray, "h w 3"],
    mask: Bool[np.ndarray, "h w"],
    valid: Bool[np.ndarray, "h w"] | None = None,
    free: Bool[np.ndarray, "h w"] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Blend the foreground into the background inside the mask; outside of it the background is returned unchanged.

    Args:
        foreground: RGB, read where ``valid``.
        background: RGB, read outside the mask.
        mask: any shape, with several parts, holes, or touching the border. Empty: the background comes back.
        valid: where the foreground is known; by default the mask. An edge with an unknown end has gradient zero.
        free: background pixels that do not pin the face, such as hair in front of it. A part of the mask that
            only free pixels surround is pinned by them after all, because nothing else could decide its colour.
            If the mask is the whole image there is nothing to pin to, and the foreground comes back.

    Raises:
        ValueError: the arrays do not fit together.
    """
    if foreground.shape != background.shape or foreground.ndim != 3 or mask.shape != foreground.shape[:2]:
        msg = (
            f"blend needs foreground and background (H, W, 3) and mask (H, W) of one size, got {foreground.shape}, "
            f"{background.shape} and {mask.shape}; resize them to the same image side."
        )
        raise ValueError(msg)
    if not mask.any():
        return background.copy()
    if mask.all():
        return foreground.copy()
    known = mask if valid is None else valid
    pinned = ~mask if free is None else _pinned(mask, free)
    correction = solve(foreground, background, mask, known, pinned)
    out = background.copy()
    changed = _compose(foreground, background, mask, known, correction, out)
    if changed:  # the promise that strictly aligned pairs stand on
        msg = f"blend changed {changed} pixels outside its mask, which its code rules out; report this."
        raise AssertionError(msg)
    return out


def solve(
    foreground: UInt8[np.ndarray, "h w 3"],
    background: UInt8[np.ndarray, "h w 3"],
    mask: Bool[np.ndarray, "h w"],
    valid: Bool[np.ndarray, "h w"],
    pinned: Bool[np.ndarray, "h w"],
) -> Float[np.ndarray, "h w 3"]:
    """The unrounded correction (float32, grey levels) that :func:`blend` adds to the foreground; 0 outside the mask."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = max(rows[0] - 1, 0), max(cols[0] - 1, 0)
    box = np.s_[top : rows[-1] + 2, left : cols[-1] + 2]
    part, pins = np.ascontiguousarray(mask[box]), np.ascontiguousarray(pinned[box])
    right = _right_side(foreground[box], background[box], part, valid[box], pins)
    out = np.zeros((*mask.shape, 3), np.float32)
    out[box] = laplace(right, part, pins)
    return out


def rim(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels outside the mask with a 4-neighbour in it."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return (cv2.dilate(mask.astype(np.uint8), cross) > 0) & ~mask


def _pinned(mask: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Pixels outside the mask that give a boundary value: not free, except around parts that have no other."""
    pinned = ~mask & ~free
    count, label = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    anchored = np.zeros(count, bool)
    for a, b in ((np.s_[:-1], np.s_[1:]), (np.s_[1:], np.s_[:-1])):
        anchored[label[a][pinned[b]]] = True
        anchored[label[:, a][pinned[:, b]]] = True
    anchored[0] = True
    return pinned if anchored.all() else pinned | rim(~anchored[label])


@njit(cache=True)
def _right_side(foreground, background, mask, valid, pinned):
    """What the equations of the correction ask for: (3, H, W) float32, zero except along the rim and unknown pixels."""
    height, width = mask.shape
    right = np.zeros((3, height, width), np.float32)
    for i in range(height):
        for j in range(width):
            if not mask[i, j]:
                continue
            for k in range(4):
                y, x = i, j
                if k == 0:
                    y -= 1
                elif k == 1:
                    y += 1
                elif k == 2:
                    x -= 1
                else:
                    x += 1
                if y < 0 or x < 0 or y >= height or x >= width:
                    continue
                ends = valid[i, j] and valid[y, x]
                for c in range(3):
                    here = np.float32(foreground[i, j, c]) if valid[i, j] else np.float32(0)
                    there = np.float32(foreground[y, x, c]) if valid[y, x] else np.float32(0)
                    gradient = here - there if ends else np.float32(0)
                    if mask[y, x]:
                        right[c, i, j] += gradient - (here - there)
                    elif pinned[y, x]:
                        right[c, i, j] += np.float32(background[y, x, c]) + gradient - here
    return right


@njit(cache=True)
def _compose(foreground, background, mask, valid, correction, out):
    """Round foreground + correction into ``out`` inside the mask; returns how many other pixels differ from before."""
    changed = 0
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            for c in range(3):
                if mask[i, j]:
                    base = np.float32(foreground[i, j, c]) if valid[i, j] else np.float32(0)
                    level = np.rint(base + correction[i, j, c])
                    out[i, j, c] = np.uint8(min(max(level, np.float32(0)), np.float32(255)))
                elif out[i, j, c] != background[i, j, c]:
                    changed += 1
    return changed
