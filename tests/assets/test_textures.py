import numpy as np
import pytest

from assets.atlas import Atlas
from assets.registry import AssetError, Entry, Ledger, default_head, ledger, record, texture_pool
from assets.textures import TexturePool, save_texture


@pytest.fixture
def pool(tmp_path):
    columns = np.tile(np.linspace(40, 200, 64), (64, 1))
    image = np.dstack([columns, columns[::-1], 255 - columns]).astype(np.uint8)
    valid = np.zeros((64, 64), bool)
    valid[16:48, 20:44] = True
    for name, part in (("tan", "skin"), ("pale", "skin"), ("iris_red", "iris")):
        save_texture(tmp_path / f"textures/{name}.webp", image, valid)
        entry = Entry(
            name, "texture", f"textures/{name}.webp", "", 0, "CC0-1.0", "p", "a", tags={"part": part}
        )
        record(entry, root=tmp_path)
    return TexturePool(Ledger.load(tmp_path, tmp_path)), image, valid


def test_names_are_the_skins_and_parts_the_rest(pool):
    textures, *_ = pool
    assert textures.names == ("pale", "tan")
    assert textures.part("iris") == ("iris_red",)
    with pytest.raises(AssetError, match=r"no texture part 'hair'.*iris, skin"):
        textures.part("hair")


def test_colours_survive_everywhere_and_the_mask_exactly(pool):
    textures, image, valid = pool
    got = textures.image("tan")
    assert np.abs(got.astype(int) - image).mean() < 3  # under alpha 0 too
    np.testing.assert_array_equal(textures.valid("tan"), valid)
    assert not got.flags.writeable


def test_a_changed_file_is_not_drawn(pool, tmp_path):
    textures, *_ = pool
    with (tmp_path / "textures/tan.webp").open("ab") as file:
        file.write(b"x")
    with pytest.raises(AssetError, match="'tan'"):
        textures.image("tan")


def test_other_kinds_are_not_textures():
    with pytest.raises(AssetError, match="is a photo, not a texture"):
        texture_pool().image("obama")


def test_the_textures_that_ship():
    pool = texture_pool()
    names = pool.names
    assert sum(n.startswith("mh_") for n in names) == 20
    assert sum(n.startswith("photo_") for n in names) >= 8
    assert "scan_james" in names
    assert len(pool.part("iris")) == 9
    assert pool.part("teeth") == ("teeth",)
    assert sum(e.bytes for e in ledger().entries("texture")) < 25e6
    charts = Atlas(default_head(), 1024).fingerprint
    stale = [n for n in names if ledger().entry(n).tags["atlas"] != charts]
    assert stale == [], "the head's atlas changed: run `facepairs assets build SOURCES --only textures`"
    for name in names[::7]:
        image, valid = pool.image(name), pool.valid(name)
        assert image.shape == (1024, 1024, 3)
        assert valid.mean() > 0.1
        # No black gaps: nothing between or beside the charts is darker than the darkest scalp.
        assert (image.max(-1) < 4).mean() < 0.01
