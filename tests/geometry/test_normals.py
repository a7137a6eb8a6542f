"""Vertex normals on shapes whose normals are known."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.normals import vertex_normals
from models.heads.synthetic import synthetic_head


def _plain(vertices, faces):
    """The definition, in NumPy: unit triangle normals weighted by the angle at the corner."""
    total = np.zeros((len(vertices), 3))
    corners = vertices[faces].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    unit = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-300)
    for k in range(3):
        a = corners[:, (k + 1) % 3] - corners[:, k]
        b = corners[:, (k + 2) % 3] - corners[:, k]
        cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
        np.add.at(total, faces[:, k], unit * np.arccos(np.clip(cosine, -1, 1))[:, None])
    return total / np.linalg.norm(total, axis=1, keepdims=True)


def test_as_the_definition_on_a_head():
    head = synthetic_head()
    np.testing.assert_allclose(
        vertex_normals(head.mean, head.faces), _plain(head.mean, head.faces), atol=2e-5
    )


def test_a_cube_corner_points_along_its_diagonal_however_its_sides_are_cut():
    corner = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=np.float32)
    # The side z = 0 is two triangles at the corner's vertex, the other two sides are one each.
    faces = np.array([[0, 2, 4], [0, 4, 1], [0, 1, 3], [0, 3, 2]])
    normal = vertex_normals(corner, faces)[0]
    np.testing.assert_allclose(normal, -np.ones(3) / np.sqrt(3), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(yaw=st.floats(-3.1, 3.1), scale=st.floats(1e-3, 1e3))
def test_normals_turn_with_the_head_and_ignore_its_size(yaw, scale):
    head = synthetic_head()
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    moved = vertex_normals((head.mean @ turn.T * scale).astype(np.float32), head.faces)
    np.testing.assert_allclose(moved, vertex_normals(head.mean, head.faces) @ turn.T, atol=1e-3)


def test_a_vertex_without_triangles_has_no_normal():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]], dtype=np.float32)
    normals = vertex_normals(vertices, np.array([[0, 1, 2], [3, 3, 3]]))
    np.testing.assert_array_equal(normals[3], 0)
    np.testing.assert_array_equal(normals[:3], [[0, 0, 1]] * 3)
