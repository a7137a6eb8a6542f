"""Hair behind a profile: which gap is filled, and with what."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.curtain import REACH, gap, hang

R = 96
V, U = np.mgrid[:R, :R] + 0.5
FACE = np.hypot(U - 48, V - 48) < 24


def strip(width: float) -> np.ndarray:
    """Hair to the left of the face, ``width`` pixels away from it in the middle row."""
    return (24 - width > U) & (np.abs(V - 48) < 30)


def test_the_gap_lies_between_face_and_hair_only() -> None:
    found = gap(FACE, strip(8))
    assert found[48, 17:23].all()
    assert not (found & (FACE | strip(8))).any()
    assert not found[:, 75:].any()  # nothing bounds it on the other side
    assert not found[:10].any()


def test_a_wide_gap_shows_the_background() -> None:
    assert not gap(FACE, strip(REACH * R + 3))[48].any()


def test_without_hair_or_face_there_is_no_gap() -> None:
    none = np.zeros((R, R), bool)
    assert not gap(FACE, none).any()
    assert not gap(none, strip(5)).any()


@settings(max_examples=20, deadline=None)
@given(st.floats(2, 14))
def test_a_mirrored_picture_has_the_mirrored_gap(width: float) -> None:
    here, there = gap(FACE, strip(width)), gap(FACE[:, ::-1], strip(width)[:, ::-1])
    assert (here ^ there[:, ::-1]).sum() == 0


def test_the_gap_takes_the_hair_s_colour_and_nothing_else_changes() -> None:
    hair = strip(8)
    wall = np.full((R, R, 3), 220, np.float32)
    colour = np.where(hair[..., None], np.float32([60, 40, 20]), 0).astype(np.float32)
    made, empty = hang(wall, colour, FACE, hair, np.zeros((R, R, 3), np.float32))
    assert empty.any()
    inside = made[empty]
    assert (inside < [60, 40, 20]).all()  # in the shadow of the head
    assert (inside > [30, 20, 10]).all()
    assert (made[~empty & ~FACE & ~hair] == 220).all()


def test_a_scene_without_gap_is_returned_as_it_is() -> None:
    wall = np.full((R, R, 3), 220, np.float32)
    made, empty = hang(wall, wall, FACE, np.zeros((R, R), bool), wall)
    assert made is wall
    assert not empty.any()
