"""Truths that are compared with more than once, on spheres whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.camera import ScaledOrtho
from models.geometry.metrics import compare_in_cube
from models.geometry.truth import CameraTruth, CubeTruth
from tests.geometry.balls import sphere

POSE = ScaledOrtho(1 / 130, np.eye(3), np.zeros(2))
FOCAL, AWAY = 4.7, 1480.0


def in_cube(radius: float) -> CubeTruth:
    points, faces = sphere(radius)
    return CubeTruth(POSE.to_cube(points).astype(np.float32), faces, np.ones(len(faces), bool), POSE)


def before_camera(radius: float, centre: tuple[float, float, float] = (0, 0, -AWAY)) -> CameraTruth:
    points, faces = sphere(radius)
    front = points[faces][..., 2].mean(1) > 10
    return CameraTruth(points + centre, faces, front, np.eye(3), np.array(centre), FOCAL)


def test_the_score_is_that_of_the_plain_comparison() -> None:
    truth = in_cube(80)
    points, faces = sphere(83)
    made = POSE.to_cube(points + np.array([1, 0, 9])).astype(np.float32)
    plain = compare_in_cube(made, faces, truth.vertices, truth.faces, truth.counted, POSE)
    first, second = truth.score(made, faces), truth.score(made, faces)
    assert first == second
    for name in ("cd", "mne", "angle", "cr"):
        assert getattr(first, name) == pytest.approx(getattr(plain, name), rel=1e-6)


def test_distances_are_millimetres_to_what_counts() -> None:
    truth = in_cube(80)
    assert truth.distances(np.array([[0, 0, 85.0], [0, 0, 78.0]])) == pytest.approx([5, 2], abs=0.15)


@given(st.floats(-0.15, 0.15))
@settings(max_examples=5, deadline=None)
def test_depth_before_a_camera_is_aligned_by_scaling_from_it(shift: float) -> None:
    """What was only scaled from the camera's centre looks the same, so nothing is left of it."""
    truth = before_camera(80)
    scaled = truth.vertices * (1 + shift)
    # An orthographic method that sees the same picture gives x and y of the picture, and depth in the same unit.
    depth = truth.depth[truth.depth > 0].mean()
    cube = truth.vertices / (depth / (2 * FOCAL))
    scores = truth.score(cube, truth.faces)
    assert scores.cr > 99.5
    mean = float(truth.depth[truth.depth > 0].mean())
    ours = truth._depth(scaled, truth.faces)
    dz = float(np.median((truth.depth - ours)[(truth.depth > 0) & (ours > 0)]))
    assert mean / (mean - dz) * (1 + shift) == pytest.approx(1, abs=0.005)


def test_a_sphere_through_the_orthographic_camera_is_a_sphere_again() -> None:
    truth = before_camera(80)
    points, faces = sphere(80)
    # The picture shows the silhouette: its radius in the cube, times depth over twice the focal length.
    cube = (points / (AWAY / (2 * FOCAL))).astype(np.float32)
    scores = truth.score(cube, faces)
    assert scores.cd < 0.7
    assert scores.angle < 0.02
    worse = truth.score(cube * np.float32(1.05), faces)
    assert worse.cd > scores.cd + 1


def test_what_shares_no_pixel_or_lies_behind_the_camera_is_refused() -> None:
    points, faces = sphere(10)
    with pytest.raises(ValueError, match="share none of"):
        in_cube(20).score(POSE.to_cube(points + np.array([100, 100, 0])).astype(np.float32), faces)
    with pytest.raises(ValueError, match="behind the camera"):
        _ = before_camera(80, (0, 0, 20)).depth
