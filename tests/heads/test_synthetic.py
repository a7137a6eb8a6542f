"""The head of formulas has every field that a real one has."""

import numpy as np

from models.heads.closed import check_closed
from models.heads.regions import FACE, Region
from models.heads.synthetic import _template, synthetic_head


def test_it_is_closed_for_any_shape():
    head = synthetic_head()
    rng = np.random.default_rng(1)
    for shape in head.vertices(rng.normal(size=(4, 8)), rng.uniform(size=(4, 4))):
        check_closed(head.faces, shape)


def test_landmarks_are_where_the_template_says():
    head = synthetic_head()
    marks = head.landmarks(head.mean)
    np.testing.assert_allclose(marks[:, :2], _template(), atol=1e-3)
    assert (marks[17:, 2] > 40).all()


def test_regions_cover_everything_a_head_has():
    head = synthetic_head()
    wanted = {int(r) for r in Region if r != Region.BACKGROUND}
    assert set(head.face_region.tolist()) == wanted == set(head.vertex_region.tolist())
    front = head.mean[head.faces[np.isin(head.face_region, FACE)]].mean(1)
    assert front[:, 2].min() > 0


def test_atlas_has_no_turned_triangles():
    head = synthetic_head()
    a, b, c = (head.uvs[head.face_uvs[:, i]] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (area > 0).all()
    assert ((head.uvs >= 0) & (head.uvs <= 1)).all()


def test_jaw_opens_and_eyes_blink():
    head = synthetic_head()
    still = head.landmarks(head.mean)
    opened = head.landmarks(head.vertices(np.zeros(8), np.eye(4)[0]))
    blinked = head.landmarks(head.vertices(np.zeros(8), np.eye(4)[3]))
    assert (still[57] - opened[57])[1] > 8
    assert (still[37] - blinked[37])[1] > 2


def test_contours_hold_their_landmark():
    head = synthetic_head()
    marks = head.landmarks(head.mean)
    for point, line in zip(marks[:17], head.contour, strict=True):
        near = np.linalg.norm(head.mean[line[line >= 0]] - point, axis=1).min()
        assert near < 8
