"""Turning a pose adds to its yaw and to nothing else, about an axis through the neck."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from models.geometry.camera import ScaledOrtho
from models.geometry.turn import neck_axis, turn_matrix, turn_points, turned_camera
from models.heads.regions import Region
from models.heads.synthetic import synthetic_head

PIVOT = np.array([0.0, -100.0, -16.0])
angles = st.floats(-40, 40)


def camera(yaw: float, pitch: float, roll: float) -> ScaledOrtho:
    rotation = Rotation.from_euler("ZYX", [roll, yaw, -pitch], degrees=True).as_matrix()
    return ScaledOrtho(1 / 140, rotation, np.array([0.1, -0.05]))


@settings(max_examples=60, deadline=None)
@given(angles, angles, angles, st.floats(-45, 45))
def test_yaw_grows_by_the_turn_and_pitch_and_roll_stay(yaw, pitch, roll, degrees):
    before = camera(yaw, pitch, roll)
    after = turned_camera(before, degrees, PIVOT)
    if abs(before.angles[0] + degrees) < 89:
        np.testing.assert_allclose(after.angles, np.add(before.angles, (degrees, 0, 0)), atol=1e-6)
    np.testing.assert_allclose(after.rotation @ after.rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(before.to_pixel(PIVOT, 256), after.to_pixel(PIVOT, 256), atol=1e-9)
    back = turned_camera(after, -degrees, PIVOT)
    np.testing.assert_allclose(back.rotation, before.rotation, atol=1e-9)
    np.testing.assert_allclose(back.translation, before.translation, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(angles, angles, angles, st.floats(-80, 80))
def test_points_that_take_the_whole_turn_move_with_the_head(yaw, pitch, roll, degrees):
    points = np.random.default_rng(0).normal(0, 60, (20, 3))
    before = camera(yaw, pitch, roll)
    turned = turn_points(before.to_cube(points), before, degrees, PIVOT, np.ones(20))
    np.testing.assert_allclose(turned, turned_camera(before, degrees, PIVOT).to_cube(points), atol=1e-5)


def test_points_without_a_share_stay():
    before = camera(10, 5, -8)
    points = before.to_cube(np.random.default_rng(1).normal(0, 60, (9, 3)))
    turned = turn_points(points, before, 50, PIVOT, np.zeros(9))
    np.testing.assert_allclose(turned[:, :2], points[:, :2], atol=1e-6)


def test_a_positive_turn_looks_to_image_right():
    nose = turn_matrix(camera(0, 0, 0), 30) @ np.array([0, 0, 1.0])
    np.testing.assert_allclose(nose, [0.5, 0, np.sqrt(0.75)], atol=1e-12)


def test_the_axis_is_the_middle_of_the_neck():
    head = synthetic_head()
    region = np.where(head.mean[:, 1] < -90, Region.NECK, Region.SKIN).astype(np.uint8)
    head = replace(head, vertex_region=region)
    np.testing.assert_allclose(neck_axis(head)[1:], head.mean[region == Region.NECK, 1:].mean(axis=0))
    assert neck_axis(head)[0] == 0
    without = replace(head, vertex_region=np.full(len(region), Region.SKIN, np.uint8))
    np.testing.assert_array_equal(neck_axis(without), 0)
