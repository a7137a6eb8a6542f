"""Surfaces that are moved to the normals of hills, whose heights are known."""

from __future__ import annotations

import numpy as np
import pytest

from models.geometry.camera import voxel_centres
from models.geometry.integrate import heights, integrate_front
from models.geometry.surface import carve, clean, level_set

SIDE, WIDE, HIGH = 96, 0.08, 0.03


def hill() -> tuple[np.ndarray, np.ndarray]:
    """Heights and unit normals (x right, y up, z to the viewer) of a gaussian hill."""
    axis = voxel_centres(SIDE)
    x, y = np.meshgrid(axis, -axis)
    z = HIGH * np.exp(-((x - 0.1) ** 2 + (y + 0.15) ** 2) / (2 * WIDE**2))
    normals = np.stack([z * (x - 0.1) / WIDE**2, z * (y + 0.15) / WIDE**2, np.ones_like(x)], -1)
    return z, (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32)


def flat() -> np.ndarray:
    return np.broadcast_to(np.float32([0, 0, 1]), (SIDE, SIDE, 3))


def test_the_hill_comes_out_of_its_normals() -> None:
    z, normals = hill()
    found = heights(normals, flat(), np.ones((SIDE, SIDE), bool), screen=1e-6)
    assert np.abs((found - found.min()) - z).max() < 0.03 * HIGH


def test_equal_normals_move_nothing() -> None:
    _, normals = hill()
    assert np.abs(heights(normals, normals, np.ones((SIDE, SIDE), bool))).max() < 1e-7
    assert not heights(normals, flat(), np.zeros((SIDE, SIDE), bool)).any()


def test_the_screen_keeps_what_is_wide() -> None:
    _, normals = hill()
    sizes = [np.ptp(heights(normals, flat(), np.ones((SIDE, SIDE), bool), s)) for s in (1e-5, 1e-2, 1)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_the_front_of_a_field_gets_the_hill_and_the_back_stays() -> None:
    z, normals = hill()
    axis = voxel_centres(SIDE).astype(np.float32)
    slab = np.broadcast_to(np.abs(axis[None, None]) - 0.5, (SIDE,) * 3).astype(np.float32)
    face = np.zeros((SIDE, SIDE), bool)
    face[12:-12, 12:-12] = True
    before, _ = level_set(clean(slab, face))
    moved, _ = level_set(clean(integrate_front(slab, normals, face), face))
    carved, _ = level_set(clean(carve(slab, normals, np.zeros_like(normals), face), face))
    risen = moved[:, 2].max() - before[:, 2].max()
    assert 0.3 * HIGH < risen < 1.1 * HIGH
    assert risen > carved[:, 2].max() - before[:, 2].max()
    top = moved[moved[:, 2].argmax()]
    assert top[:2] == pytest.approx([0.1, -0.15], abs=0.04)
    assert moved[:, 2].min() == pytest.approx(before[:, 2].min(), abs=1e-6)
    assert z.max() <= HIGH
