import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.closest import closest_points
from models.heads.synthetic import synthetic_head


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_points_on_the_surface_are_their_own_nearest(seed):
    head = synthetic_head()
    rng = np.random.default_rng(seed)
    triangle = rng.integers(0, len(head.faces), 20)
    bary = rng.dirichlet((1, 1, 1), 20)
    points = (head.mean[head.faces[triangle]] * bary[..., None]).sum(1)
    found, weights, distance = closest_points(points, head.mean, head.faces)
    back = (head.mean[head.faces[found]] * weights[..., None]).sum(1)
    np.testing.assert_allclose(back, points, atol=1e-3)
    assert distance.max() < 1e-3


def test_the_distance_above_a_triangle_is_the_height():
    vertices, faces = np.float64([[0, 0, 0], [4, 0, 0], [0, 4, 0]]), np.int32([[0, 1, 2]])
    _, bary, distance = closest_points(np.float64([[1, 1, 3], [-2, 0, 0]]), vertices, faces)
    np.testing.assert_allclose(distance, [3, 2])
    np.testing.assert_allclose(bary, [[0.5, 0.25, 0.25], [1, 0, 0]], atol=1e-12)
