import numpy as np
import pytest
from PIL import Image

from assets.atlas import Atlas
from assets.skins import _mottled, fill_gaps, part_textures
from models.heads.regions import Region
from models.heads.synthetic import synthetic_head


@pytest.fixture(scope="module")
def atlas():
    return Atlas(synthetic_head(), 128)


def test_eyes_and_gaps_take_the_skin_around_them(atlas):
    colour = np.full((128, 128, 3), 0.0, np.float32)
    colour[atlas.covered] = (200, 150, 120)
    colour[atlas.region == Region.EYES] = (255, 0, 0)  # the painted sockets are red
    filled = fill_gaps(colour, atlas)
    np.testing.assert_allclose(filled, np.broadcast_to((200.0, 150, 120), filled.shape), atol=1)


def test_mottling_is_small_and_the_same_for_the_same_name(atlas):
    colour = np.full((128, 128, 3), 150, np.float32)
    one, again, other = (_mottled(colour, atlas, name) for name in ("mh_a", "mh_a", "mh_b"))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1
    skin = atlas.region == Region.SKIN
    assert 0.01 < (one[skin] / 150).std() < 0.06
    assert abs(one[skin].mean() / 150 - 1) < 0.02


def test_parts_lose_their_transparency_but_not_their_colour(tmp_path):
    root = tmp_path / "public/data/proxies"
    rgba = np.zeros((16, 16, 4), np.uint8)
    rgba[4:12, 4:12] = (30, 120, 200, 255)
    for name in ("eyes/HighPolyEyes/textures/teal_eye", "teeth/Teeth_Base/textures/teeth"):
        (root / name).parent.mkdir(parents=True)
        Image.fromarray(rgba).save(root / f"{name}.png")
    (root / "tongue/tongue01/textures").mkdir(parents=True)
    Image.fromarray(rgba).save(root / "tongue/tongue01/textures/tongue01_diffuse.png")
    found = {name: (part, image) for name, part, image, _ in part_textures(tmp_path)}
    assert set(found) == {"iris_teal", "teeth", "tongue"}
    part, image = found["iris_teal"]
    assert part == "iris"
    np.testing.assert_allclose(image, np.broadcast_to((30, 120, 200), image.shape), atol=1)
