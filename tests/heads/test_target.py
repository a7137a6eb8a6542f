import numpy as np

from models.geometry.similarity import Similarity
from models.heads.synthetic import synthetic_head
from models.heads.target import Target, on_border

SQUARE = np.float64([[0, 0, 0], [10, 0, 0], [10, 10, 0], [0, 10, 0], [5, 5, 0]])
FAN = np.int32([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])


def test_a_fan_has_a_border_and_a_head_has_none():
    assert on_border(FAN, 5).tolist() == [True, True, True, True, False]
    head = synthetic_head()
    assert not on_border(head.faces, len(head.mean)).any()


def test_partners_are_near_face_the_same_way_and_count():
    head = synthetic_head()
    target = Target.of(head.mean, head.faces)
    normals = target.normals
    match = target.match(head.mean + normals, normals, reach=2.0)
    assert match.found.mean() > 0.99
    assert np.abs(match.distance - 1).max() < 0.2
    assert not target.match(head.mean + normals, -normals, 2.0).found.any()
    assert not target.match(head.mean + 3 * normals, normals, 2.0).found.any()
    nobody = Target.of(head.mean, head.faces, np.zeros(len(head.mean), bool))
    assert not nobody.match(head.mean, normals, 2.0).found.any()


def test_far_partners_weigh_less():
    head = synthetic_head()
    target = Target.of(head.mean, head.faces)
    near, far = (target.match(head.mean + d * target.normals, target.normals, 9.0) for d in (0.1, 4.0))
    assert near.weight[near.found].min() > 0.95
    assert far.weight[far.found].max() < 0.2


def test_moving_a_target_moves_points_and_turns_normals():
    flat = Target.of(SQUARE, FAN)
    up = Similarity(2.0, np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), np.array([0, 0, 7.0]))
    moved = flat.moved(up)
    np.testing.assert_allclose(moved.vertices[2], [20, 0, 27])
    np.testing.assert_allclose(moved.normals[4], [0, -1, 0], atol=1e-6)
