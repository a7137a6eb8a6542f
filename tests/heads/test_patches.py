"""Point-normal patches: exact on corners, turn with the head, near a sphere where flat triangles are not."""

import numpy as np

from models.geometry.camera import ScaledOrtho
from models.geometry.normals import vertex_normals
from models.heads.patches import patch_points
from models.heads.refine import refine_face
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head(0)
FINE = refine_face(HEAD, 4.0)


def patch_reference(p, n, bary):
    """The control points of the paper one by one, for one triangle: p, n (3, 3), bary (3,)."""
    control = {(3, 0, 0): p[0], (0, 3, 0): p[1], (0, 0, 3): p[2]}
    for i in range(3):
        for j in range(3):
            if i != j:
                power = [0, 0, 0]
                power[i], power[j] = 2, 1
                control[tuple(power)] = (2 * p[i] + p[j] - ((p[j] - p[i]) @ n[i]) * n[i]) / 3
    side = np.mean([c for power, c in control.items() if max(power) == 2], axis=0)
    control[1, 1, 1] = side + (side - p.mean(0)) / 2
    count = {3: 1, 2: 3, 1: 6}
    return sum(count[max(k)] * np.prod(bary ** np.array(k)) * c for k, c in control.items())


def placed(vertices):
    normals = vertex_normals(vertices, HEAD.faces)
    return patch_points(vertices, normals, HEAD.faces, FINE.triangle, FINE.bary)


def test_the_kernel_follows_the_paper():
    normals = vertex_normals(HEAD.mean, HEAD.faces)
    points, directions = placed(HEAD.mean)
    for v in range(len(HEAD.mean), len(points), 97):
        corners = HEAD.faces[FINE.triangle[v]]
        want = patch_reference(
            HEAD.mean[corners].astype(float), normals[corners].astype(float), FINE.bary[v].astype(float)
        )
        np.testing.assert_allclose(points[v], want, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-6)


def test_the_head_keeps_its_own_vertices():
    points, _ = placed(HEAD.mean)
    np.testing.assert_array_equal(points[: len(HEAD.mean)].astype(np.float32), HEAD.mean)


def test_points_turn_with_the_head():
    turn = np.radians(40)
    R = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    pose = ScaledOrtho(1 / 100, R, np.array([0.1, -0.2]))
    straight, _ = placed(HEAD.mean)
    turned, _ = placed(pose.to_cube(HEAD.mean.astype(float)).astype(np.float32))
    np.testing.assert_allclose(turned, pose.to_cube(straight), atol=2e-6)


def test_patches_are_nearer_to_a_sphere_than_its_triangles():
    sphere = (80 * HEAD.mean / np.linalg.norm(HEAD.mean, axis=1, keepdims=True)).astype(np.float32)
    added = slice(len(sphere), None)
    curved, _ = patch_points(sphere, sphere / np.float32(80), HEAD.faces, FINE.triangle, FINE.bary)
    flat = (sphere[HEAD.faces[FINE.triangle]] * FINE.bary[..., None]).sum(1)
    error = lambda p: np.abs(np.linalg.norm(p[added], axis=1) - 80).max()  # noqa: E731
    assert error(curved) < 0.05 * error(flat)
