"""Normal and depth maps of an analytic sphere and of a head."""

import numpy as np
import trimesh

from models.geometry.maps import decode_normals, front_back_maps
from models.geometry.normals import vertex_normals
from models.heads.synthetic import synthetic_head

R = 64
ALONG = (2 * np.arange(R) + 1) / R
X, Y = np.meshgrid(ALONG - 1, 1 - ALONG)


def _sphere():
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.8)
    vertices, faces = np.float32(ball.vertices), np.int32(ball.faces)
    return front_back_maps(vertices, vertex_normals(vertices, faces), faces, R)


def test_a_sphere_has_the_sphere_s_normals_and_depth():
    front, back, depth = _sphere()
    inside = np.hypot(X, Y) < 0.77
    z = np.sqrt(np.maximum(0.64 - X**2 - Y**2, 0))
    expected = np.stack([X, Y, z], -1) / 0.8
    np.testing.assert_allclose(decode_normals(front)[inside], expected[inside], atol=0.02)
    np.testing.assert_allclose(decode_normals(back)[inside], (expected * [1, 1, -1])[inside], atol=0.02)
    np.testing.assert_allclose(depth[inside], z[inside], atol=0.01)


def test_both_maps_cover_the_same_pixels_and_mark_the_rest():
    front, back, depth = _sphere()
    outside = np.hypot(X, Y) > 0.8
    covered = (front > 0).any(-1)
    np.testing.assert_array_equal(covered, (back > 0).any(-1))
    np.testing.assert_array_equal(covered, depth > -2)
    assert not covered[outside].any()
    assert (depth[outside] == -2).all()
    assert (decode_normals(front)[outside] == 0).all()


def test_sixteen_bits_decode_to_a_hundredth_of_a_degree():
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(1000, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    encoded = ((unit + 1) / 2 * 65535 + 0.5).astype(np.uint16)
    angle = np.arccos(np.clip((decode_normals(encoded) * unit).sum(1), -1, 1))
    assert np.degrees(angle).max() < 0.05
    assert (encoded > 0).any(-1).all()


def test_maps_of_a_head(golden):
    head = synthetic_head()
    turn = np.array([[0.819, 0, 0.574], [0, 1, 0], [-0.574, 0, 0.819]])  # yaw 35
    vertices = (head.mean @ turn.T / 130).astype(np.float32)
    front, back, depth = front_back_maps(vertices, vertex_normals(vertices, head.faces), head.faces, R)
    golden("maps_normal_front", (front >> 8).astype(np.uint8))
    golden("maps_normal_back", (back >> 8).astype(np.uint8))
    golden("maps_depth", np.clip((depth + 1) * 127.5, 0, 255).astype(np.uint8))
