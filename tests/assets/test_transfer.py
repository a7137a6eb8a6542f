"""Textures on another head: alike as seen, and the way back is the way there."""

import numpy as np

from assets.registry import default_head
from assets.transfer import HeadTextures, atlas_map, in_reference, spread_out, transferred
from models.geometry.camera import ScaledOrtho
from models.geometry.face import shade_face
from models.geometry.light import ambient


def test_a_texture_looks_alike_on_both_heads(made):
    bundled = default_head()
    rng = np.random.default_rng(0)
    texture = np.full((256, 256, 3), (190, 140, 120), np.uint8)
    texture[:, ::16] = rng.integers(40, 200, 3)
    texture[::16] = rng.integers(40, 200, 3)
    there = transferred(texture, atlas_map(made, bundled, 256))
    pose = ScaledOrtho(1 / 120, np.eye(3), np.zeros(2))

    def drawn(head, image):
        posed = pose.to_cube(head.mean.astype(np.float64)).astype(np.float32)
        shaded = shade_face(head, posed, image, ambient(np.ones(3)), 96)
        return shaded.render.astype(int), shaded.render_mask & ~shaded.hole_mask

    (one, in_one), (two, in_two) = drawn(bundled, texture), drawn(made, there)
    both = in_one & in_two
    assert both.sum() > 0.9 * in_one.sum()
    assert np.abs(one - two)[both].mean() < 9
    plain = np.abs(one - drawn(made, texture)[0])[both].mean()
    assert np.abs(one - two)[both].mean() < 0.8 * plain  # without the transfer it is another picture


def test_a_pool_is_worn_through_the_atlas_and_parts_as_they_are(made):
    class Pool:
        names = ("skin",)

        def image(self, name):
            return np.full((64, 64, 3), 9 if name == "skin" else 5, np.uint8)

        def part(self, part):
            return (part,)

        def head(self, name):
            return "anny"

        def displacement(self, name):
            return np.full((32, 32), 0.25, np.float32)

    worn = HeadTextures(made, Pool(), lambda name: default_head())
    assert (worn.image("skin") == 9).all()
    assert worn.image("skin").shape == (1024, 1024, 3)
    assert worn.image("teeth").shape == (64, 64, 3)
    relief = worn.displacement("skin")
    assert relief.max() == 0.25
    own = HeadTextures(default_head(), Pool(), lambda name: default_head())
    assert own.image("skin").shape == (64, 64, 3)


def test_a_head_s_own_map_leads_to_itself(made):
    way = atlas_map(made, made, 64)
    at = np.isfinite(way[..., 0])
    rows, columns = np.nonzero(at)
    own = np.stack([(columns + 0.5) / 64, 1 - (rows + 0.5) / 64], 1)
    assert np.quantile(np.abs(way[at] - own), 0.9) < 1e-3
    assert in_reference(default_head()) is default_head().mean


def test_unknown_texels_take_their_nearest_colour():
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, 2], image[:, 6] = 50, 200
    known = np.zeros((8, 8), bool)
    known[:, [2, 6]] = True
    filled = spread_out(image, known)
    assert (filled[:, :4] == 50).all()
    assert (filled[:, 5:] == 200).all()
    assert spread_out(image, np.ones((8, 8), bool)) is image
