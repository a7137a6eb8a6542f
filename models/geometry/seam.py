"""What a blend's border looks like: gradient energy across it, and the step of the skin's colour over it."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from models.geometry.contours import contour

NORMAL_SMOOTH = 2.0  # pixels: the direction across a border is that of its course, not of its stairs


def border(mask: Bool[np.ndarray, "R R"]) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
    """Points of a mask's border (pixels, u right and v down) and unit normals out of the mask."""
    points = contour(mask)
    field = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), NORMAL_SMOOTH)
    slope = np.stack([_sample(np.gradient(field, axis=axis), points) for axis in (1, 0)], axis=-1)
    length = np.linalg.norm(slope, axis=-1, keepdims=True)
    sure = length[:, 0] > 1e-4
    return points[sure], -slope[sure] / length[sure]


def energy_across(
    image: UInt8[np.ndarray, "R R 3"], points: Float[np.ndarray, "n 2"], normals: Float[np.ndarray, "n 2"]
) -> float:
    """Mean squared slope of the grey picture along the normals, (grey levels a pixel)²; NaN without points."""
    if not len(points):
        return float("nan")
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    slope = (_sample(grey, points + normals) - _sample(grey, points - normals)) / 2
    return float((slope.astype(np.float64) ** 2).mean())


def colour_step(
    image: UInt8[np.ndarray, "R R 3"],
    points: Float[np.ndarray, "n 2"],
    normals: Float[np.ndarray, "n 2"],
    skin: Bool[np.ndarray, "R R"],
    reach: float,
) -> float:
    """Mean CIE76 difference of the colours ``reach`` pixels inside and outside of a border.

    Only where both are skin; NaN when fewer than 20 points are. Colours are means over ``reach`` pixels, so pores and
    noise do not count.
    """
    inside, outside = points - reach * normals, points + reach * normals
    both = (_sample(skin.astype(np.float32), inside) > 0.99) & (
        _sample(skin.astype(np.float32), outside) > 0.99
    )
    if int(both.sum()) < 20:
        return float("nan")
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab = np.asarray(cv2.GaussianBlur(lab, (0, 0), reach / 2))
    step = np.stack(
        [_sample(lab[..., k], outside[both]) - _sample(lab[..., k], inside[both]) for k in range(3)]
    )
    return float(np.linalg.norm(step.astype(np.float64), axis=0).mean())


def _sample(field: Float[np.ndarray, "R R"], points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    """Bilinear values at points; pixel centres are at halves."""
    if not len(points):
        return np.zeros(0, np.float32)
    # OpenCV's remap takes at most 32767 points in one direction.
    where = (points - 0.5).astype(np.float32)
    field, edge = field.astype(np.float32), cv2.BORDER_REPLICATE
    values = [
        cv2.remap(field, part[None, :, 0], part[None, :, 1], cv2.INTER_LINEAR, borderMode=edge)[0]
        for part in np.array_split(where, -(-len(where) // 30000))
    ]
    return np.concatenate(values)
