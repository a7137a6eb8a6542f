"""Fields of spheres and boxes, whose level sets are known."""

from __future__ import annotations

import igl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.camera import voxel_centres
from models.geometry.surface import BORDER, OUTSIDE, box_mean, carve, clean, divergence, level_set


def sphere_field(
    radius: float = 0.5, centre: tuple[float, float, float] = (0, 0, 0), n: int = 64
) -> np.ndarray:
    axis = voxel_centres(n)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    return (np.linalg.norm(grid - centre, axis=-1) - radius).astype(np.float32)


def bump_normals(side: int, centre: tuple[float, float] = (0, 0), facing: float = 1.0) -> np.ndarray:
    """Normals of a gaussian hill of the front (facing 1) or of the back (-1), x right, y up."""
    axis = voxel_centres(side)
    x, y = np.meshgrid(axis - centre[0], -axis - centre[1])
    hill = 0.1 * np.exp(-(x**2 + y**2) / (2 * 0.15**2))
    normals = np.stack([hill * x / 0.15**2, hill * y / 0.15**2, np.full_like(x, facing)], -1)
    return (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32)


@given(st.floats(0.2, 0.7), st.tuples(*[st.floats(-0.2, 0.2)] * 3), st.sampled_from([32, 48, 64]))
@settings(max_examples=15, deadline=None)
def test_a_sphere_comes_back_where_it_is(radius: float, centre: tuple[float, float, float], n: int) -> None:
    vertices, _ = level_set(sphere_field(radius, centre, n))
    away = np.linalg.norm(vertices - centre, axis=1) - radius
    # No half-voxel slip in any direction: the mean of the surface is the centre of the sphere.
    assert np.abs(away).max() < 0.02 * 64 / n
    low, high = vertices.min(0), vertices.max(0)
    assert np.allclose((low + high) / 2, centre, atol=0.1 * 2 / n)


def test_triangles_look_outwards() -> None:
    vertices, faces = level_set(sphere_field())
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), (a + b + c)) > 0).all()


def test_the_surface_is_closed() -> None:
    _, faces = level_set(sphere_field())
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert (uses == 2).all()


def test_cells_without_surface_are_not_needed() -> None:
    field = sphere_field(n=24)
    axis = voxel_centres(24)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    dense, _, _ = igl.marching_cubes(
        np.transpose(field, (2, 1, 0)).ravel().astype(float),
        np.stack([x, y, z], -1).reshape(-1, 3),
        24,
        24,
        24,
        0.0,
    )
    ours, _ = level_set(field)
    assert {tuple(p) for p in np.round(dense, 5)} == {tuple(p) for p in np.round(ours.astype(float), 5)}


def test_shells_are_dropped() -> None:
    field = np.minimum(sphere_field(0.5), sphere_field(0.1, (0.75, 0.75, 0.75)))
    vertices, _ = level_set(field)
    assert np.linalg.norm(vertices, axis=1).max() < 0.55
    everything, _ = level_set(field, largest=False)
    assert np.linalg.norm(everything, axis=1).max() > 1.0


def test_no_surface_is_told_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="positive everywhere"):
        level_set(np.ones((16, 16, 16), np.float32))


def test_box_mean_keeps_linear_fields_and_flattens_noise() -> None:
    axis = voxel_centres(32).astype(np.float32)
    ramp = np.broadcast_to(axis[:, None, None], (32, 32, 32))
    inner = (slice(2, -2),) * 3
    assert np.allclose(box_mean(ramp)[inner], ramp[inner], atol=1e-6)
    noise = np.random.default_rng(0).normal(size=(32, 32, 32)).astype(np.float32)
    assert box_mean(noise).std() < 0.15


def test_divergence_of_a_ramp_is_its_slope() -> None:
    axis = np.arange(64, dtype=np.float32)
    normals = np.zeros((64, 64, 3), np.float32)
    normals[..., 0] = 0.01 * axis  # to the right
    normals[..., 1] = -0.02 * axis[:, None]  # up means towards smaller rows
    assert np.allclose(divergence(normals)[8:-8, 8:-8], 0.03, atol=1e-6)


@pytest.mark.parametrize("side", [128, 256])
def test_a_bump_raises_the_surface_in_front_and_at_the_back(side: int) -> None:
    field, face = sphere_field(0.5), np.ones((side, side), bool)
    flat = np.zeros((side, side, 3), np.float32)
    bump, behind = bump_normals(side), bump_normals(side, facing=-1)
    before, _ = level_set(field)
    front, _ = level_set(carve(field, bump, flat, face))
    back, _ = level_set(carve(field, flat, behind, face))
    assert front[:, 2].max() > before[:, 2].max() + 1e-3
    assert front[:, 2].min() == pytest.approx(before[:, 2].min(), abs=1e-6)
    assert back[:, 2].min() < before[:, 2].min() - 1e-3
    assert back[:, 2].max() == pytest.approx(before[:, 2].max(), abs=1e-6)


def test_a_bump_rises_where_the_map_shows_it() -> None:
    side, centre = 256, (0.2, -0.15)
    flat = np.zeros((side, side, 3), np.float32)
    field = np.broadcast_to(voxel_centres(64)[None, None], (64, 64, 64)).astype(np.float32) - 0.5
    carved = carve(field, bump_normals(side, centre), flat, np.ones((side, side), bool))
    raised = field[:, :, 48] - carved[:, :, 48]
    i, j = np.unravel_index(raised.argmax(), raised.shape)
    axis = voxel_centres(64)
    assert (axis[i], axis[j]) == pytest.approx(centre, abs=0.05)


def test_carving_fades_out_at_the_border_of_the_face() -> None:
    side = 256
    face = np.zeros((side, side), bool)
    face[:, : side // 2] = True
    flat = np.zeros((side, side, 3), np.float32)
    field = sphere_field(0.5)
    change = carve(field, bump_normals(side, (0.3, 0)), flat, face) - field
    assert np.abs(change[32:]).max() < 1e-6


def test_cleaning_leaves_the_face_and_a_skirt() -> None:
    side, n = 128, 64
    face = np.zeros((side, side), bool)
    face[20:60, 30:50] = True  # rows from the top, columns from the left
    cleaned = clean(np.full((n, n, n), -1.0, np.float32), face)
    assert (cleaned[15:25, n - 30 : n - 10, 10:-10] == -1).all()
    assert (cleaned[:8, :, BORDER:-BORDER][BORDER:, BORDER:-BORDER] == 1).all()
    for axis in range(3):
        ends = np.moveaxis(cleaned, axis, 0)
        assert (ends[:BORDER] == np.float32(OUTSIDE)).all()
        assert (ends[-BORDER:] == np.float32(OUTSIDE)).all()
