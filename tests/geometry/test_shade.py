"""Sampling, shading and the supersampling filter."""

import numpy as np

from models.geometry.light import ambient, decode_srgb
from models.geometry.rasterize import rasterize
from models.geometry.shade import Surface, attributes, colours, face_masks, mean_skin, regions, resolve
from models.heads.regions import Region
from tests.geometry.square import FACES, QUAD, UVS, outline_of, quad


def _all(size):
    return np.ones((size, size), dtype=bool)


def test_a_texture_the_size_of_the_image_comes_back_texel_for_pixel():
    texture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    colour = colours(rasterize(QUAD, FACES, 16), quad(), texture, ambient(np.ones(3)), _all(16))
    np.testing.assert_allclose(colour, decode_srgb(texture), atol=1e-4)


def test_bilinear_samples_mix_in_linear_light_and_repeat_the_border():
    texture = np.zeros((1, 2, 3), dtype=np.uint8)
    texture[0, 1] = 255
    row = colours(rasterize(QUAD, FACES, 8), quad(), texture, ambient(np.ones(3)), _all(8))[0, :, 0]
    np.testing.assert_allclose(row, [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1], atol=1e-5)


def test_only_wanted_pixels_are_drawn():
    texture = np.full((4, 4, 3), 200, dtype=np.uint8)
    wanted = np.eye(8, dtype=bool)
    colour = colours(rasterize(QUAD, FACES, 8), quad(), texture, ambient(np.ones(3)), wanted)
    np.testing.assert_array_equal(colour.any(axis=-1), wanted)


def test_attributes_are_albedo_and_normal_where_wanted():
    texture = np.full((4, 4, 3), 255, dtype=np.uint8)
    wanted = np.zeros((8, 8), dtype=bool)
    wanted[2, 3] = True
    albedo, normal = attributes(rasterize(QUAD, FACES, 8), quad(), texture, wanted)
    np.testing.assert_allclose(albedo[2, 3], 1, atol=1e-6)
    np.testing.assert_allclose(normal[2, 3], [0, 0, 1], atol=1e-6)
    assert albedo.sum() == albedo[2, 3].sum()


def test_regions_are_those_of_the_visible_triangles():
    half = rasterize(QUAD * [0.5, 1, 1], FACES, 8)
    region = regions(half, quad(Region.LIPS))
    np.testing.assert_array_equal(np.unique(region[:, :2]), [Region.BACKGROUND])
    np.testing.assert_array_equal(np.unique(region[:, 2:6]), [Region.LIPS])


def test_the_face_s_outline_runs_between_the_corners_and_not_along_triangles():
    outline = outline_of(Region.SKIN, Region.SCALP, Region.SCALP, Region.SKIN)
    for triangles in ((Region.SKIN, Region.SCALP), (Region.SCALP, Region.SKIN), (Region.SKIN, Region.SKIN)):
        normals = np.tile(np.float32([0, 0, 1]), (4, 1))
        surface = Surface(normals, FACES, UVS, FACES, np.array(triangles, np.uint8), outline)
        region = regions(rasterize(QUAD, FACES, 8), surface)
        assert (region[:, :4] == Region.SKIN).all()
        assert (region[:, 4:] == Region.SCALP).all()


def test_holes_end_where_their_triangles_end():
    outline = outline_of(Region.SKIN, Region.EYES, Region.EYES, Region.NECK)
    normals = np.tile(np.float32([0, 0, 1]), (4, 1))
    surface = Surface(
        normals, FACES, UVS, FACES, np.array([Region.EYES, Region.SKIN], dtype=np.uint8), outline
    )
    seen = rasterize(QUAD, FACES, 9)
    np.testing.assert_array_equal(regions(seen, surface) == Region.EYES, seen.pix_to_face == 0)


def _picture(fine_region, region, fine=None, centre=None, fill=None):
    fine = np.full((*fine_region.shape, 3), 0.5) if fine is None else fine
    centre = np.full((*region.shape, 3), 0.25) if centre is None else centre
    return resolve(np.float32(fine), fine_region, np.float32(centre), region, fill)


HALF = 188  # sRGB of linear 0.5
QUARTER = 137


def test_rim_pixels_have_the_face_s_colour_and_not_a_mix_with_black():
    region = np.full((1, 1), Region.SKIN, dtype=np.uint8)
    fine_region = np.array([[Region.SKIN, 0], [0, 0]], dtype=np.uint8)
    fine = np.zeros((2, 2, 3))
    fine[0, 0] = 0.5
    assert (_picture(fine_region, region, fine) == HALF).all()


def test_a_sliver_takes_the_colour_of_its_centre():
    region = np.full((1, 1), Region.SKIN, dtype=np.uint8)
    assert (_picture(np.zeros((2, 2), dtype=np.uint8), region) == QUARTER).all()


def test_pixels_outside_the_face_stay_black():
    fine_region = np.full((2, 2), Region.SKIN, dtype=np.uint8)
    for outside in (Region.BACKGROUND, Region.NECK, Region.EARS, Region.SCALP):
        assert not _picture(fine_region, np.full((1, 1), outside, dtype=np.uint8)).any()


def test_holes_are_filled_and_do_not_leak_out():
    region = np.array([[Region.SKIN, Region.EYES]], dtype=np.uint8)
    fine_region = np.array(
        [[1, Region.EYES, Region.EYES, Region.EYES], [1, 1, 1, Region.EYES]], dtype=np.uint8
    )
    fine = np.where(fine_region[..., None] == Region.EYES, 1.0, 0.5) * np.ones(3)
    filled = _picture(fine_region, region, fine, fill=np.full(3, 0.25))
    assert (filled[0, 0] == HALF).all()
    assert (filled[0, 1] == QUARTER).all()
    painted = _picture(fine_region, region, fine)
    assert (painted[0, 0] == HALF).all()
    assert (painted[0, 1] > HALF).all()


def test_bright_light_bends_instead_of_clipping():
    region = np.full((1, 2), Region.SKIN, dtype=np.uint8)
    fine_region = np.full((2, 4), Region.SKIN, dtype=np.uint8)
    fine = np.full((2, 4, 3), 1.0)
    fine[:, 2:] = 1.3
    picture = _picture(fine_region, region, fine)[0, :, 0]
    assert picture[0] < picture[1] <= 255


def test_masks_and_mean_skin_follow_the_region_table():
    region = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]], dtype=np.uint8)
    render, hole = face_masks(region)
    np.testing.assert_array_equal(np.flatnonzero(render), [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(np.flatnonzero(hole), [4, 6])
    colour = np.arange(30, dtype=np.float32).reshape(1, 10, 3)
    np.testing.assert_allclose(mean_skin(colour, region), [4.5, 5.5, 6.5])
