from __future__ import annotations

import numpy as np
import pytest

from models.geometry.clusters import CELL, FAR, build_clusters, morton_keys, order_of

RNG = np.random.default_rng(0)
MIDDLE = 127.5
CORNERS = RNG.uniform(0, 255, (300, 1, 3)) + RNG.uniform(-3, 3, (300, 3, 3))


@pytest.fixture(scope="module")
def clusters():
    return build_clusters(CORNERS, MIDDLE)


def test_the_order_is_that_of_a_stable_sort():
    keys = RNG.integers(0, 2**21, 5000).astype(np.int32)
    keys[::7] = keys[0]
    np.testing.assert_array_equal(order_of(keys), np.argsort(keys, kind="stable"))


def test_a_key_interleaves_the_cell_of_the_centroid():
    keys = morton_keys(CORNERS, MIDDLE)
    cells = np.floor((CORNERS.mean(1) - MIDDLE + 128 + 96) / CELL).astype(int)
    for key, cell in zip(keys, cells, strict=True):
        bits = [sum(((int(key) >> (3 * b + c)) & 1) << b for b in range(7)) for c in range(3)]
        assert bits == cell.tolist()


def test_triangles_far_outside_the_cube_go_to_the_border():
    keys = morton_keys(np.array([[[-1e5] * 3] * 3, [[1e5] * 3] * 3]), MIDDLE)
    assert keys.tolist() == [0, 2**21 - 1]


def test_every_triangle_is_in_one_leaf_node_and_top_and_inside_their_boxes(clusters):
    assert sorted(clusters.triangle) == list(range(len(CORNERS)))
    parts = [
        (clusters.leaf, clusters.leaf_box),
        (clusters.leaf[clusters.node], clusters.node_box),
        (clusters.leaf[clusters.node[clusters.top]], clusters.top_box),
    ]
    for start, boxes in parts:
        assert start[0] == 0
        assert start[-1] == len(CORNERS)
        for i in range(len(start) - 1):
            inside = CORNERS[clusters.triangle[start[i] : start[i + 1]]].reshape(-1, 3) - MIDDLE
            np.testing.assert_allclose(boxes[:3, i], inside.min(0), atol=1e-4)
            np.testing.assert_allclose(boxes[3:, i], inside.max(0), atol=1e-4)


def test_a_frame_gives_its_corners_back(clusters):
    np.testing.assert_array_equal(clusters.frames.T, clusters.rows)
    for number, t in zip(clusters.triangle, clusters.rows.astype(float), strict=True):
        flat = np.array([[0, 0], [t[12], 0], [t[16] * t[18], t[17] * t[18]]])
        corners = t[:3] + flat[:, :1] * t[3:6] + flat[:, 1:] * t[6:9] + MIDDLE
        np.testing.assert_allclose(corners, CORNERS[number], atol=1e-4)
        np.testing.assert_allclose([t[12] + t[13] * t[15], t[14] * t[15]], flat[2], atol=1e-4)
        axes = np.stack([t[3:6], t[6:9], t[9:12]])
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-5)


def test_a_triangle_without_area_is_out_of_reach():
    line = np.array([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]])
    clusters = build_clusters(np.concatenate([line, CORNERS[:1]]), MIDDLE)
    row = clusters.rows[list(clusters.triangle).index(0)]
    assert (row[:3] == FAR).all()
    assert np.isfinite(row).all()
