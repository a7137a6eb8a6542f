"""Atlases of heads without UVs: with a back, cut open behind; without one, laid out from the border."""

import numpy as np
from published import open_head

from assets.heads.chart import unwrap_head
from assets.heads.close import Part, close_head
from assets.readers.obj import split_polygons
from assets.registry import default_head
from models.heads.regions import Region


def test_a_face_without_a_back_is_laid_out_from_its_border():
    head = open_head()
    faces, _ = split_polygons(head.points, head.polygons, head.polygon_uvs)
    marks = head.points[head.marks]
    closed = close_head(head.points, faces, marks, head.bag, inside=head.points[:, 2] - 15.0)
    points = closed.carry(head.points)
    region = np.full(len(closed.faces), Region.SKIN)
    uvs, index = unwrap_head(closed, points, points, region, default_head())
    main = np.isin(closed.part, (Part.SURFACE, Part.EYE))
    corners = uvs[index[main]]
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    assert (area > 0).mean() > 0.999
    assert area.sum() / 2 > 0.7
    top, chin = (
        uvs[index[(closed.faces == closed.number(head.marks[k])).any(1)]].reshape(-1, 2).mean(0)
        for k in (27, 8)
    )
    assert top[1] > chin[1]  # v up
    assert uvs.min() >= 0
    assert uvs.max() <= 1
