from dataclasses import replace

import numpy as np
import pytest
from published import open_head

from assets.heads.raw import PUPILS_MM, RawHead
from assets.readers.obj import split_polygons
from assets.registry import AssetError


@pytest.fixture(scope="module")
def raw():
    head = open_head()
    faces, _ = split_polygons(head.points, head.polygons, head.polygon_uvs)
    return RawHead(
        "model", head.points, head.identity, head.jaw_open[None], ("jawOpen",), faces,
        np.repeat(head.marks[:, None], 3, 1), np.tile([1.0, 0, 0], (68, 1)),
    )  # fmt: skip


def test_a_unit_that_nobody_says_follows_from_the_pupils(raw):
    small = replace(raw, mean=raw.mean / 7)
    marks = small.marks() * small.scale
    assert np.linalg.norm(marks[36:42].mean(0) - marks[42:48].mean(0)) == pytest.approx(PUPILS_MM)
    assert replace(raw, unit_mm=1.0).scale == 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: {"mean": r.mean[:, [0, 2, 1]]}, "y up"),
        (lambda r: {"mean": r.mean * [-1, 1, 1]}, "to the subject's left"),
        (lambda r: {"mean": r.mean * [1, 1, -1]}, "ears to nose tip"),
        (lambda r: {"unit_mm": 10.0}, "60 to 130"),
        (lambda r: {"faces": r.faces + len(r.mean)}, "count from 0"),
        (lambda r: {"landmark_vertices": r.landmark_vertices[:51]}, "landmark_vertices"),
        (lambda r: {"exp_names": ("a", "b")}, "exp_basis"),
        (lambda r: {"mean": np.where(r.mean > 100, np.nan, r.mean)}, "NaN"),
    ],
)
def test_what_is_no_face_is_refused_with_its_reason(raw, change, said):
    with pytest.raises(AssetError, match=said):
        replace(raw, **change(raw))
