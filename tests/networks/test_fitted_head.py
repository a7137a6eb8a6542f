"""What is told of a fitted head is true, and a face that is not there gives none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import trimesh

from assets.registry import asset_path, default_head
from models.networks.face_landmarker import FaceLandmarker
from models.networks.fitted_head import CHANNELS, HeadFitter, Posed, told

RADIUS = 0.5


@pytest.fixture(scope="module")
def ball() -> Posed:
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    return Posed(np.array(sphere.vertices), np.array(sphere.faces, np.int32))


def test_maps_are_depth_normal_and_coverage(ball: Posed) -> None:
    maps = ball.maps(64)
    axis = (2 * np.arange(64) + 1) / 64 - 1
    x, y = np.meshgrid(axis, -axis)
    inside = np.hypot(x, y) < RADIUS - 0.03
    z = np.sqrt(np.maximum(RADIUS**2 - x**2 - y**2, 0))
    assert np.allclose(maps[..., 0][inside], z[inside], atol=0.01)
    assert np.allclose(maps[..., 1:4][inside], (np.stack([x, y, z], -1) / RADIUS)[inside], atol=0.05)
    assert (maps[..., 4][inside] == 1).all()
    assert (maps[np.hypot(x, y) > RADIUS + 0.03] == 0).all()


def test_beside_the_head_its_nearest_depth_is_told(ball: Posed) -> None:
    maps = ball.maps(64)
    found = told(maps)
    assert found.shape == (CHANNELS, 64, 64)
    assert np.array_equal(found[1:], maps.transpose(2, 0, 1)[1:])
    covered = maps[..., 4] == 1
    assert np.array_equal(found[0][covered], maps[..., 0][covered])
    row = np.nonzero(covered[32])[0]
    assert (found[0, 32, : row[0]] == maps[32, row[0], 0]).all()


def test_nothing_is_told_where_no_head_is() -> None:
    assert (told(np.zeros((8, 8, CHANNELS), np.float32)) == 0).all()


@pytest.fixture(scope="module")
def fitter() -> HeadFitter:
    return HeadFitter(FaceLandmarker(asset_path("face_landmarker"), smallest=32.0), default_head())


def test_a_portrait_has_a_head_in_the_cube(fitter: HeadFitter) -> None:
    image = cv2.imread(str(asset_path("astronaut")))[..., ::-1][:256, 96:352]
    found = fitter(np.ascontiguousarray(image))
    assert found is not None
    assert found.vertices.shape == default_head().mean.shape
    assert (np.abs(found.vertices[:, :2]) < 1.5).all()


def test_a_wall_has_none(fitter: HeadFitter) -> None:
    assert fitter(np.full((128, 128, 3), 120, np.uint8)) is None
