"""Mouths of fitted heads: drawn where a mouth is open, from landmarks and skin alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flows.swap_faces import Face
from flows.swap_interiors import with_interiors
from flows.swap_renders import rendered_faces, spread_interior
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing

SKIN = np.full((32, 32, 3), (200, 150, 120), np.uint8)


@pytest.fixture(scope="module")
def face() -> Face:
    head = synthetic_head()
    parts = {p.texture: [np.full((16, 16, 3), (90, 60, 40), np.uint8)] for p in head.proxies}
    found = [f for f in rendered_faces(head, [SKIN], parts, 8, 160) if "mouth" in f.holes]
    assert found
    return replace(found[0], interior=None)


def test_an_open_mouth_gets_an_interior_as_large_as_the_picture(face: Face) -> None:
    (drawn,) = with_interiors([face], synthetic_head(), SKIN, {})
    assert drawn.interior is not None
    assert drawn.interior.shape == face.photo.shape
    np.testing.assert_array_equal(drawn.photo, face.photo)
    mouth = face.holes["mouth"]
    skin = face.photo[face.parsing == Parsing.SKIN]
    assert drawn.interior[mouth].mean() < 0.7 * skin.mean()


def test_what_the_mouth_shows_does_not_matter(face: Face) -> None:
    other = replace(face, photo=face.photo.copy())
    other.photo[face.holes["mouth"]] = (0, 255, 0)
    one, two = with_interiors([face, other], synthetic_head(), SKIN, {})
    np.testing.assert_array_equal(one.interior, two.interior)


def test_shut_mouths_and_unlit_faces_are_left_alone(face: Face) -> None:
    shut = replace(face, parsing=np.where(face.parsing == Parsing.INNER_MOUTH, Parsing.SKIN, face.parsing))
    dark = replace(face, photo=np.zeros_like(face.photo))
    for given, back in zip(
        [shut, dark], with_interiors([shut, dark], synthetic_head(), SKIN, {}), strict=True
    ):
        assert back is given
    assert dark.inside.shape == dark.photo.shape


def test_spreading_keeps_the_mouth_and_darkens_away_from_it() -> None:
    picture = np.full((40, 40, 3), 200, np.uint8)
    mouth = np.zeros((40, 40), bool)
    mouth[18:22, 10:30] = True
    spread = spread_interior(picture, mouth)
    assert spread is not None
    assert (spread[mouth] == 200).all()
    assert spread[23, 20, 0] > spread[39, 20, 0] > 60
    assert spread_interior(picture, np.zeros((40, 40), bool)) is None
