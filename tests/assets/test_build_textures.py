from dataclasses import replace

import numpy as np
import pytest

from assets.build_textures import Portrait, TextureBuild
from assets.mixes import Mix
from assets.registry import Entry, Ledger
from assets.skins import Skin
from assets.textures import TexturePool
from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.geometry.rasterize import rasterize
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing


@pytest.fixture
def portrait():
    """A frontal photograph of the synthetic head in one colour, everything parsed as skin but what is
    behind.
    """
    head = synthetic_head()
    camera = ScaledOrtho(0.008, np.eye(3), np.zeros(2))
    posed = camera.to_cube(head.mean.astype(float)).astype(np.float32)
    at = rasterize(posed, head.faces, 192).pix_to_face >= 0
    photo = np.where(at[..., None], (170, 120, 100), 0).astype(np.uint8)
    parsing = np.where(at, Parsing.SKIN, Parsing.BACKGROUND).astype(np.uint8)
    origin = Entry("snap", "photo", "photos/snap.png", "0" * 64, 1, "CC0-1.0", "pack==1:snap.png", "Ann")
    landmarks = cube_to_pixel(head.landmarks(posed), 192)
    return Portrait("photo_ann", "mh_plain", origin, photo, landmarks, parsing, camera, head.mean)


def flat(colour):
    return np.full((192, 192, 3), colour, np.uint8)


def test_a_portrait_is_written_and_recorded_with_its_origin(tmp_path, portrait):
    lines = []
    maker = TextureBuild(synthetic_head(), tmp_path, 192, lines.append)
    valid = np.ones((192, 192), bool)
    maker.skins["mh_plain"] = Skin(
        "mh_plain", flat((180, 130, 105)), flat((180, 130, 105)), valid, "skin.png", "x"
    )
    baked = maker.portraits([portrait])["photo_ann"]
    assert baked.share > 0.3
    book = Ledger.load(tmp_path, tmp_path)
    entry = book.entry("photo_ann")
    assert (entry.licence, entry.source, entry.attribution) == ("CC0-1.0", "pack==1:snap.png", "Ann")
    assert "photograph 'snap'" in entry.note
    pool = TexturePool(book)
    assert pool.names == ("photo_ann",)
    np.testing.assert_array_equal(pool.valid("photo_ann"), baked.valid)
    assert lines[0].startswith("photo_ann: 192 x 192")


def test_painted_brows_stay_where_the_photograph_shows_none(tmp_path, portrait):
    maker = TextureBuild(synthetic_head(), tmp_path, 192)
    marked = flat((180, 130, 105))
    brows = maker.atlas.region == 3
    marked[brows] = (20, 15, 10)
    valid = np.ones((192, 192), bool)
    maker.skins["mh_plain"] = Skin("mh_plain", marked, flat((180, 130, 105)), valid, "skin.png", "x")
    hair = np.arange(192) < portrait.landmarks[17:27, 1].max() + 6
    portrait.parsing[hair] = Parsing.HAIR
    baked = maker.portraits([portrait])["photo_ann"]
    assert baked.brows < 0.5
    assert baked.image[brows].mean() < 60


def test_building_twice_gives_the_same_bytes(tmp_path, portrait):
    files = []
    for name in ("one", "two"):
        maker = TextureBuild(synthetic_head(), tmp_path / name, 192)
        skin = Skin(
            "mh_plain", flat((180, 130, 105)), flat((180, 130, 105)), np.ones((192, 192), bool), "s", "x"
        )
        maker.skins["mh_plain"] = skin
        maker.portraits([portrait])
        files.append((tmp_path / name / "textures/photo_ann.webp").read_bytes())
    assert files[0] == files[1]


def test_a_mix_is_recorded_with_its_parents_terms_and_looks(tmp_path, portrait):
    maker = TextureBuild(synthetic_head(), tmp_path, 192)
    valid = np.ones((192, 192), bool)
    maker.skins["mh_plain"] = Skin("mh_plain", flat((180, 130, 105)), flat((180, 130, 105)), valid, "s", "x")
    maker.portraits([portrait, replace(portrait, name="photo_bob", feminine=1.0)])
    maker.mixed([Mix("mix_tan", "photo_bob", detail="photo_ann", tone=15, beard=0.6)])
    book = Ledger.load(tmp_path, tmp_path)
    pool, entry = TexturePool(book), book.entry("mix_tan")
    assert (entry.licence, entry.attribution) == ("CC0-1.0", "Ann")
    assert entry.note == "Mixed from 'photo_bob' and 'photo_ann'."
    looks = pool.looks("mix_tan")
    assert looks["beard"] == 0.6
    assert looks["feminine"] == 1.0
    assert looks["tone"] < pool.looks("photo_bob")["tone"]
    np.testing.assert_array_equal(pool.valid("mix_tan"), pool.valid("photo_bob"))
