"""The inside of a mouth: teeth in front of the dark, darker with depth, and nothing outside the mouth."""

import dataclasses

import numpy as np
import pytest

from models.geometry.camera import ScaledOrtho
from models.geometry.face import head_surface, shade_face
from models.geometry.light import LUMINANCE, ambient
from models.geometry.proxies import draw_interior, to_head
from models.heads.linear import Proxy
from models.heads.regions import Region
from models.heads.synthetic import MOUTH_Y, synthetic_head

SKIN = np.full((16, 16, 3), (200, 150, 120), dtype=np.uint8)
WORN = {"teeth": np.full((8, 8, 3), 240, dtype=np.uint8)}
LIGHT = ambient(np.array([0.8, 0.75, 0.7]))
SIDE = 96


def _pose(yaw=0.0):
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return ScaledOrtho(1 / 130, np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.array([0.05, -0.02]))


def _head(depth, half=8.0):
    """The synthetic head with one flat tooth, ``depth`` mm behind its mouth and ``half`` mm wide to either side."""
    head = synthetic_head()
    mouth = np.unique(head.faces[head.face_region == Region.INNER_MOUTH])
    z = head.mean[mouth, 2].mean() - depth
    corners = np.add([[-half, -9, 0], [half, -9, 0], [half, 9, 0], [-half, 9, 0]], [0, MOUTH_Y, z])
    anchor = head.mean[mouth[0]]
    tooth = Proxy(
        "teeth_upper", np.array([[0, 1, 2], [0, 2, 3]], np.int32), np.full((1, 2), 0.5, np.float32),
        np.zeros((2, 3), np.int32), np.full((4, 3), mouth[0]), np.tile([1.0, 0, 0], (4, 1)),
        corners - anchor, "teeth",
    )  # fmt: skip
    return dataclasses.replace(head, proxies=(*head.proxies, tooth))


def _draw(head, yaw=0.0, grey=False, size=SIDE):
    pose = _pose(yaw)
    vertices = pose.to_cube(head.mean).astype(np.float32)
    plain = shade_face(head, vertices, SKIN, LIGHT, size)
    surface = head_surface(head, vertices)
    inside = draw_interior(head, vertices, surface, plain.region, plain.render, LIGHT, WORN, pose, grey)
    return plain, inside


@pytest.mark.parametrize("yaw", [0, 30])
def test_only_the_mouth_changes(yaw):
    plain, inside = _draw(_head(3), yaw)
    mouth = plain.region == Region.INNER_MOUTH
    assert mouth.sum() > 5
    np.testing.assert_array_equal(inside[~mouth], plain.render[~mouth])
    assert (inside[mouth] != plain.render[mouth]).any(axis=-1).mean() > 0.9


def test_teeth_are_bright_before_a_dark_mouth_without_much_red():
    plain, bare = _draw(synthetic_head())
    _, toothed = _draw(_head(3, half=30))
    mouth = plain.region == Region.INNER_MOUTH
    grey_bare, grey_teeth = (picture[mouth] @ LUMINANCE for picture in (bare, toothed))
    assert np.median(grey_bare) < 90
    assert np.median(grey_teeth) > np.median(grey_bare) + 60
    spread = np.median(bare[mouth], axis=0)
    assert 0 < spread[0] - spread[2] < 60


def test_deeper_teeth_are_darker_and_too_deep_ones_belong_elsewhere():
    mouth = _draw(synthetic_head())[0].region == Region.INNER_MOUTH
    levels = [np.median(_draw(_head(d, half=30))[1][mouth] @ LUMINANCE) for d in (1, 12, 30, 90)]
    assert levels[0] > levels[1] + 5 > levels[2] + 10
    assert levels[3] == np.median(_draw(synthetic_head())[1][mouth] @ LUMINANCE)


def test_a_tooth_half_as_wide_as_the_mouth_is_seen_in_its_middle():
    plain, inside = _draw(_head(3))
    rows, columns = np.nonzero(plain.region == Region.INNER_MOUTH)
    middle = int(columns.min() + columns.max()) // 2
    row = rows[columns == middle]
    centre = inside[row, middle] @ LUMINANCE
    ends = inside[rows[columns == columns.min()], columns.min()] @ LUMINANCE
    assert centre.max() > ends.min() + 50


def test_the_size_of_the_picture_does_not_change_the_colours():
    small, large = _draw(_head(3, half=30), size=128), _draw(_head(3, half=30), size=256)
    a, b = (np.median(i[p.region == Region.INNER_MOUTH], axis=0) for p, i in (small, large))
    assert np.abs(a - b).max() < 10


def test_grey_pictures_get_grey_mouths():
    plain, inside = _draw(_head(3), grey=True)
    mouth = inside[plain.region == Region.INNER_MOUTH].astype(int)
    assert np.ptp(mouth, axis=-1).max() == 0


def test_picture(golden):
    golden("mouth_interior", _draw(_head(3), yaw=20, size=64)[1])


def test_without_a_mouth_the_render_comes_back():
    head = _head(3)
    pose = _pose()
    vertices = pose.to_cube(head.mean).astype(np.float32)
    plain = shade_face(head, vertices, SKIN, LIGHT, SIDE)
    region = np.where(plain.region == Region.INNER_MOUTH, Region.LIPS, plain.region).astype(np.uint8)
    out = draw_interior(head, vertices, head_surface(head, vertices), region, plain.render, LIGHT, WORN, pose)
    np.testing.assert_array_equal(out, plain.render)
    assert out is not plain.render


def test_eyes_show_eyeballs_and_nothing_else_changes():
    head = _head(3)
    pose = _pose()
    vertices = pose.to_cube(head.mean).astype(np.float32)
    plain = shade_face(head, vertices, SKIN, LIGHT, SIDE)
    worn = {p.texture: np.full((8, 8, 3), (40, 60, 200), np.uint8) for p in head.proxies} | WORN
    shown = draw_interior(
        head, vertices, head_surface(head, vertices), plain.region, plain.render, LIGHT, worn, pose,
        opening=Region.EYES,
    )  # fmt: skip
    eyes = plain.region == Region.EYES
    assert eyes.sum() > 10
    np.testing.assert_array_equal(shown[~eyes], plain.render[~eyes])
    blue = shown[eyes].astype(int)
    assert (blue[:, 2] > blue[:, 0]).mean() > 0.5


def test_missing_textures_are_named():
    head = _head(3)
    pose = _pose()
    vertices = pose.to_cube(head.mean).astype(np.float32)
    plain = shade_face(head, vertices, SKIN, LIGHT, SIDE)
    with pytest.raises(ValueError, match="wants the texture 'teeth'"):
        draw_interior(
            head, vertices, head_surface(head, vertices), plain.region, plain.render, LIGHT, {}, pose
        )


def test_to_head_undoes_the_pose():
    points = np.random.default_rng(0).normal(0, 50, (20, 3))
    np.testing.assert_allclose(to_head(_pose(25).to_cube(points), _pose(25)), points, atol=1e-9)
