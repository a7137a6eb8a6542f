"""The benchmark's measures on surfaces whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.camera import ScaledOrtho
from models.geometry.metrics import (
    compare,
    compare_in_cube,
    cylinder_map,
    depth_shift,
    from_cube,
    masked_mesh,
    quirky_angle,
    true_angle,
)

POSE = ScaledOrtho(1 / 130, np.eye(3), np.zeros(2))


def sphere(radius: float, n: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude sphere around the origin, CCW from outside; its poles lie on the y axis."""
    polar = np.linspace(0, np.pi, n)
    around = np.linspace(0, 2 * np.pi, 2 * n, endpoint=False)
    p, a = np.meshgrid(polar, around, indexing="ij")
    points = radius * np.stack([np.sin(p) * np.sin(a), np.cos(p), np.sin(p) * np.cos(a)], -1)
    i, j = np.meshgrid(np.arange(n - 1), np.arange(2 * n), indexing="ij")
    a0, a1 = i * 2 * n + j, i * 2 * n + (j + 1) % (2 * n)
    b0, b1 = a0 + 2 * n, a1 + 2 * n
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a0, b0, a1), (a1, b0, b1))])
    return points.reshape(-1, 3).astype(np.float32), faces.astype(np.int32)


def every(mesh: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return np.ones(len(mesh[1]), bool)


def test_only_counted_triangles_make_the_region() -> None:
    points, faces = sphere(90)
    front = points[faces][..., 2].mean(1) > 0
    worse = points.copy()
    worse[points[:, 2] < -5] *= 1.1
    assert compare(worse, faces, points, faces, front).cd < 0.2
    assert compare(worse, faces, points, faces, ~front).cd > 5
    # A reconstruction of the counted part alone is complete.
    assert compare(points, faces[front], points, faces, front).cr == 100.0


def test_a_surface_against_itself_is_perfect() -> None:
    mesh = sphere(90)
    scores = compare(*mesh, *mesh, every(mesh))
    assert scores.cr == 100.0
    assert scores.cd < 1e-4
    assert scores.mne < 1e-6
    assert scores.angle < 1e-6


@pytest.mark.parametrize("gap", [0.5, 2.0, 5.0])
def test_concentric_spheres_are_their_difference_of_radius_apart(gap: float) -> None:
    scores = compare(*sphere(90 + gap), *sphere(90), every(sphere(90)))
    assert scores.cd == pytest.approx(gap, rel=0.05)  # rims of the polar caps are open
    assert scores.angle < 0.01 * gap  # a level ray meets the larger sphere at another latitude


def test_the_cylinder_has_no_seam() -> None:
    view = cylinder_map(*sphere(90))
    middle = view.hit[128]
    assert middle.all()
    assert np.allclose(np.linalg.norm(view.points[128], axis=-1), 90, atol=0.1)


def test_rays_go_to_the_angle_and_height_of_their_cell() -> None:
    view = cylinder_map(*sphere(90))
    front = view.points[100, 127:129].mean(0)  # between the two middle columns lies the front
    assert abs(front[0]) < 0.1
    assert front[2] > 0
    assert front[1] == pytest.approx(150 - 100 * 300 / 255, abs=1e-6)


def test_the_outermost_hit_counts() -> None:
    (inner, faces), (outer, more) = sphere(60), sphere(90)
    both = cylinder_map(np.concatenate([inner, outer]), np.concatenate([faces, more + len(inner)]))
    middle = both.points[128]
    assert np.allclose(np.linalg.norm(middle, axis=-1), 90, atol=0.1)


def test_a_missing_half_halves_the_completeness() -> None:
    points, faces = sphere(90)
    front = faces[points[faces][..., 2].mean(1) > 0]
    scores = compare(points, front, points, faces, np.ones(len(faces), bool))
    assert scores.cr == pytest.approx(50, abs=1.5)
    assert scores.cd < 0.05


def test_jumps_of_the_radius_are_no_surface() -> None:
    points, faces = sphere(90)
    view = cylinder_map(points * np.where(points[:, 1:2] > 0, 1, 0.5).astype(np.float32), faces)
    mesh, triangles = masked_mesh(view, view.hit)
    radius = np.hypot(mesh[:, 0], mesh[:, 2])
    assert np.ptp(radius[triangles], axis=1).max() < 15


@given(st.floats(-0.2, 0.2))
@settings(max_examples=10, deadline=None)
def test_depth_is_aligned_whatever_it_was(shift: float) -> None:
    points, faces = sphere(0.6)
    moved = points + np.float32([0, 0, shift])
    assert depth_shift(moved, faces, points, faces) == pytest.approx(-shift, abs=1e-3)


def test_only_depth_is_aligned() -> None:
    points, faces = sphere(0.6)
    aside = points + np.float32([0.02, 0, 0])
    straight = compare_in_cube(
        points + np.float32([0, 0, 0.1]), faces, points, faces, np.ones(len(faces), bool), POSE
    )
    assert straight.cd < 0.01
    scores = compare_in_cube(aside, faces, points, faces, np.ones(len(faces), bool), POSE)
    assert scores.cd > 0.5


def test_meshes_that_share_no_pixel_are_refused() -> None:
    points, faces = sphere(0.2)
    with pytest.raises(ValueError, match="share none of"):
        depth_shift(points + np.float32([0.6, 0, 0]), faces, points - np.float32([0.6, 0, 0]), faces)


def test_from_cube_inverts_the_pose() -> None:
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    pose = ScaledOrtho(0.007, turn * np.sign(np.linalg.det(turn)), np.array([0.1, -0.05]))
    points = rng.normal(size=(20, 3)) * 80
    assert np.allclose(from_cube(pose.to_cube(points), pose), points)


def test_angles_of_known_normals() -> None:
    x, y = np.array([[1.0, 0, 0]]), np.array([[0, 1.0, 0]])
    assert true_angle(x, y)[0] == pytest.approx(np.pi / 2)
    assert true_angle(x, x)[0] == 0
    assert quirky_angle(x, x)[0] == 0
    # (2, 1, 1) against (1, 2, 1): cos = 5 / 6.
    assert quirky_angle(x, y)[0] == pytest.approx(np.arccos(5 / 6))
