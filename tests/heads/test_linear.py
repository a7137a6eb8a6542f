"""The morphable head is linear, batched, and reads its own file only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.heads.linear import LinearHead
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head()


def test_zero_is_the_mean():
    np.testing.assert_array_equal(HEAD.vertices(np.zeros(8), np.zeros(4)), HEAD.mean)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_vertices_are_the_sum_of_modes(seed):
    rng = np.random.default_rng(seed)
    identity, expression = rng.normal(size=(3, 8)), rng.uniform(size=(3, 4))
    expected = HEAD.mean + np.einsum("nk,kvd->nvd", identity, HEAD.id_basis)
    expected = expected + np.einsum("ne,evd->nvd", expression, HEAD.exp_basis)
    np.testing.assert_allclose(HEAD.vertices(identity, expression), expected, atol=1e-3)


def test_fewer_coefficients_mean_zeros():
    few = HEAD.vertices(np.array([1.0, -2.0]), np.zeros(0))
    full = HEAD.vertices(np.array([1.0, -2.0, 0, 0, 0, 0, 0, 0]), np.zeros(4))
    np.testing.assert_allclose(few, full, atol=1e-4)


@pytest.mark.parametrize(("k", "e", "kind"), [(9, 4, "identity"), (8, 5, "expression")])
def test_too_many_coefficients_are_named(k, e, kind):
    with pytest.raises(ValueError, match=f"{kind} modes but got"):
        HEAD.vertices(np.zeros(k), np.zeros(e))


def test_landmarks_move_with_the_surface():
    shift = np.array([3.0, -4.0, 5.0], np.float32)
    moved = HEAD.landmarks(HEAD.mean + shift)
    np.testing.assert_allclose(moved, HEAD.landmarks(HEAD.mean) + shift, atol=1e-4)


def test_proxy_follows_its_three_vertices():
    proxy = HEAD.proxies[0]
    moved = HEAD.mean.copy()
    moved[proxy.bind_vertices[0, 1]] += [0, 3, 0]
    change = proxy.vertices(moved) - proxy.vertices(HEAD.mean)
    np.testing.assert_allclose(change, np.broadcast_to([0, 1, 0], change.shape), atol=1e-5)


def test_other_files_are_refused(tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, points=np.zeros(3))
    with pytest.raises(ValueError, match="not a head file of format 1"):
        LinearHead.load(other)
