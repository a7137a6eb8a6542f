import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.similarity import Similarity


def any_similarity(seed):
    rng = np.random.default_rng(seed)
    return Similarity(1.0, np.eye(3), np.zeros(3)).nudged(
        rng.normal(size=3), rng.normal(size=3) * 50, rng.normal() * 0.5
    ), rng


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_similarity_is_recovered_and_undone(seed):
    true, rng = any_similarity(seed)
    points = rng.normal(size=(30, 3)) * 40
    found = Similarity.between(points, true(points))
    np.testing.assert_allclose(found.scale, true.scale, rtol=1e-9)
    np.testing.assert_allclose(found(points), true(points), atol=1e-8)
    np.testing.assert_allclose(true.inverse(true(points)), points, atol=1e-8)
    np.testing.assert_allclose(found.back(found.turn(points)), points, atol=1e-8)
    np.testing.assert_allclose(found.turn(points - points[:1]), found(points) - found(points[:1]), atol=1e-8)
    assert np.linalg.det(found.rotation) > 0.99


def test_a_held_scale_is_held():
    points = np.random.default_rng(0).normal(size=(20, 3))
    assert Similarity.between(points, 3 * points, scale=1.0).scale == 1.0


def test_nudging_follows_in_the_targets_frame():
    start, rng = any_similarity(3)
    points = rng.normal(size=(5, 3))
    quarter = start.nudged(np.array([0, 0, np.pi / 2]), np.array([1.0, 2, 3]), np.log(2))
    x, y, z = start(points).T
    np.testing.assert_allclose(quarter(points), 2 * np.stack([-y, x, z], 1) + [1, 2, 3], atol=1e-9)
