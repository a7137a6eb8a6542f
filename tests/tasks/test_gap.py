from __future__ import annotations

import numpy as np
import pytest

from models.networks.classes import Parsing
from tasks.gap import PARTS, contour_gap, occluded, part_contours
from tests.geometry.test_contours import disc

R = 192
IOD = 60.0


def landmarks() -> np.ndarray:
    points = np.zeros((68, 2))
    points[36:42], points[42:48], points[8] = (66, 76), (126, 76), (96, 166)
    return points


def face(du: float = 0.0, dv: float = 0.0) -> np.ndarray:
    """A drawn class map: face over neck, both eyes, nose, brows, lips, moved by (du, dv)."""
    out = np.zeros((R, R), np.uint8)
    out[120:, 50:142] = Parsing.NECK
    out[disc(R, 96 + du, 96 + dv, 70)] = Parsing.SKIN
    for u, eye, brow in ((66, Parsing.L_EYE, Parsing.L_BROW), (126, Parsing.R_EYE, Parsing.R_BROW)):
        out[disc(R, u + du, 76 + dv, 9)] = eye
        out[disc(R, u + du, 54 + dv, 8)] = brow
    out[disc(R, 96 + du, 100 + dv, 13)] = Parsing.NOSE
    out[disc(R, 96 + du, 136 + dv, 15)] = Parsing.UPPER_LIP
    return out


NOTHING = np.zeros((R, R), bool)


def test_equal_maps_have_no_gap_and_all_parts() -> None:
    gap = contour_gap(face(), face(), landmarks(), NOTHING)
    assert set(gap.parts) == set(PARTS)
    assert gap.mean == 0
    assert gap.iod == IOD


@pytest.mark.parametrize("part", ["lips", "eyes", "nose", "brows"])
def test_a_moved_face_is_two_over_pi_of_the_move_away(part: str) -> None:
    gap = contour_gap(face(), face(3, 0), landmarks(), NOTHING)
    assert 0.75 * 3 * 2 / np.pi < gap.parts[part] < 1.05 * 3 * 2 / np.pi, "trimmed: below the mean of all"


def test_the_jaw_is_the_outline_below_the_eyes_where_neck_or_background_follow() -> None:
    head, _ = part_contours("jaw", face(), face(), landmarks(), NOTHING)
    assert head[:, 1].min() > 76 + 0.3 * IOD
    gap = contour_gap(face(), face(0, 3), landmarks(), NOTHING)
    assert 1.5 < gap.parts["jaw"] < 3
    hair = face()
    hair[:, :96][hair[:, :96] == Parsing.BACKGROUND] = Parsing.HAIR
    hair[:, :96][hair[:, :96] == Parsing.NECK] = Parsing.HAIR
    left, _ = part_contours("jaw", hair, hair, landmarks(), NOTHING)
    assert left[:, 0].min() > 92, "where hair follows, there is no jaw to see"


def test_what_hides_a_part_takes_it_out() -> None:
    seen = face(3, 0)
    seen[100:170, 70:130] = Parsing.HAIR
    gap = contour_gap(face(), seen, landmarks(), occluded(IOD, seen))
    assert np.isnan(gap.parts["lips"])
    assert not np.isnan(gap.parts["eyes"])
    assert gap.mean == pytest.approx(np.nanmean(list(gap.parts.values())))


def test_an_eye_that_was_not_found_does_not_count_against_the_other() -> None:
    seen = face()
    seen[seen == Parsing.R_EYE] = Parsing.SKIN
    assert contour_gap(face(), seen, landmarks(), NOTHING).parts["eyes"] == 0
    seen[seen == Parsing.L_EYE] = Parsing.SKIN
    assert np.isnan(contour_gap(face(), seen, landmarks(), NOTHING).parts["eyes"])


def test_another_face_in_the_picture_does_not_count() -> None:
    seen = face()
    seen[disc(R, 20, 180, 10)] = Parsing.UPPER_LIP
    assert contour_gap(face(), seen, landmarks(), NOTHING).parts["lips"] == 0


def test_occluders_reach_a_margin_further() -> None:
    seen = face()
    seen[90, 90] = Parsing.GLASSES
    hidden = occluded(IOD, face(), seen)
    assert hidden.sum() == disc(R, 90.5, 90.5, 0.06 * IOD + 1e-6).sum()
