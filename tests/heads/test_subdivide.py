"""Catmull–Clark as a matrix: the published vertex rule, linearity, orientation and linear splits for UVs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.heads.closed import check_closed
from models.heads.subdivide import CatmullClark

CORNERS = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], float)
CUBE = np.array(
    [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]], np.int32
)
TETRAHEDRON = np.array([[0, 2, 1, -1], [0, 1, 3, -1], [1, 2, 3, -1], [0, 3, 2, -1]], np.int32)


def test_cube_follows_the_published_rules():
    fine = CatmullClark.of(CUBE)
    points = fine.refine(CORNERS)
    assert points.shape == (8 + 12 + 6, 3)
    # corner: (F + 2 R + (3 - 3) P) / 3 with F = 1/3, R = 2/3 of the corner
    np.testing.assert_allclose(points[:8], CORNERS * 5 / 9, atol=1e-6)
    assert sorted({round(float(np.linalg.norm(p)), 5) for p in points[8:20]}) == [round(0.75 * 2**0.5, 5)]
    np.testing.assert_allclose(np.abs(points[20:]).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("polygons", [CUBE, TETRAHEDRON], ids=["quads", "triangles"])
def test_fine_surface_is_closed_and_oriented(polygons):
    fine = CatmullClark.of(polygons)
    points = fine.refine(
        CORNERS[: polygons.max() + 1] if polygons is CUBE else CORNERS[[0, 3, 5, 6]] * [1, 1, -1]
    )
    faces = fine.quads.ravel()[fine.triangles(fine.shorter_diagonal(points))]
    check_closed(faces, points)


def test_open_border_becomes_a_cubic_b_spline():
    fine = CatmullClark.of(np.array([[0, 1, 2, 3]], np.int32))
    square = np.array([[0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]], float)
    points = fine.refine(square)
    np.testing.assert_allclose(points[0], [0.5, 0.5, 0], atol=1e-6)  # (6 v + both neighbours) / 8
    assert {tuple(p) for p in points[4:8].tolist()} == {(2, 0, 0), (4, 2, 0), (2, 4, 0), (0, 2, 0)}


def test_linear_split_keeps_corners_and_middles():
    fine = CatmullClark.of(CUBE, smooth=False)
    points = fine.refine(CORNERS)
    np.testing.assert_array_equal(points[:8], CORNERS)
    assert (np.sort(np.abs(points[8:20]), 1) == [0, 1, 1]).all()
    assert (fine.quads == CatmullClark.of(CUBE).quads).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_refinement_commutes_with_affine_maps(seed):
    rng = np.random.default_rng(seed)
    points, matrix, shift = rng.normal(size=(8, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    fine = CatmullClark.of(CUBE)
    moved = fine.refine(points @ matrix + shift)
    np.testing.assert_allclose(moved, fine.refine(points) @ matrix + shift, atol=2e-5)


def test_batches_are_refined_one_by_one():
    fine = CatmullClark.of(CUBE)
    both = fine.refine(np.stack([CORNERS, 2 * CORNERS]))
    np.testing.assert_allclose(both[1], 2 * both[0], atol=1e-6)
