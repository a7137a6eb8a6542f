from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.clusters import build_clusters
from models.geometry.nearest import (
    box_distances,
    candidates,
    distances,
    narrow,
    nearest_of,
    pack,
    prune,
    sizes,
    squared,
    two_nearest,
)
from models.geometry.triangles import closest

SEEDS = st.integers(0, 2**32 - 1)


def soup(rng, count=200):
    """Triangles of many sizes, some of them thin, in a cube of 24 voxels in the middle of 256."""
    corners = rng.uniform(116, 140, (count, 1, 3)) + rng.normal(0, 1, (count, 3, 3)) * rng.uniform(
        0.1, 4, (count, 1, 1)
    )
    thin = rng.random(count) < 0.2
    corners[thin, 2] = corners[thin, 1] + rng.normal(0, 1e-3, (int(thin.sum()), 3))
    return corners


def exact(corners, point):
    """Squared distance and vector of every triangle."""
    return np.array([closest(corners, f, *point)[:4] for f in range(len(corners))])


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_distances_and_vectors_are_those_in_double_precision(seed):
    rng = np.random.default_rng(seed)
    corners, point = soup(rng), rng.uniform(-10, 10, 3).astype(np.float32)
    clusters = build_clusters(corners, 127.5)
    found = np.zeros((5, 210), np.float32)
    distances(clusters.frames, 3, 200, *point, found, 7)
    want = exact(corners[clusters.triangle[3:200]], point.astype(float) + 127.5)
    assert np.abs(np.sqrt(found[0, 7:204]) - np.sqrt(want[:, 0])).max() < 1e-4
    assert np.abs(found[1:4, 7:204].T - want[:, 1:]).max() < 0.02  # two edges may be as near as each other
    assert not found[:, :7].any()
    steps = rng.uniform(-1.5, 1.5, (3, 19)).astype(np.float32)
    out = np.zeros((2, 19), np.float32)
    squared(clusters.rows, 5, *point, steps, out, 1)
    here = point.astype(float)[:, None] + steps + 127.5
    want = [closest(corners, clusters.triangle[5], *p)[0] for p in here.T]
    assert np.abs(np.sqrt(out[1]) - np.sqrt(want)).max() < 1e-4


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([0.5, 1.5, 3.5]))
def test_no_nearest_triangle_is_pruned(seed, half):
    rng = np.random.default_rng(seed)
    corners, middle = soup(rng), rng.uniform(-12, 12, 3).astype(np.float32)
    clusters = build_clusters(corners, 127.5)
    found, lists = np.zeros((5, 201), np.float32), np.zeros((4, 201), np.int32)
    count, least = candidates(clusters.frames, *clusters[3:], *middle, np.float32(half), found, lists)
    assert least == pytest.approx(np.sqrt(exact(corners, middle.astype(float) + 127.5)[:, 0].min()), abs=1e-4)
    points = np.concatenate([rng.uniform(-half, half, (30, 3)), half * (rng.integers(0, 2, (30, 3)) * 2 - 1)])
    held = set(clusters.triangle[lists[0, :count]].tolist())
    for p in points:
        assert int(exact(corners, middle.astype(float) + p + 127.5)[:, 0].argmin()) in held


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_a_smaller_box_is_narrowed_to_its_nearest_triangles(seed):
    rng = np.random.default_rng(seed)
    corners, middle = soup(rng), rng.uniform(-12, 12, 3).astype(np.float32)
    clusters = build_clusters(corners, 127.5)
    found, lists = np.zeros((5, 201), np.float32), np.zeros((4, 201), np.int32)
    count, _ = candidates(clusters.frames, *clusters[3:], *middle, np.float32(3.5), found, lists)
    near, steps = np.zeros((19, count), np.float32), rng.uniform(-1.5, 1.5, (3, 40)).astype(np.float32)
    pack(clusters.frames, lists, count, near)
    centre = middle + np.float32(2)
    few = narrow(near, count, *centre, np.float32(1.5), found, lists)
    assert few <= count
    squares, (size, second, winner) = np.zeros((few, 40), np.float32), np.zeros((3, 40), np.float32)
    sizes(clusters.rows, lists, few, *centre, steps, squares, size, second, winner)
    for i in range(40):
        want = exact(corners, centre.astype(float) + steps[:, i] + 127.5)[:, 0]
        assert size[i] == pytest.approx(np.sqrt(want.min()), abs=1e-4)
        if winner[i] >= 0:
            assert clusters.triangle[lists[0, lists[1, int(winner[i])]]] == want.argmin()
        else:
            assert np.diff(np.sort(want)[:2])[0] < 1e-2 * (1 + want.min())


def test_boxes_are_as_far_as_their_nearest_point():
    boxes = np.array([[0.0, 0, 0, 2, 2, 2], [-3, 1, 1, -1, 4, 4]], np.float32).T.copy()
    found = np.zeros((5, 2), np.float32)
    box_distances(boxes, 0, 2, np.float32(1), np.float32(3), np.float32(-2), found)
    np.testing.assert_array_equal(found[:4].T, [[5, 0, 1, -2], [13, 2, 0, -3]])
    assert nearest_of(found, 0, 2) == 0
    assert nearest_of(found, 1, 2) == 1


def test_pruned_indices_come_behind_those_that_are_there():
    found = np.zeros((5, 4), np.float32)
    found[0], found[1] = [4, 100, 4.2, 400], [2, 10, 2.05, 20]
    lists = np.full((2, 6), -1, np.int32)
    best = tuple(np.float32(x) for x in (4, 2, 0, 0))
    assert prune(found, 0, 4, best, np.float32(0.5), lists, 1, 2) == 4
    assert lists[1].tolist()[:4] == [-1, -1, 0, 2]


def test_the_two_nearest_rows_of_each_column():
    squares = np.array([[9.0, 4, 1], [4, 4, 16], [16, 25, 1.5]], np.float32)
    size, second, winner = np.zeros((3, 3), np.float32)
    two_nearest(squares, 3, size, second, winner)
    np.testing.assert_allclose(size, [2, 2, 1])
    np.testing.assert_allclose(second, [3, 2, np.sqrt(1.5)], rtol=1e-6)
    assert winner.tolist() == [1, -1, 0]
