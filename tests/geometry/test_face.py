"""A whole face: what is drawn, what is left to the completion network, and the proxies in its place."""

import dataclasses

import numpy as np
import pytest

from models.geometry.camera import ScaledOrtho
from models.geometry.face import head_surface, render_surface, shade_face
from models.geometry.light import ambient
from models.geometry.rasterize import rasterize
from models.heads.regions import FACE, HOLES
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head()
TEXTURE = np.full((32, 32, 3), (200, 150, 120), dtype=np.uint8)
TEXTURE[::4] = (170, 120, 100)
EYE = {"eye": np.full((8, 8, 3), 245, dtype=np.uint8)}


def _pose(yaw=0.0):
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return ScaledOrtho(1 / 130, np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.array([0.05, -0.02]))


def _lamp():
    light = ambient(np.array([0.8, 0.75, 0.7]))
    light[3] += 0.4
    return light


def _shade(yaw=0.0, **more):
    pose = _pose(yaw)
    vertices = pose.to_cube(HEAD.mean).astype(np.float32)
    return shade_face(HEAD, vertices, TEXTURE, _lamp(), 64, **more)


@pytest.mark.parametrize("yaw", [0, 35, 75])
def test_masks_agree_with_the_region_map_and_the_rest_is_black(yaw):
    shaded = _shade(yaw)
    np.testing.assert_array_equal(shaded.render_mask, np.isin(shaded.region, FACE))
    np.testing.assert_array_equal(shaded.hole_mask, np.isin(shaded.region, HOLES))
    assert not shaded.render[~shaded.render_mask].any()
    assert (shaded.render[shaded.render_mask].max(axis=-1) > 40).all()


def test_the_lit_side_is_brighter():
    shaded = _shade()
    columns = np.arange(64)[None, :] * np.ones((64, 1))
    right = shaded.render[shaded.render_mask & (columns > 40)].mean()
    left = shaded.render[shaded.render_mask & (columns < 26)].mean()
    assert right > left + 10


def test_holes_have_one_plain_colour_near_the_skin_s():
    shaded = _shade()
    inside = shaded.render[shaded.hole_mask]
    assert len(inside) > 10
    assert (inside == inside[0]).all()
    skin = shaded.render[shaded.render_mask & ~shaded.hole_mask].mean(axis=0)
    assert np.abs(inside[0] - skin).max() < 25


@pytest.mark.parametrize("yaw", [0, 35])
def test_proxies_change_the_holes_and_nothing_else(yaw):
    plain, full = _shade(yaw), _shade(yaw, proxies=True, proxy_textures=EYE, pose=_pose(yaw))
    np.testing.assert_array_equal(plain.render[~plain.hole_mask], full.render[~plain.hole_mask])
    np.testing.assert_array_equal(plain.hole_mask, full.hole_mask)
    assert (plain.render[plain.hole_mask] != full.render[plain.hole_mask]).any()


def test_pytorch3d_draws_the_same_face():
    vertices = _pose(35).to_cube(HEAD.mean).astype(np.float32)
    surface = head_surface(HEAD, vertices)
    seen = rasterize(vertices, surface.faces, 64, cull=True)
    ours, theirs = (
        render_surface(HEAD, vertices, surface, seen, TEXTURE, _lamp(), device=device)
        for device in ("cpu", "cpu:0")  # a device that is not "cpu" is PyTorch3D's, here still on the CPU
    )
    assert np.abs(ours.render.astype(int) - theirs.render).max() <= 1
    np.testing.assert_array_equal(ours.region, theirs.region)


def test_an_eye_s_cornea_is_left_out():
    eye = HEAD.proxies[0]
    n = len(eye.bind_vertices)
    shell = dataclasses.replace(
        eye,
        faces=np.concatenate([eye.faces, eye.faces[:3] + n]),
        face_uvs=np.concatenate([eye.face_uvs, eye.face_uvs[:3]]),
        bind_vertices=np.tile(eye.bind_vertices, (2, 1)),
        bind_weights=np.tile(eye.bind_weights, (2, 1)),
        offsets=np.concatenate([eye.offsets, eye.offsets * 1.1]),
    )
    with_cornea = dataclasses.replace(HEAD, proxies=(shell, *HEAD.proxies[1:]))
    vertices = _pose().to_cube(HEAD.mean).astype(np.float32)
    bright = {"eye": np.full((8, 8, 3), 245, dtype=np.uint8)}
    a, b = (
        shade_face(h, vertices, TEXTURE, _lamp(), 64, proxies=True, proxy_textures=bright, pose=_pose())
        for h in (HEAD, with_cornea)
    )
    np.testing.assert_array_equal(a.render, b.render)


def test_proxies_need_a_pose_and_their_textures():
    with pytest.raises(ValueError, match="pose is None"):
        _shade(proxies=True, proxy_textures=EYE)
    with pytest.raises(ValueError, match="wants the texture 'eye'"):
        _shade(proxies=True, proxy_textures={}, pose=_pose())


def test_pictures(golden):
    golden("face_frontal", _shade().render)
    golden("face_yaw35_proxies", _shade(35, proxies=True, proxy_textures=EYE, pose=_pose(35)).render)
