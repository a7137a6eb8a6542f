import numpy as np
import pytest
from published import open_head

from assets.heads.find_marks import find_marks
from assets.readers.obj import split_polygons
from assets.registry import AssetError, default_head

HEAD = open_head()
FACES, _ = split_polygons(HEAD.points, HEAD.polygons, HEAD.polygon_uvs)


def test_landmarks_of_a_coloured_head_are_found_on_its_surface():
    vertices, bary = find_marks(HEAD.points / 10 + 3, FACES, HEAD.colour)
    found = (HEAD.points[vertices] * bary[..., None]).sum(1)
    wanted = default_head().landmarks(default_head().mean)
    apart = np.linalg.norm(found - wanted, axis=1)[17:]
    assert np.median(apart) < 3  # mm
    assert apart.max() < 8  # none fell through open eyes or lips


def test_a_head_that_looks_away_is_refused():
    with pytest.raises(AssetError, match="no face was found"):
        find_marks(HEAD.points * [-1, 1, -1], FACES, HEAD.colour)
