import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from assets.heads.correspond import barycentric, correspond
from assets.registry import default_head
from models.geometry.similarity import Similarity
from models.heads.regions import HOLES


def test_barycentric_weights_lead_to_the_point():
    rng = np.random.default_rng(0)
    corners = rng.normal(size=(30, 3))
    triples, weights = rng.permutation(30).reshape(10, 3), rng.dirichlet(np.ones(3), 10)
    near = (corners[triples] * weights[..., None]).sum(1)
    np.testing.assert_allclose(barycentric(near, corners, triples), weights, atol=1e-9)


def test_another_person_of_the_same_topology_is_laid_onto_the_mean():
    """What a vertex corresponds to is known here: itself."""
    head, rng = default_head(), np.random.default_rng(2)
    person = head.vertices(rng.normal(0, 1, 20), np.zeros(0)).astype(float)
    moved = 0.8 * person @ Rotation.from_euler("y", 12, degrees=True).as_matrix().T + [5, -3, 2]
    free = np.zeros(len(moved), bool)
    free[head.faces[np.isin(head.face_region, HOLES)]] = True
    found = correspond(moved, head.faces.astype(np.int64), head.landmarks(moved), free, head)
    skin = ~free & (head.mean[:, 1] > -90)
    assert np.median(found.apart[skin]) < 0.15  # on the surface
    slid = np.linalg.norm(found.placed - head.mean, axis=1)[skin]
    before = np.linalg.norm(Similarity.between(moved, head.mean.astype(float))(moved) - head.mean, axis=1)[
        skin
    ]
    assert np.median(slid) < 0.75 * np.median(before)
    assert np.median(slid) < 3.0
    assert found.bary.sum(1) == pytest.approx(1)
