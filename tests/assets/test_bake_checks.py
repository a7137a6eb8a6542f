from dataclasses import replace

import numpy as np
import pytest

from assets.atlas import Atlas
from assets.bake import Baked
from assets.bake_checks import photo_flaws, texture_flaws
from assets.registry import default_head, texture_pool
from models.heads.regions import FACE, Region
from models.networks.classes import Parsing
from tests.assets.test_appearance import face


@pytest.fixture
def portrait():
    """A sharp face, ready to be baked."""
    photo, points, mask = face()
    grain = np.random.default_rng(0).normal(1, 0.05, (*mask.shape, 1))
    return (np.clip(photo * grain, 0, 240).astype(np.uint8), points, mask)


def reasons(photo, points, mask, iod=120.0, yaw=3.0, pitch=-4.0):
    return [flaw.reason for flaw in photo_flaws(photo, points, mask, iod, yaw, pitch)]


def test_a_good_portrait_has_no_flaw(portrait):
    assert reasons(*portrait) == []


def test_every_flaw_is_told_with_its_number(portrait):
    photo, points, mask = portrait
    assert reasons(*portrait, yaw=-31) == ["turned away"]
    assert reasons(*portrait, iod=40) == ["too small"]
    assert reasons(*face()) == ["blurred"]
    burnt = photo.copy()
    burnt[100:160, 90:160] = 255
    assert "burnt highlights" in reasons(burnt, points, mask)
    blue = (photo * [0.5, 0.7, 1.0] + [0, 0, 60]).clip(0, 240).astype(np.uint8)
    assert "coloured light or none" in reasons(blue, points, mask)
    spectacles = mask.copy()
    spectacles[105:116, 90:166] = Parsing.GLASSES
    assert "glasses" in reasons(photo, points, spectacles)
    hand = mask.copy()
    hand[140:190, 100:160] = Parsing.BACKGROUND
    assert "hair, hat or hand over the face" in reasons(photo, points, hand)
    (flaw,) = photo_flaws(photo, points, mask, 40.0, 0.0, 0.0)
    assert str(flaw) == "too small (40, limit 64)"


@pytest.fixture(scope="module")
def baked():
    atlas = Atlas(default_head(), 256)
    image = np.full((256, 256, 3), (190, 140, 115), np.uint8)
    return Baked(image, np.isin(atlas.region, FACE), 0.8, 0.9, "mh"), atlas


def test_shadow_and_fragments_left_in_a_texture_are_found(baked):
    texture, atlas = baked
    assert texture_flaws(texture, atlas) == []
    lit = texture.image.copy()
    lit[atlas.on_surface(atlas.head.mean)[..., 0] > 0] //= 2
    assert texture_flaws(replace(texture, image=lit), atlas)[0].reason == "hard shadow"
    specked = texture.image.copy()
    rows, columns = np.nonzero(atlas.region == Region.SKIN)
    for k in range(0, len(rows), 60):
        specked[rows[k] : rows[k] + 5, columns[k] : columns[k] + 5] = 20
    assert "fragments of hair or shine" in [
        f.reason for f in texture_flaws(replace(texture, image=specked), atlas)
    ]
    assert [f.reason for f in texture_flaws(replace(texture, share=0.1), atlas)] == [
        "little of the face seen"
    ]


def test_the_bakes_that_ship_pass():
    pool, atlas = texture_pool(), Atlas(default_head(), 1024)
    for name in pool.names:
        if not name.startswith(("photo_", "scan_")):
            continue
        # Alpha is what the photograph gave; its share was checked when the texture was built.
        made = Baked(pool.image(name), pool.valid(name), 1.0, 1.0, "")
        assert texture_flaws(made, atlas) == [], name
