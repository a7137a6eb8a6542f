"""Strain of the skin: zero at rest, known for a uniform stretch, negative across a compression."""

from dataclasses import replace

import numpy as np
import pytest

from models.heads.strain import SkinStrain
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head(0)


def flat_sheet(moves):
    """A grid of 9 x 9 points whose atlas is itself, with the given moves as expressions."""
    side = 9
    y, x = np.mgrid[:side, :side] / (side - 1)
    points = np.stack([x, 1 - y, 0 * x], -1).reshape(-1, 3).astype(np.float32)
    grid = np.arange(side * side).reshape(side, side)
    a, b, c, d = (g.ravel() for g in (grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    basis = np.stack([move(points) for move in moves]).astype(np.float32)
    return replace(
        HEAD, mean=points, exp_basis=basis, faces=faces, uvs=points[:, :2].copy(), face_uvs=faces,
    )  # fmt: skip


def test_a_uniform_stretch_has_the_strain_of_its_definition():
    head = flat_sheet([lambda p: 0.2 * p])
    strain = SkinStrain(head, np.arange(len(head.faces)))
    np.testing.assert_allclose(strain(np.zeros(1)), 0, atol=1e-6)
    np.testing.assert_allclose(strain(np.ones(1)), np.tile([0.22, 0, 0.22], (81, 1)), atol=1e-5)


@pytest.mark.parametrize(("axis", "slot"), [(0, 0), (1, 2)])
def test_compression_along_an_axis_is_negative_there_alone(axis, slot):
    head = flat_sheet([lambda p: -0.1 * p * np.eye(3)[axis]])
    found = SkinStrain(head, np.arange(len(head.faces)))(np.ones(1))
    want = np.zeros(3)
    want[slot] = (0.9**2 - 1) / 2
    np.testing.assert_allclose(found, np.tile(want, (81, 1)), atol=1e-5)


def test_shear_shows_in_the_mixed_part_with_rows_running_down():
    head = flat_sheet([lambda p: 0.1 * np.stack([p[:, 1], 0 * p[:, 0], 0 * p[:, 0]], 1)])
    found = SkinStrain(head, np.arange(len(head.faces)))(np.ones(1))
    np.testing.assert_allclose(found[:, 1], -0.05, atol=1e-5)


def test_vertices_of_no_chosen_triangle_have_none():
    strain = SkinStrain(HEAD, np.arange(5))(np.ones(len(HEAD.exp_basis)))
    others = np.setdiff1d(np.arange(len(HEAD.mean)), HEAD.faces[:5])
    assert (strain[others] == 0).all()
