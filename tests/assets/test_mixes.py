import numpy as np
import pytest

from assets.atlas import Atlas
from assets.mixes import MIXES, Mix, mixed, typology_angle
from assets.registry import ledger
from models.geometry.light import decode_srgb
from models.heads.regions import Region
from models.heads.synthetic import synthetic_head

PALE = (200, 155, 130)


@pytest.fixture(scope="module")
def atlas():
    return Atlas(synthetic_head(), 192)


def flat(colour, atlas, lips=None):
    image = np.full((192, 192, 3), colour, np.uint8)
    if lips:
        image[atlas.region == Region.LIPS] = lips
    return image


def skin(image, atlas):
    return decode_srgb(image)[np.isin(atlas.region, (Region.SKIN, Region.NOSE))]


@pytest.mark.parametrize("tone", [50, 20, -10, -40])
def test_the_skin_gets_the_wanted_tone_and_lips_stay_redder_than_it(atlas, tone):
    base = flat(PALE, atlas, lips=(190, 105, 100))
    image = mixed(Mix("m", "b", tone=tone), base, None, atlas)
    assert typology_angle(np.median(skin(image, atlas), axis=0)) == pytest.approx(tone, abs=2)
    lips = decode_srgb(image)[atlas.region == Region.LIPS].mean(0)
    face = skin(image, atlas).mean(0)
    assert lips[0] / lips[1] > face[0] / face[1]


def test_detail_is_taken_over_and_slow_colours_stay(atlas):
    rng = np.random.default_rng(0)
    other = np.clip(flat((90, 60, 45), atlas) * rng.uniform(0.8, 1.2, (192, 192, 1)), 0, 255).astype(np.uint8)
    base = flat(PALE, atlas)
    image = mixed(Mix("m", "b", detail="d"), base, other, atlas)
    np.testing.assert_allclose(skin(image, atlas).mean(0), skin(base, atlas).mean(0), rtol=0.05)
    made, theirs = np.log(skin(image, atlas).mean(-1)), np.log(skin(other, atlas).mean(-1))
    assert np.corrcoef(made, theirs)[0, 1] > 0.7


def test_freckles_are_dark_spots_on_nose_and_cheeks_only(atlas):
    base = flat(PALE, atlas)
    change = decode_srgb(mixed(Mix("m", "b", freckles=1), base, None, atlas)) / decode_srgb(base)
    face = np.isin(atlas.region, (Region.SKIN, Region.NOSE))
    assert change.max() < 1.01
    assert 0.01 < (change[face].mean(-1) < 0.95).mean() < 0.8
    chin = face & (
        atlas.on_surface(atlas.head.mean)[..., 1] < atlas.head.landmarks(atlas.head.mean)[8, 1] + 5
    )
    assert change[chin].mean() > 0.97


def test_a_beard_grows_below_the_nose_and_not_on_lips_or_forehead(atlas):
    base = flat(PALE, atlas)
    base[atlas.region == Region.BROWS] = (50, 35, 25)
    image = decode_srgb(mixed(Mix("m", "b", beard=1), base, None, atlas)) / decode_srgb(base)
    marks = atlas.head.landmarks(atlas.head.mean)
    height = atlas.on_surface(atlas.head.mean)[..., 1]
    face = atlas.region == Region.SKIN
    assert image[face & (height < marks[57, 1] - 4)].mean() < 0.75
    assert image[face & (height > marks[27, 1])].min() > 0.95
    assert image[atlas.region == Region.LIPS].mean() > 0.85


def test_the_same_recipe_gives_the_same_bytes_and_names_are_seeds(atlas):
    base = flat(PALE, atlas)
    one, again, other = (mixed(Mix(n, "b", freckles=1, beard=0.5), base, None, atlas) for n in "aab")
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_recipes_that_ship_have_parents_that_ship_and_spread_over_the_tones():
    book = ledger()
    shipped = {e.name for e in book.entries("texture")}
    for mix in MIXES:
        assert {mix.name, mix.base} <= shipped
        assert book.entry(mix.base).licence in book.entry(mix.name).licence
    tones = [float(e.tags["tone"]) for e in book.entries("texture") if "tone" in e.tags]
    assert len(tones) >= 40
    for low, high in (
        (-90, -30),
        (-30, 10),
        (10, 28),
        (28, 41),
        (41, 90),
    ):  # dark, brown, tan, intermediate, light
        assert sum(low <= tone < high for tone in tones) >= 3
