"""Own shadow: none on a convex body, the right one in a cavity, and the same whatever frame it is asked in."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.light import ambient, basis
from models.geometry.normals import vertex_normals
from models.geometry.occlusion import COSINE, head_occlusion, self_occlusion, sphere_directions
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head()
SKIN = np.array([0.46, 0.27, 0.19])
DENT = np.exp(-((np.linalg.norm(HEAD.mean - [0, -38, 92], axis=1) / 22) ** 2))
DENTED = dataclasses.replace(
    HEAD, mean=HEAD.mean - 45 * DENT[:, None] * np.float32([0, 0, 1])
)  # a deep mouth


def _ball(rows=24, columns=32):
    polar, around = np.linspace(0, np.pi, rows)[1:-1], np.arange(columns) * 2 * np.pi / columns
    ring = np.stack(
        np.broadcast_arrays(
            np.sin(polar)[:, None] * np.sin(around),
            np.cos(polar)[:, None],
            np.sin(polar)[:, None] * np.cos(around),
        ),
        -1,
    ).reshape(-1, 3)
    points = np.concatenate([ring, [[0, 1, 0], [0, -1, 0]]])
    grid = np.arange(len(ring)).reshape(rows - 2, columns)
    faces = []
    for j in range(columns):
        k = (j + 1) % columns
        for i in range(rows - 3):
            faces += [(grid[i, j], grid[i + 1, j], grid[i + 1, k]), (grid[i, j], grid[i + 1, k], grid[i, k])]
        faces += [(len(ring), grid[0, j], grid[0, k]), (len(ring) + 1, grid[-1, k], grid[-1, j])]
    return points, np.array(faces, np.int32)


def _lamp(direction):
    """Harmonics of a lamp whose shading of a surface that faces it is about 1."""
    direction = np.asarray(direction, float) / np.linalg.norm(direction)
    return np.repeat((np.pi * basis(direction) * COSINE)[:, None], 3, axis=1).astype(np.float32)


def _turn(yaw, pitch):
    c, s, d, t = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    return np.array([[1, 0, 0], [0, d, -t], [0, t, d]]) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def test_a_convex_ball_hides_nothing_from_itself():
    points, faces = _ball()
    ball = self_occlusion(points, faces, 200, 256)
    assert ball.covered.max() < 0.02
    assert np.abs(ball.blocked).max() < 0.05
    assert np.abs(ball.shading(_lamp([0.3, 1, 0.5]), SKIN)).max() < 0.05


def test_a_wall_hides_the_half_of_the_sky_that_lies_behind_it():
    # A thin floor and a high wall that rises from it: right before it half of the cosine-weighted sky is gone.
    floor = np.array([[x, -0.01, z] for x in (0.5, 1.5) for z in (-1.0, 0.0, 1.0)])
    wall = np.array([[0, y, z] for y in (-0.01, 9.0) for z in (-9.0, 9.0)])
    faces = np.array([[0, 1, 3], [1, 4, 3], [1, 2, 4], [2, 5, 4], [6, 7, 8], [7, 9, 8], [6, 8, 7], [7, 8, 9]])
    at = self_occlusion(np.concatenate([floor, wall]), faces.astype(np.int32), 800, 384)
    assert at.covered[1] == pytest.approx(0.5, abs=0.07)
    assert at.shading(ambient(np.ones(3)), np.zeros(3))[1] == pytest.approx(-0.5, abs=0.07)
    from_wall, from_free = (at.shading(_lamp(d), np.zeros(3))[1] for d in ([-1, 1, 0], [1, 1, 0]))
    assert (from_wall < from_free - 0.3).all()


def test_under_a_top_light_chin_and_brows_shade_what_is_below_them():
    own = head_occlusion(HEAD)
    light = _lamp([0, 1, 0.4])
    convex = basis(vertex_normals(HEAD.mean, HEAD.faces)) @ light
    shaded = convex + own.shading(light, np.zeros(3))
    under_nose = np.linalg.norm(HEAD.mean - [0, -22, 90], axis=1) < 14
    forehead = np.linalg.norm(HEAD.mean - [0, 70, 75], axis=1) < 20
    assert shaded[under_nose].mean() < 0.93 * convex[under_nose].mean()
    np.testing.assert_allclose(shaded[forehead], convex[forehead], atol=0.02)


@settings(max_examples=10, deadline=None)
@given(yaw=st.floats(-1.5, 1.5), pitch=st.floats(-1, 1), seed=st.integers(0, 99))
def test_a_turned_head_under_a_turned_light_looks_the_same(yaw, pitch, seed):
    own = head_occlusion(HEAD)
    turn = _turn(yaw, pitch)
    direction = np.random.default_rng(seed).normal(size=3)
    direction /= np.linalg.norm(direction)
    posed = own.posed(turn)
    np.testing.assert_allclose(
        posed.shading(_lamp(turn @ direction), SKIN), own.shading(_lamp(direction), SKIN), atol=2e-3
    )
    np.testing.assert_allclose(posed.toward(turn @ direction), own.toward(direction), atol=1e-5)


def test_the_design_is_the_shading_as_a_linear_function_of_the_light():
    own = head_occlusion(DENTED)
    lamp = _lamp([0, 1, 0.3])
    corners, bary = HEAD.faces[::7], np.full((len(HEAD.faces[::7]), 3), 1 / 3, np.float32)
    linear = np.einsum("nkc,kc->nc", own.design(corners, bary, SKIN), lamp)
    lost = (own.blocked[corners] @ lamp < 0).all(axis=1)  # elsewhere the shading is clipped: order 2 rings
    direct = own.shading(lamp, SKIN)[corners].mean(1)
    assert (linear[lost] < -0.05).any()
    np.testing.assert_allclose(linear[lost], direct[lost], atol=0.03)


def test_light_between_walls_brightens_a_cavity_but_never_beyond_the_open_sky():
    own = head_occlusion(DENTED)
    even = ambient(np.ones(3))
    black, skin = own.shading(even, np.zeros(3)), own.shading(even, SKIN)
    deep = own.covered > 0.1
    assert deep.any()
    assert (skin[deep] > black[deep]).all()
    assert (skin <= 0.01).all()
    assert (skin[deep, 0] > skin[deep, 2]).all()  # and reddens it


def test_directions_cover_the_sphere_evenly_and_a_head_is_measured_once():
    rows = basis(sphere_directions(400))
    np.testing.assert_allclose(rows.T @ rows * 4 * np.pi / 400, np.eye(9), atol=0.02)
    assert head_occlusion(HEAD) is head_occlusion(HEAD)
    other = head_occlusion(dataclasses.replace(HEAD, mean=HEAD.mean * 1.1))
    assert other is not head_occlusion(HEAD)
    np.testing.assert_allclose(other.covered, head_occlusion(HEAD).covered, atol=0.02)
