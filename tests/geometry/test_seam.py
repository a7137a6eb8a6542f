from __future__ import annotations

import numpy as np
import pytest

from models.geometry.seam import border, colour_step, energy_across
from tests.geometry.test_contours import disc

R = 96


def picture(inside: tuple[int, int, int], outside: tuple[int, int, int]) -> np.ndarray:
    return np.where(disc(R, 48, 48, 30)[..., None], inside, outside).astype(np.uint8)


def test_normals_point_out_of_the_mask() -> None:
    points, normals = border(disc(R, 48, 48, 30))
    out = (points - 48) / np.linalg.norm(points - 48, axis=1, keepdims=True)
    assert (normals * out).sum(axis=1).min() > 0.98
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert len(border(np.zeros((R, R), bool))[0]) == 0


def test_energy_is_the_squared_slope_across_and_no_slope_along_counts() -> None:
    mask = np.zeros((R, R), bool)
    mask[:, :48] = True
    points, normals = border(mask)
    ramp = np.broadcast_to((2 * np.arange(R))[None, :, None], (R, R, 3)).astype(np.uint8)
    assert energy_across(ramp, points, normals) == pytest.approx(4.0, rel=0.02)
    along = np.ascontiguousarray(ramp.transpose(1, 0, 2))
    assert energy_across(along, points, normals) < 0.02
    assert np.isnan(energy_across(ramp, points[:0], normals[:0]))


def test_the_colour_step_is_the_difference_of_both_sides() -> None:
    points, normals = border(disc(R, 48, 48, 30))
    everywhere = np.ones((R, R), bool)
    assert colour_step(picture((180, 140, 120), (180, 140, 120)), points, normals, everywhere, 4.0) < 0.1
    grey = colour_step(picture((119, 119, 119), (94, 94, 94)), points, normals, everywhere, 4.0)
    assert grey == pytest.approx(10, abs=0.7), "Lab lightness 50 and 40"


def test_only_skin_on_both_sides_counts() -> None:
    points, normals = border(disc(R, 48, 48, 30))
    half = np.zeros((R, R), bool)
    half[:48] = True
    image = picture((119, 119, 119), (94, 94, 94))
    image[48:] = (0, 255, 0)
    assert colour_step(image, points, normals, half & (np.indices((R, R))[0] < 40), 4.0) < 13
    assert np.isnan(colour_step(image, points, normals, disc(R, 48, 48, 30), 4.0))
