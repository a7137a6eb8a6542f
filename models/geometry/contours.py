"""Contours of masks as points between pixels, and how far two contours are apart."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

SMOOTH = 0.8  # pixels: takes the stairs off a contour, and moves a circle of radius 10 by 0.03
KEEP = 0.9  # share of the distances that count; the rest are ends of open contours and strays


def contour(mask: Bool[np.ndarray, "R R"], smooth: float = SMOOTH) -> Float[np.ndarray, "n 2"]:
    """Points (u right, v down, pixels) where the smoothed mask crosses one half between neighbouring pixel centres.

    The border of the picture is no contour.
    """
    field = mask.astype(np.float32)
    if smooth > 0:
        field = np.asarray(cv2.GaussianBlur(field, (0, 0), smooth, borderType=cv2.BORDER_REPLICATE))
    points = []
    for axis in (0, 1):
        low, high = (field[:-1], field[1:]) if axis == 0 else (field[:, :-1], field[:, 1:])
        rows, columns = np.nonzero((low > 0.5) != (high > 0.5))
        a, b = low[rows, columns].astype(np.float64), high[rows, columns].astype(np.float64)
        share = (0.5 - a) / (b - a)
        step = np.stack(
            [np.zeros_like(share), share] if axis == 0 else [share, np.zeros_like(share)], axis=-1
        )
        points.append(np.stack([columns, rows], axis=-1) + 0.5 + step)
    return np.concatenate(points)


def at(mask: Bool[np.ndarray, "R R"], points: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    """The mask in the pixels that points lie in."""
    limit = np.array([mask.shape[1] - 1, mask.shape[0] - 1])
    columns, rows = np.clip(np.floor(points).astype(np.int64), 0, limit).T
    return mask[rows, columns]


def grown(mask: Bool[np.ndarray, "R R"], radius: float) -> Bool[np.ndarray, "R R"]:
    """All pixels within ``radius`` pixels of the mask."""
    if not mask.any():
        return mask.copy()
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away <= radius)


def trimmed_distance(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "m 2"], keep: float = KEEP) -> float:
    """Symmetric distance of two contours: from each point to the nearest of the other, trimmed mean, both ways alike.

    NaN when one of them has no points.
    """
    if not len(a) or not len(b):
        return float("nan")
    return (_one_way(a, b, keep) + _one_way(b, a, keep)) / 2


def _one_way(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "m 2"], keep: float) -> float:
    away = np.sort(cKDTree(b).query(a)[0])
    return float(away[: max(1, round(keep * len(away)))].mean())
