"""The face's outline is smooth and stays where the labels put it."""

import numpy as np

from models.heads.outline import face_outline
from models.heads.regions import FACE, HOLES, Region
from models.heads.synthetic import synthetic_head


def _strip(columns=21, rows=21):
    """A flat grid whose left half is skin and right half neck, with a border that is a saw of one vertex."""
    grid = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, d, c), (a, c, b))])
    border = columns // 2 + np.arange(rows) % 2
    region = np.where(np.arange(columns) < border[:, None], Region.SKIN, Region.NECK)
    return faces, region.astype(np.uint8)


def _crossing(row):
    """Where a row of the field crosses 0.5, in columns."""
    k = int(np.flatnonzero(row > 0.5)[0])
    return k - (row[k] - 0.5) / (row[k] - row[k - 1])


def test_a_saw_becomes_a_line_in_its_middle():
    faces, region = _strip()
    outline = face_outline(faces, region.ravel())
    field = outline.outside.reshape(region.shape)
    line = np.array([_crossing(row) for row in field[4:-4]])
    assert np.ptp(line) < 0.15
    assert abs(line.mean() - 10) < 0.3


def test_away_from_the_outline_nothing_changes():
    head = synthetic_head()
    outline = face_outline(head.faces, head.vertex_region)
    assert set(np.unique(outline.inner)) <= {r for r in FACE if r not in HOLES}
    assert not set(np.unique(outline.outer)) & {*FACE, Region.BACKGROUND}
    face, rest = np.isin(head.vertex_region, FACE), ~np.isin(head.vertex_region, FACE)
    plain = face & ~np.isin(head.vertex_region, HOLES)
    np.testing.assert_array_equal(outline.inner[plain], head.vertex_region[plain])
    np.testing.assert_array_equal(outline.outer[rest], head.vertex_region[rest])
    assert ((outline.outside > 0.5) == rest).mean() > 0.95
    assert ((outline.outside >= 0) & (outline.outside <= 1)).all()
