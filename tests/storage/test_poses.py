"""Planned poses: bins equal, photos as they are where they can be, turned further where not."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import StoreError
from storage.poses import YAW_EDGES, bin_names, cycle, draw_poses, expected_yield, yaw_bins


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-89, 89), min_size=1, max_size=12),
    st.integers(1, 150),
    st.lists(st.floats(1, 90), min_size=1, max_size=4, unique=True).map(sorted),
    st.integers(0, 5),
)
def test_bins_are_expected_equal_and_every_pair_is_in_its_bin(yaw, pairs, edges, seed):
    source, turn = draw_poses(yaw, pairs, edges, rng(seed))
    planned = np.asarray(yaw)[source] + turn
    # A turn is kept in hundredths of a degree, so a target may be rounded onto an edge.
    inside = yaw_bins(planned.tolist(), edges)
    near = np.abs(np.abs(planned)[:, None] - np.array(edges)[None]).min(axis=1) < 0.01
    counts = Counter(inside[~near].tolist())
    assert sum(counts.values()) + near.sum() == pairs
    if not near.any():
        accepted = np.array([counts.get(b, 0) for b in range(len(edges))]) * expected_yield(edges)
        assert np.ptp(accepted) <= 2
    own = np.asarray(yaw)[source]
    turned = turn != 0
    assert (np.abs(planned[turned]) <= edges[-1] + 0.01).all()
    same_side = (planned * own >= -1e-9) | ~turned | (np.abs(planned) < 0.01) | (own == 0)
    assert same_side.all(), "a head is turned to the side it looks to"


def test_a_photo_in_the_bin_is_taken_as_it_is_and_more_often():
    yaw = [0.0, 35.0, -70.0]
    source, turn = draw_poses(yaw, 900, YAW_EDGES, rng())
    own = np.asarray(yaw)[source]
    bins = yaw_bins((own + turn).tolist(), YAW_EDGES)
    for b, native in ((0, 0), (1, 1), (2, 2)):
        uses = Counter(source[bins == b].tolist())
        assert uses[native] == max(uses.values())
        assert (turn[(bins == b) & (source == native)] == 0).all()
        assert len(uses) == 3, "no photo is left out"


def test_large_poses_are_planned_more_often_because_fewer_are_accepted():
    low, middle, high = expected_yield(YAW_EDGES)
    assert 1 >= low > middle > high > 0.5
    _, turn = draw_poses([0.0], 1000, YAW_EDGES, rng())
    planned = np.bincount(yaw_bins(turn.tolist(), YAW_EDGES))
    np.testing.assert_allclose(
        planned * (low, middle, high), (planned * (low, middle, high)).mean(), rtol=0.01
    )


def test_shares_are_kept_to_one():
    source, _ = draw_poses([0.0] * 7, 300, (30.0, 60.0), rng())
    assert max(Counter(source.tolist()).values()) - min(Counter(source.tolist()).values()) <= 2


def test_without_edges_nothing_is_turned():
    source, turn = draw_poses([0, 40, -80], 10, (), rng())
    assert not turn.any()
    assert max(Counter(source.tolist()).values()) == 4


def test_bins_have_names():
    assert bin_names(YAW_EDGES) == ("0-30", "30-60", "60-90")
    assert yaw_bins([-10, 30, 59.9, -60, 95], YAW_EDGES).tolist() == [0, 1, 1, 2, 2]


@pytest.mark.parametrize("edges", [(0.0, 30.0), (60.0, 30.0), (30.0, 30.0), (30.0, 120.0)])
def test_edges_that_make_no_bins_are_refused(edges):
    with pytest.raises(StoreError, match="yaw edges must grow"):
        draw_poses([0.0], 3, edges, rng())


def test_a_cycle_never_runs_ahead():
    drawn = cycle(4, 11, rng())
    assert all(len(set(drawn[i : i + 4].tolist())) == 4 for i in (0, 4))
