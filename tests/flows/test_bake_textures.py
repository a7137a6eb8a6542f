from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from assets import registry
from assets.registry import AssetError, Ledger, asset_path, texture_pool
from assets.textures import TexturePool
from flows import bake_textures as module
from flows.bake_textures import bake_textures, sheet
from models.networks.classes import FACE

LICENCE = ("CC0-1.0", "Ann Author")


@pytest.fixture(scope="module")
def parsed():
    """A parser that needs no checkpoint: an ellipse of skin with brows, eyes and lips left to the fit."""

    class Parser:
        def __init__(self, *_, **__):
            pass

        def parse(self, photos):
            side = photos.shape[1]
            y, x = np.mgrid[:side, :side] / side - 0.5
            inside = (x / 0.23) ** 2 + (y / 0.31) ** 2 < 1
            return np.where(inside, FACE[0], 0).astype(np.uint8)[None]

    return Parser


@pytest.fixture
def own(tmp_path, monkeypatch, parsed):
    """An empty folder of own textures; the check of what shows in the texture is lenient with the ellipse."""
    monkeypatch.setenv(registry.FETCHED_ENV, str(tmp_path / "own-assets"))
    (tmp_path / "own-assets").mkdir()
    monkeypatch.setattr(module, "FaceParser", parsed)
    real = module.asset_path
    monkeypatch.setattr(module, "asset_path", lambda name: tmp_path if name == "bisenet" else real(name))
    return tmp_path / "own-assets"


def test_a_portrait_becomes_a_texture_of_the_pool_and_is_baked_once(own, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "photo_flaws", lambda *_: [])
    monkeypatch.setattr(module, "texture_flaws", lambda *_: [])
    lines = []
    photo = asset_path("astronaut")
    (outcome,) = bake_textures([photo], *LICENCE, lines.append)
    assert outcome.entry is not None
    assert lines == [f"{photo.name}, face 0: baked as {outcome.entry.name}"]
    book = Ledger.load()
    entry = book.entry(outcome.entry.name)
    assert (entry.licence, entry.attribution, entry.source) == (*LICENCE, photo.name)
    assert book.problem(entry) == ""
    pool = TexturePool(book)
    assert entry.name in pool.names
    assert len(pool.names) == len(TexturePool(Ledger.load(fetched_root=tmp_path)).names) + 1
    assert set(pool.looks(entry.name)) == {"tone", "age", "beard", "feminine"}
    assert pool.image(entry.name).shape == (1024, 1024, 3)
    (again,) = bake_textures([photo], *LICENCE)
    if again.entry is None:  # the pool of this process was read before
        assert "in the pool already" in again.reasons[0]
    else:
        assert again.entry == outcome.entry
    (own / entry.path).write_bytes(b"x")
    assert "bake-texture" in book.problem(entry)


def test_a_flawed_face_is_told_and_not_written(own, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    face = Image.open(asset_path("astronaut"))
    face.resize((face.width // 3, face.height // 3)).save(folder / "small.png")
    Image.new("RGB", (300, 300), (90, 120, 90)).save(folder / "nobody.png")
    nobody, small = bake_textures([folder], *LICENCE)
    assert nobody.entry is None
    assert "no face" in nobody.reasons[0]
    assert small.entry is None
    assert "inter-ocular" in small.reasons[0] or "too small" in small.reasons[0]
    assert not (own / "own").exists()
    with pytest.raises(AssetError, match="no sheet"):
        sheet([nobody], tmp_path / "sheet.jpg")


def test_the_sheet_shows_every_face(tmp_path):
    texture = texture_pool().image("mh_young_asian_male")
    crop = np.full((384, 384, 3), 90, np.uint8)
    good = module.Outcome(tmp_path / "a.jpg", 0, registry.ledger().entry("astronaut"), (), crop, texture)
    bad = replace(good, entry=None, reasons=("blurred (0.01, limit 0.02)",), texture=None)
    sheet([bad, good, bad], tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size == (6 * 256, 2 * 256)


def test_terms_and_pictures_are_asked_for(tmp_path):
    with pytest.raises(AssetError, match="pass --licence and --attribution"):
        bake_textures([tmp_path], "", "Ann")
    with pytest.raises(AssetError, match="no picture at"):
        bake_textures([tmp_path], *LICENCE)
    with pytest.raises(AssetError, match=r"^no picture: pass photographs"):
        bake_textures([], *LICENCE)
    with pytest.raises(AssetError, match="does not exist"):
        bake_textures([tmp_path / "nowhere"], *LICENCE)
