"""Key parts: what is seen where the landmarks place it."""

from __future__ import annotations

import numpy as np
import pytest

from models.networks.classes import Parsing
from storage.reject import Reason
from tasks.key_parts import covered_part, features, share
from tasks.parse import hull

R = 128


def points() -> np.ndarray:
    """Brows, eyes, nose and mouth of a front view as boxes of landmarks."""
    p = np.zeros((68, 2), np.float32)
    t = np.linspace(-1, 1, 17) * np.pi / 2
    p[:17] = np.stack([64 + 44 * np.sin(t), 50 + 60 * np.cos(t)], 1)
    for (first, last), (u, v, a, b) in {
        (17, 22): (44, 36, 12, 3), (22, 27): (84, 36, 12, 3), (27, 36): (64, 62, 9, 14), (36, 42): (44, 48, 9, 5),
        (42, 48): (84, 48, 9, 5), (48, 68): (64, 90, 18, 8),
    }.items():  # fmt: skip
        around = np.linspace(0, 2 * np.pi, last - first, endpoint=False)
        p[first:last] = np.stack([u + a * np.cos(around), v + b * np.sin(around)], 1)
    return p


PARTS = {
    (27, 36): Parsing.NOSE,
    (17, 22): Parsing.L_BROW,
    (22, 27): Parsing.R_BROW,
    (36, 42): Parsing.L_EYE,
    (42, 48): Parsing.R_EYE,
    (48, 60): Parsing.UPPER_LIP,
}


def bare() -> np.ndarray:
    p = points()
    parsing = np.full((R, R), Parsing.SKIN, np.uint8)
    for (first, last), part in PARTS.items():
        parsing[hull(p[first:last], R)] = part
    return parsing


def test_a_bare_face_is_let_through() -> None:
    assert covered_part(bare(), points()) is None


@pytest.mark.parametrize(("part", "word"), [((48, 60), "mouth"), ((27, 36), "nose")])
def test_a_part_may_be_missed_in_part(part: tuple[int, int], word: str) -> None:
    p, parsing = points(), bare()
    where = hull(p[slice(*part)], R)
    middle = p[slice(*part), 0].mean()
    some = where & (np.arange(R)[None] > middle + 0.5 * np.ptp(p[slice(*part), 0]) * 0.75)
    parsing[some] = Parsing.SKIN
    assert covered_part(parsing, p) is None
    parsing[where & (np.arange(R)[None] > middle)] = Parsing.SKIN
    reject = covered_part(parsing, p)
    assert reject is not None
    assert reject.reason is Reason.OCCLUDED
    assert word in reject.detail


@pytest.mark.parametrize("side", [0, 1])
def test_skin_over_one_eye_and_brow_is_a_hand(side: int) -> None:
    p = points()
    parts = (((36, 42), (17, 22)), ((42, 48), (22, 27)))[side]
    for cover, refused in ((Parsing.SKIN, True), (Parsing.HAIR, False), (Parsing.GLASSES, False)):
        parsing = bare()
        for part in parts:
            parsing[hull(p[slice(*part)], R)] = cover
        assert (covered_part(parsing, p) is not None) == refused
    lid = bare()
    lid[hull(p[slice(*parts[0])], R)] = Parsing.SKIN  # a closed eye below its brow
    assert covered_part(lid, p) is None


def test_features_and_share() -> None:
    marked = features(points(), R)
    assert marked[90, 64]
    assert marked[48, 44]
    assert not marked[75, 40]
    assert share(bare(), (Parsing.NOSE,), hull(points()[27:36], R)) == 1
    assert share(bare(), (Parsing.NOSE,), np.zeros((R, R), bool)) == 1
