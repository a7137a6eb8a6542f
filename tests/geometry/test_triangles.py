from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.triangles import Mesh, closest

TETRA = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_distance_agrees_with_a_dense_search(seed):
    rng = np.random.default_rng(seed)
    corners, point = rng.uniform(-4, 4, (3, 3)), rng.uniform(-6, 6, 3)
    exact = closest(corners[None], 0, *point)[0]
    s, r = np.meshgrid(*[np.linspace(0, 1, 201)] * 2)
    inside = s + r <= 1
    on = (
        corners[0] + s[inside, None] * (corners[1] - corners[0]) + r[inside, None] * (corners[2] - corners[0])
    )
    dense = ((on - point) ** 2).sum(-1).min()
    assert exact <= dense + 1e-9
    assert np.sqrt(dense) - np.sqrt(exact) < 0.1


def test_partners_are_mutual():
    mesh = Mesh.build(TETRA, FACES, 64)
    for f in range(4):
        assert sorted(mesh.partner[f]) == sorted(set(range(4)) - {f})
        for g in mesh.partner[f]:
            assert f in mesh.partner[g]


def test_voxel_units_put_voxel_centres_at_integers():
    mesh = Mesh.build(TETRA * 0 + np.array([1 / 64 - 1] * 3) + TETRA, FACES, 64)
    assert np.allclose(mesh.corners.min((0, 1)), 0)
