from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from storage.errors import StoreError
from storage.matching import effective, match, shares
from storage.plan import SourceRef, draw_plan


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (7, 5), elements=st.sampled_from([0.0, 0.2, 0.7, 1.0])), st.integers(0, 99))
def test_only_what_suits_is_drawn(weights, seed):
    table = shares(weights)
    np.testing.assert_allclose(table.sum(1), 1)
    some = weights.sum(1) > 0
    assert (table[some][weights[some] == 0] == 0).all()
    source = np.repeat(np.arange(7), 11)
    chosen = match(weights, source, np.random.default_rng(seed))
    np.testing.assert_array_equal(chosen, match(weights, source, np.random.default_rng(seed)))
    drawn = weights[source, chosen] > 0
    assert (drawn | ~some[source]).all()


def test_each_source_goes_through_all_that_suits_it_near_its_shares():
    rng = np.random.default_rng(3)
    weights = rng.choice([0, 0.3, 1.0], (6, 9))
    weights[:, 0] = 1
    chosen = match(weights, np.tile(np.arange(6), 120), np.random.default_rng(0)).reshape(120, 6)
    expected = 120 * shares(weights)
    for s in range(6):
        counts = np.bincount(chosen[:, s], minlength=9)
        assert np.abs(counts - expected[s]).max() < 4
        assert (counts > 0).sum() == (weights[s] > 0).sum()


def test_a_texture_that_suits_few_is_used_more_by_those():
    weights = np.array([[1.0, 1.0, 1.0]] * 2 + [[1.0, 0, 0]] * 10)
    plain = weights / weights.sum(1, keepdims=True)
    table = shares(weights)
    assert table[0, 1] > 1.2 * plain[0, 1]
    assert effective(table.sum(0)) > effective(plain.sum(0))


def test_equal_weights_use_all_textures_alike():
    chosen = match(np.ones((10, 8)), np.tile(np.arange(10), 40), np.random.default_rng(1))
    counts = np.bincount(chosen, minlength=8)
    assert counts.min() > 0.8 * counts.mean()
    assert effective(counts) > 7.9


def test_effective_numbers():
    assert effective(np.array([3, 3, 3, 0])) == pytest.approx(3)
    assert effective(np.zeros(4)) == 0


def test_a_weighted_plan_does_not_depend_on_the_order_of_its_arguments():
    sources = [SourceRef(f"{i:016x}-00", 0.0, f"{i:016x}") for i in range(9)]
    textures = [f"t{i}" for i in range(6)]
    weights = np.random.default_rng(0).choice([0, 0.5, 1.0], (9, 6))
    plan = draw_plan(sources, ["h"], textures, 90, 5, yaw_edges=(), weights=weights)
    again = draw_plan(sources[::-1], ["h"], textures[::-1], 90, 5, yaw_edges=(), weights=weights[::-1, ::-1])
    assert again == plan
    plain = draw_plan(sources, ["h"], textures, 90, 5, yaw_edges=())
    assert [r.source for r in plan.rows] == [r.source for r in plain.rows]  # only the textures move
    assert set(Counter(r.source for r in plan.rows).values()) == {10}


@pytest.mark.parametrize("bad", [np.ones((2, 3)), np.full((3, 2), np.nan), np.full((3, 2), -1.0)])
def test_a_wrong_table_is_refused(bad):
    sources = [SourceRef(f"{i}", 0.0, f"{i}") for i in range(3)]
    with pytest.raises(StoreError, match="weights of 3 sources x 2 textures"):
        draw_plan(sources, ["h"], ["a", "b"], 4, 0, weights=bad)
