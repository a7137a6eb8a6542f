import numpy as np
from published import open_head

from assets.heads.cap import cap_vertices


def test_a_cap_is_found_and_the_face_is_left():
    head = open_head()
    marks = head.points[head.marks]
    brows = marks[17:27, 1].max()
    worn = (head.points[:, 1] > brows + 25) | (head.points[:, 2] < -20)
    for cap in ((60, 170, 90), (240, 240, 245), (30, 30, 32)):
        colour = np.where(worn[:, None], np.uint8(cap), head.colour)
        found = cap_vertices(head.points, colour, marks)
        assert found[worn].mean() > 0.95
        face = (head.points[:, 1] < brows) & (head.points[:, 2] > 30)
        assert not found[face].any()


def test_a_bare_head_has_none():
    head = open_head()
    colour = np.full((len(head.points), 3), (200, 160, 140), np.uint8)
    assert not cap_vertices(head.points, colour, head.points[head.marks]).any()
