import numpy as np
import pytest
from published import open_head

from assets.heads.close import Part, close_head
from assets.readers.obj import split_polygons
from assets.registry import AssetError
from models.heads.closed import check_closed

HEAD = open_head()
FACES, _ = split_polygons(HEAD.points, HEAD.polygons, HEAD.polygon_uvs)
MARKS = HEAD.points[HEAD.marks]
MARKED = HEAD.marks[30]  # a vertex in the middle of the skin


@pytest.fixture(scope="module")
def closed():
    return close_head(HEAD.points, FACES, MARKS, HEAD.bag)


def test_eyes_and_neck_are_closed_and_told_apart(closed):
    points = closed.carry(HEAD.points)
    check_closed(closed.faces, points)
    eyes = points[np.unique(closed.faces[closed.part == Part.EYE])]
    for middle in (MARKS[36:42].mean(0), MARKS[42:48].mean(0)):
        near = eyes[np.linalg.norm(eyes - middle, axis=1) < 20]
        assert len(near) > 60
        assert near[:, 2].max() > MARKS[36:48, 2].max() - 4  # bulges like an eyeball
    cap = points[np.unique(closed.faces[closed.part == Part.CAP])]
    assert cap[:, 1].max() < MARKS[8, 1]
    assert (closed.part == Part.MOUTH_BAG).sum() > 300


def test_a_head_without_a_bag_gets_one():
    inside = np.isin(FACES, HEAD.bag).any(1)
    closed = close_head(HEAD.points, FACES[~inside], MARKS)
    points = closed.carry(HEAD.points)
    check_closed(closed.faces, points)
    bag = points[np.unique(closed.faces[closed.part == Part.MOUTH_BAG])]
    assert np.ptp(bag[:, 2]) > 25


def test_patches_move_with_their_rims_linearly(closed):
    both = closed.carry(HEAD.points + HEAD.jaw_open)
    np.testing.assert_allclose(both, closed.carry(HEAD.points) + closed.carry(HEAD.jaw_open), atol=1e-9)
    core = np.stack([HEAD.jaw_open, HEAD.smile], -1)
    np.testing.assert_allclose(closed.carry(core)[..., 1], closed.carry(HEAD.smile), atol=1e-9)


def test_numbers_and_sources_lead_back_to_the_published_head(closed):
    own = closed.published
    there = own >= 0
    np.testing.assert_array_equal(closed.number(own[there]), np.flatnonzero(there))
    assert closed.number(np.array([-1]))[0] == -1
    kept = closed.source >= 0
    np.testing.assert_array_equal(FACES[closed.source[kept]], own[closed.faces[kept]])


def test_loose_pieces_are_left_out_and_doubled_ones_refused(closed):
    extra = np.concatenate([HEAD.points, HEAD.points[:3] + 500])
    n = len(HEAD.points)
    same = close_head(extra, np.concatenate([FACES, [[n, n + 1, n + 2]]]), MARKS, HEAD.bag)
    np.testing.assert_array_equal(same.faces, closed.faces)
    with pytest.raises(AssetError, match="used twice"):
        close_head(HEAD.points, np.concatenate([FACES, FACES[:1]]), MARKS)
    around = np.flatnonzero((MARKED == FACES).any(1))
    apart = [around[0], next(f for f in around if len(np.intersect1d(FACES[f], FACES[around[0]])) == 1)]
    fan = np.delete(FACES, apart, 0)
    with pytest.raises(AssetError, match="two open borders"):
        close_head(HEAD.points, fan, MARKS, HEAD.bag)
