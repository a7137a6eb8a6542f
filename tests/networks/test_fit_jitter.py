"""A moved sphere looks, to first order, as one that was put there."""

from __future__ import annotations

import numpy as np
import trimesh

from models.networks.fit_jitter import Jitter, draw_jitter
from models.networks.fitted_head import Posed

SIDE, RADIUS = 128, 0.5
JITTER = Jitter(np.array([0.02, -0.015, 0.01]), np.zeros(3), 0.02)


def ball(radius: float, centre: np.ndarray) -> Posed:
    sphere = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    return Posed(np.array(sphere.vertices) + centre, np.array(sphere.faces, np.int32))


def test_maps_are_those_of_the_moved_head() -> None:
    moved = JITTER.maps(ball(RADIUS, np.zeros(3)).maps(SIDE))
    true = ball(RADIUS * 1.02, JITTER.shift).maps(SIDE)
    both = (moved[..., 4] > 0.99) & (true[..., 4] > 0.99) & (true[..., 3] > 0.3)
    assert both.mean() > 0.15
    assert np.abs(moved[..., 0] - true[..., 0])[both].max() < 0.01
    assert np.abs(moved[..., 0] - true[..., 0])[both].mean() < 0.002
    assert np.abs(moved[..., 1:4] - true[..., 1:4])[both].mean() < 0.02


def test_a_turn_moves_what_is_off_the_axis() -> None:
    turn = Jitter(np.zeros(3), np.array([0, 0, 0.1]), 0.0)
    assert np.allclose(turn.flow(np.array([[0.5, 0, 0.3]])), [[0, 0.05, 0]], atol=1e-6)


def test_equal_seeds_move_alike() -> None:
    first, again = (draw_jitter(np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first.shift, again.shift)
    assert np.array_equal(first.turn, again.turn)
