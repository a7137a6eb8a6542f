from __future__ import annotations

from functools import cache

import igl
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry import sdf
from models.geometry.camera import voxel_centres


@cache
def sphere(radius=0.6, subdivisions=5):
    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return np.array(ball.vertices), np.array(ball.faces, np.int32)


@cache
def bumpy():
    v, f = sphere(1.0, 4)
    r = 0.45 + 0.06 * np.sin(7 * v[:, 0] + 1) * np.cos(5 * v[:, 1])
    r += 0.02 * np.sin(15 * v[:, 1]) * np.cos(13 * v[:, 2])
    return v * r[:, None] * [0.8, 1.2, 1.0] + [0.1, -0.05, 0.07], f


def draw(mesh, points=3000, seed=0, **more):
    return sdf.near_surface_samples(*mesh, points, np.random.default_rng(seed), **more)


def test_sphere_has_the_right_sign_and_no_half_voxel():
    index, value, _ = draw(sphere())
    centre = np.linalg.norm(voxel_centres(256)[index], axis=1) - 0.6
    assert np.abs(value - centre).max() < 3e-4  # how far the icosphere is from the sphere
    corner = np.linalg.norm(index / 128 - 1.0, axis=1) - 0.6  # the authors' rule, half a voxel off
    assert np.abs(value - corner).max() > 4e-3
    assert (value > 0).any()
    assert (value < 0).any()
    assert np.abs(value).max() <= sdf.BAND + 1e-6


def test_residual_of_a_sphere_is_that_of_its_curvature():
    index, value, residual = draw(sphere())
    steps = 2 / 256 * np.arange(-2, 3)
    window = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    near = voxel_centres(256)[index][:, None] + window
    mean = (np.linalg.norm(near, axis=-1) - 0.6).mean(1)
    assert np.abs(residual - (value - mean)).max() < 3e-4
    assert residual.mean() < 0  # distance to a ball is convex: its mean exceeds its centre


def test_values_and_residuals_agree_with_libigl():
    index, value, residual = draw(bumpy(), 400)
    axis = voxel_centres(256)
    steps = 2 / 256 * np.arange(-2, 3)
    window = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    near = axis[index][:, None] + window
    want = igl.signed_distance(
        near.reshape(-1, 3), *bumpy(), sign_type=igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL
    )[0]
    want = want.reshape(len(index), -1)
    assert np.abs(value - want[:, 62]).max() < 1e-6
    assert np.abs(residual - (want[:, 62] - want.mean(1))).max() < 1e-5


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_closed_meshes_agree_with_libigl(seed):
    rng = np.random.default_rng(seed)
    v, f = sphere(1.0, int(rng.integers(1, 5)))
    waves = rng.normal(0, 4, (4, 3))
    size = 0.5 + 0.05 * np.sin(v @ waves.T + rng.uniform(0, 6, 4)).sum(1) + rng.uniform(-0.01, 0.01, len(v))
    vertices = v * size[:, None] * rng.uniform([0.3, 0.8, 0.8], 1) + rng.uniform(-0.2, 0.2, 3)
    index, value, residual = draw((vertices, f), 250, seed)
    steps = np.stack(np.meshgrid(*[2 / 256 * np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    near = (voxel_centres(256)[index][:, None] + steps).reshape(-1, 3)
    want = igl.signed_distance(near, vertices, f, sign_type=igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL)[0]
    want = want.reshape(len(index), -1)
    assert np.abs(value - want[:, 62]).max() < 1e-6
    assert np.abs(residual - (want[:, 62] - want.mean(1))).max() < 1e-6


def box(low, high, grid=256):
    """A box whose corners lie at the given voxels."""
    solid = trimesh.creation.box(bounds=[low, high])
    return (2 * np.array(solid.vertices) + 1) / grid - 1, np.array(solid.faces, np.int32)


def box_distance(index, low, high):
    """Signed distance of voxels from that box, in cube units."""
    beyond = np.abs(index - (np.array(low) + high) / 2) - (np.array(high) - low) / 2.0
    return (np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(1), 0)) * 2 / 256


def band_of_a_box(low, high):
    """All labels of the box; raises unless they are exactly the voxels that the formula puts into the band."""
    around = np.argwhere(np.ones((40, 40, 40), bool)) + 75
    near = around[np.abs(box_distance(around, low, high)) <= sdf.BAND]
    index, value, _ = draw(box(low, high), len(near))
    np.testing.assert_array_equal(index, near)
    np.testing.assert_allclose(value, box_distance(index, low, high), atol=1e-7)
    return index, value


def test_voxels_on_faces_edges_and_corners_have_distance_zero():
    index, value = band_of_a_box([85, 84, 83], [97, 104, 98])
    where = [tuple(i) for i in index.tolist()]
    for on in ((85, 84, 83), (85, 84, 90), (85, 92, 90)):
        assert value[where.index(on)] == pytest.approx(0, abs=1e-9)


def test_a_plate_thinner_than_a_voxel_keeps_its_sides():
    _, value = band_of_a_box([90.3, 84, 83], [90.4, 104, 98])
    assert (value > 0).all()


def test_triangles_without_area_change_nothing():
    vertices, faces = bumpy()
    first, middle = faces[0], len(vertices)
    # A vertex on the edge that the two share, for one side only: between them is a triangle without area.
    split = [[first[0], middle, first[2]], [middle, first[1], first[2]], [first[0], first[1], middle]]
    keep = np.concatenate([faces[1:], np.array(split, np.int32)])
    more = np.concatenate([vertices, vertices[first[:2]].mean(0, keepdims=True)])
    want, got = draw((vertices, faces), 4000), draw((more, keep), 4000)
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_allclose(got[1], want[1], atol=1e-7)
    np.testing.assert_allclose(got[2], want[2], atol=1e-6)


def test_the_whole_band_is_found_and_signed_like_libigl():
    vertices, faces = bumpy()
    grid, band = 64, 0.08
    axis = voxel_centres(grid)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    want = igl.signed_distance(points, vertices, faces, sign_type=igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL)[0]
    near = np.flatnonzero(np.abs(want) <= band)
    index, value, _ = draw(bumpy(), len(near), band=band, grid=grid)
    assert np.array_equal(np.ravel_multi_index(index.T.astype(int), (grid,) * 3), near)
    assert np.abs(value - want[near]).max() < 1e-6


def test_every_voxel_of_the_band_is_as_likely_as_every_other():
    grid, band = 64, 0.08
    total = np.zeros((grid,) * 3)
    for seed in range(40):
        index, value, _ = draw(bumpy(), 1500, seed, band=band, grid=grid)
        np.add.at(total, tuple(index.T), 1)
    index, value, _ = draw(bumpy(), int((total > 0).sum()), band=band, grid=grid)
    times = total[tuple(index.T)]
    layers = [times[np.abs(np.abs(value) - d) < 0.01].mean() for d in (0.01, 0.03, 0.05, 0.07)]
    assert np.ptp(layers) < 0.12 * np.mean(layers)  # near the surface and at the band's border alike


def test_same_seed_same_samples_and_another_seed_others():
    one, two, three = draw(bumpy(), seed=1), draw(bumpy(), seed=1), draw(bumpy(), seed=2)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], three[0])
    assert len(np.unique(one[0], axis=0)) == len(one[0])


def test_a_head_that_leaves_the_cube_is_labelled_up_to_the_border():
    vertices, faces = sphere()
    index, value, residual = draw((vertices + np.array([0.7, 0, 0]), faces))
    centre = np.linalg.norm(voxel_centres(256)[index] - [0.7, 0, 0], axis=1) - 0.6
    assert index[:, 0].max() > 250
    assert np.abs(value - centre).max() < 3e-4
    assert np.isfinite(residual).all()


def test_too_few_voxels_and_open_meshes_are_named():
    vertices, faces = sphere(0.6, 2)
    with pytest.raises(ValueError, match="expected at least 100000"):
        draw((vertices * 0.05, faces), 100_000)
    with pytest.raises(ValueError, match="3 open or doubled edges"):
        draw((vertices, faces[1:]))
    with pytest.raises(ValueError, match="open or doubled"):
        draw((vertices, np.concatenate([faces[:1, ::-1], faces[1:]])))
