from __future__ import annotations

import numpy as np
import pytest

from models.geometry.camera import ScaledOrtho
from models.heads.regions import Region
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing
from tasks.expect import KINDS, add_votes, expected_classes, first_votes, posed

R = 128
HEAD = synthetic_head()
CAMERA = ScaledOrtho(1 / 140, np.eye(3), np.zeros(2))


def stand(yaw: float = 0.0):
    c, s = np.cos(yaw), np.sin(yaw)
    camera = ScaledOrtho(1 / 140, np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.zeros(2))
    return posed(HEAD, camera, np.zeros(8, np.float32), np.zeros(4, np.float32), R)


def test_a_head_is_projected_with_its_landmarks() -> None:
    here = stand()
    assert np.allclose(here.landmarks, CAMERA.to_pixel(HEAD.landmarks(HEAD.mean), R), atol=1e-3)
    assert here.roll == pytest.approx(0)
    assert 0.3 < (here.face >= 0).mean() < 0.7


def test_without_votes_the_head_model_s_own_regions_are_expected() -> None:
    here = stand()
    said = expected_classes(first_votes(HEAD), HEAD, here)
    region = HEAD.face_region[np.maximum(here.face, 0)]
    inside = here.face >= 0
    assert (said[~inside] == Parsing.BACKGROUND).all()
    for part, kind in (
        (Region.NOSE, Parsing.NOSE),
        (Region.LIPS, Parsing.UPPER_LIP),
        (Region.NECK, Parsing.NECK),
    ):
        assert (said[inside & (region == part)] == kind).mean() > 0.7


def test_votes_move_a_part_to_where_the_parser_sees_it_and_turn_with_the_head() -> None:
    votes = first_votes(HEAD)
    here = stand()
    seen = np.full((R, R), Parsing.SKIN, np.uint8)
    seen[70:80, 50:80] = Parsing.NOSE  # wherever this parser thinks the nose is
    for _ in range(3):
        add_votes(votes, HEAD, here, seen)
    said = expected_classes(votes, HEAD, here)
    inside = here.face >= 0
    agree = (said == Parsing.NOSE) == (seen == Parsing.NOSE)
    assert agree[inside].mean() > 0.97, "but for the size of a triangle"
    turned = expected_classes(votes, HEAD, stand(0.5))
    columns = np.nonzero(turned == Parsing.NOSE)[1]
    assert columns.mean() > np.nonzero(said == Parsing.NOSE)[1].mean() + 8


def test_sides_and_lips_are_one_kind_and_occluders_abstain() -> None:
    here = stand()
    for classes, kind in (
        ((Parsing.R_EYE,), Parsing.L_EYE),
        ((Parsing.LOWER_LIP, Parsing.INNER_MOUTH), Parsing.UPPER_LIP),
    ):
        votes = np.zeros((len(HEAD.mean), len(KINDS)))
        add_votes(votes, HEAD, here, np.full((R, R), classes[0], np.uint8))
        assert votes[:, KINDS.index(kind)].sum() == pytest.approx((here.face >= 0).sum())
    votes = np.zeros((len(HEAD.mean), len(KINDS)))
    for occluder in (Parsing.HAIR, Parsing.GLASSES, Parsing.HAT):
        add_votes(votes, HEAD, here, np.full((R, R), occluder, np.uint8))
    assert votes.sum() == 0
