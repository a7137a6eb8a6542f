"""The compiled z-buffer against the plain reference, and its rules on meshes that one can check by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.rasterize import EMPTY_DEPTH, rasterize, rasterize_reference
from models.heads.synthetic import synthetic_head

QUAD = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0.5], [-1, 1, 0.5]], dtype=np.float32)
QUAD_FACES = np.array([[0, 1, 2], [0, 2, 3]])


def _same(ours, reference):
    np.testing.assert_array_equal(ours.pix_to_face, reference.pix_to_face)
    np.testing.assert_allclose(ours.bary, reference.bary, atol=1e-6)
    np.testing.assert_allclose(ours.depth, reference.depth, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 33), cull=st.booleans())
def test_random_triangles_as_the_reference_draws_them(seed, size, cull):
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(-1.5, 1.5, (12, 3)).astype(np.float32)
    faces = rng.integers(0, 12, (20, 3))  # some are degenerate
    _same(rasterize(vertices, faces, size, cull=cull), rasterize_reference(vertices, faces, size, cull=cull))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([8, 16]))
def test_centres_exactly_on_edges_as_the_reference_draws_them(seed, size):
    rng = np.random.default_rng(seed)
    corners = (2 * rng.integers(0, size, (10, 2)) + 1) / size - 1  # every corner is a pixel centre
    vertices = np.concatenate([corners, rng.uniform(-1, 1, (10, 1))], axis=1).astype(np.float32)
    faces = rng.integers(0, 10, (12, 3))
    _same(rasterize(vertices, faces, size), rasterize_reference(vertices, faces, size))


def test_head_as_the_reference_draws_it():
    head = synthetic_head()
    vertices = (head.mean / 130).astype(np.float32)
    _same(rasterize(vertices, head.faces, 24), rasterize_reference(vertices, head.faces, 24))


def test_a_split_square_has_no_gap_and_the_smaller_index_owns_the_diagonal():
    seen = rasterize(QUAD, QUAD_FACES, 16)
    assert (seen.pix_to_face >= 0).all()
    # The diagonal runs through pixel centres from bottom left to top right.
    assert (np.diag(seen.pix_to_face[::-1]) == 0).all()


def test_row_zero_is_the_top_and_depth_is_that_of_the_plane():
    seen = rasterize(QUAD, QUAD_FACES, 8)
    y = 1 - (2 * np.arange(8) + 1) / 8
    np.testing.assert_allclose(seen.depth, np.repeat(0.25 + 0.25 * y, 8).reshape(8, 8), atol=1e-6)


def test_bary_gives_the_pixel_centre_back():
    head = synthetic_head()
    vertices = (head.mean / 130).astype(np.float32)
    seen = rasterize(vertices, head.faces, 64)
    i, j = np.nonzero(seen.pix_to_face >= 0)
    points = (vertices[head.faces[seen.pix_to_face[i, j]]] * seen.bary[i, j][..., None]).sum(1)
    np.testing.assert_allclose(points[:, 0], (2 * j + 1) / 64 - 1, atol=2e-6)
    np.testing.assert_allclose(points[:, 1], 1 - (2 * i + 1) / 64, atol=2e-6)
    np.testing.assert_allclose(points[:, 2], seen.depth[i, j], atol=2e-6)


def test_nearer_wins_whatever_the_order():
    near, far = QUAD + np.array([0, 0, 0.3]), QUAD
    vertices = np.concatenate([far, near])
    for faces, expected in (
        (np.concatenate([QUAD_FACES, QUAD_FACES + 4]), {2, 3}),
        (np.concatenate([QUAD_FACES + 4, QUAD_FACES]), {0, 1}),
    ):
        assert set(np.unique(rasterize(vertices, faces, 9).pix_to_face)) == expected


def test_cull_leaves_out_what_faces_away():
    assert (rasterize(QUAD, QUAD_FACES[:, ::-1], 8, cull=True).pix_to_face == -1).all()
    assert (rasterize(QUAD, QUAD_FACES[:, ::-1], 8).pix_to_face >= 0).all()


def test_nothing_drawn_is_marked_everywhere():
    seen = rasterize(QUAD + np.array([5, 0, 0]), QUAD_FACES, 4)
    assert (seen.pix_to_face == -1).all()
    assert (seen.depth == EMPTY_DEPTH).all()
    assert (seen.bary == 0).all()


def test_the_same_bytes_every_time():
    head = synthetic_head()
    vertices = (head.mean / 130).astype(np.float32)
    a, b = rasterize(vertices, head.faces, 64), rasterize(vertices.copy(), head.faces.copy(), 64)
    assert a.bary.tobytes() == b.bary.tobytes()
    assert a.depth.tobytes() == b.depth.tobytes()


@pytest.mark.parametrize(
    ("vertices", "faces", "size", "says"),
    [
        (QUAD[None], QUAD_FACES, 8, "one mesh at a time"),
        (QUAD, QUAD_FACES + 1, 8, "of 4"),
        (QUAD, QUAD_FACES, 0, "at least 1 pixel"),
        (np.where(np.arange(12).reshape(4, 3) == 7, np.nan, QUAD), QUAD_FACES, 8, "vertex 2"),
    ],
)
def test_wrong_input_is_one_sentence(vertices, faces, size, says):
    with pytest.raises(ValueError, match=says):
        rasterize(vertices, faces, size)
