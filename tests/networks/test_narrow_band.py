"""The narrow band against dense evaluation, on fields that are clipped as trained ones are."""

from __future__ import annotations

import numpy as np
import pytest

from models.geometry.camera import voxel_centres
from models.geometry.surface import level_set
from models.networks.narrow_band import evaluate_band

N = 128


def ellipsoid(points: np.ndarray) -> np.ndarray:
    """Distance-like field of a bumpy ellipsoid, clipped at 0.08 (five voxels of 128)."""
    scaled = points / [0.5, 0.65, 0.55]
    radius = np.linalg.norm(scaled, axis=-1)
    bumps = 0.01 * np.sin(20 * points[..., 0]) * np.sin(20 * points[..., 1])
    return np.clip(0.5 * (radius - 1) + bumps, -0.08, 0.08).astype(np.float32)


@pytest.fixture(scope="module")
def dense() -> np.ndarray:
    axis = voxel_centres(N)
    return ellipsoid(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).astype(np.float32))


def test_the_surface_is_that_of_dense_evaluation(dense: np.ndarray) -> None:
    band = evaluate_band(ellipsoid, np.ones((N, N), bool))
    ours, _ = level_set(band.field)
    theirs, _ = level_set(dense)
    assert np.array_equal(np.unique(ours, axis=0), np.unique(theirs, axis=0))


def test_few_points_are_asked_for(dense: np.ndarray) -> None:
    columns = np.zeros((N, N), bool)
    columns[40:88, 40:88] = True
    band = evaluate_band(ellipsoid, columns)
    assert band.asked < dense.size / 10
    inside = columns[:, :, None] & (np.abs(dense) < 1 / N)
    assert np.array_equal(band.field[inside], dense[inside])


def test_columns_outside_are_outside() -> None:
    columns = np.zeros((N, N), bool)
    columns[:64] = True
    field = evaluate_band(ellipsoid, columns).field
    assert (field[64:] == 1).all()


def test_chunks_change_nothing() -> None:
    columns = np.ones((N, N), bool)
    assert np.array_equal(
        evaluate_band(ellipsoid, columns, chunk=1000).field, evaluate_band(ellipsoid, columns).field
    )


def test_no_column_is_an_empty_field() -> None:
    band = evaluate_band(ellipsoid, np.zeros((N, N), bool))
    assert band.asked == 0
    assert (band.field == 1).all()
