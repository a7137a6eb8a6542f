"""Every way in which a surface fails to bound a solid is refused."""

import numpy as np
import pytest

from models.heads.closed import check_closed
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head()


def _holed():
    return HEAD.faces[1:], HEAD.mean


def _one_face_turned():
    faces = HEAD.faces.copy()
    faces[7] = faces[7][::-1]
    return faces, HEAD.mean


def _inside_out():
    return HEAD.faces[:, ::-1], HEAD.mean


def _two_pieces():
    count = len(HEAD.mean)
    return np.concatenate([HEAD.faces, HEAD.faces + count]), np.concatenate([HEAD.mean, HEAD.mean + 400])


def _loose_vertex():
    return HEAD.faces + 1, np.concatenate([HEAD.mean[:1], HEAD.mean])


def test_a_closed_head_passes():
    check_closed(HEAD.faces, HEAD.mean)


@pytest.mark.parametrize(
    "broken", [_holed, _one_face_turned, _inside_out, _two_pieces, _loose_vertex], ids=lambda f: f.__name__
)
def test_broken_surfaces_are_refused(broken):
    with pytest.raises(ValueError, match="not a closed"):
        check_closed(*broken())
