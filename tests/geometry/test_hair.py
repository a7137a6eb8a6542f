"""Hair's colour beside it, and its strands in tiles."""

import numpy as np

from models.geometry.hair import core, hair_colours, look_up, strands, textured

R = 96


def test_strands_are_seamless_and_keep_the_hairs_contrast():
    photo = np.random.default_rng(0).integers(0, 255, (R, R, 3)).astype(np.uint8)
    hair = np.zeros((R, R), bool)
    hair[20:60, 30:70] = True
    detail = strands(photo, hair)
    assert abs(float(detail.mean())) < 4
    assert 0.6 < detail.std() / photo[hair].std() < 1.2
    steps = np.abs(np.diff(detail, axis=1)).mean(axis=(0, 2))
    assert steps.max() < 1.6 * np.median(steps), "no column where tiles meet stands out"
    assert not strands(photo, np.zeros((R, R), bool)).any()


def test_what_shines_through_the_ends_of_hair_does_not_colour_the_rest():
    photo = np.full((R, R, 3), 240, np.uint8)
    hair = np.zeros((R, R), bool)
    hair[20:70, 20:70] = True
    photo[hair] = 160  # its outer two pixels, with the background shining through
    photo[22:68, 22:68] = 60
    filled = hair_colours(photo, hair)
    assert (filled[core(hair)] == photo[core(hair)]).all()
    assert abs(float(filled[80:, 80:].mean()) - 60) < 15


def test_looking_up_the_pixels_own_places_gives_the_picture():
    field = np.random.default_rng(0).random((R, R)).astype(np.float32)
    axis = (2 * np.arange(R) + 1) / R - 1
    points = np.stack([*np.meshgrid(axis, -axis), np.zeros((R, R))], -1).astype(np.float32)
    np.testing.assert_allclose(look_up(field, points), field, atol=1e-3)


def test_detail_is_kept_as_seen_and_made_anew_where_it_is_drawn_out():
    colour = np.random.default_rng(1).uniform(0, 200, (R, R, 3)).astype(np.float32)
    axis = (2 * np.arange(R) + 1) / R - 1
    x, y = np.meshgrid(axis, -axis)
    fresh = np.full((R, R, 3), 500, np.float32)
    as_seen = np.stack([x, y, 0 * x], -1).astype(np.float32)
    inner = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(textured(colour, as_seen, fresh)[inner], colour[inner], atol=0.1)
    drawn_out = np.stack([0.05 * x, y, 0 * x], -1).astype(np.float32)
    assert (textured(colour, drawn_out, fresh)[inner] > 500).all()
