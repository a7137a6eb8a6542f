"""The oily layer: energy, direction, and the lamp that is read from a light."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.gloss import (
    LIP_ROUGHNESS,
    ROUGHNESS,
    SkinLight,
    head_gloss,
    matt,
    shine,
    skin_light,
    strongest,
)
from models.geometry.light import LUMINANCE, ambient, basis
from models.geometry.occlusion import COSINE, head_occlusion, sphere_directions
from models.heads.regions import Region
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head()
SKIN, LEVEL = np.array([0.46, 0.27, 0.19]), np.full(3, 1.0)


def _lamp(direction, colour=(1, 1, 1)):
    direction = np.asarray(direction, float) / np.linalg.norm(direction)
    return ((np.pi * basis(direction) * COSINE)[:, None] * np.asarray(colour)).astype(np.float32)


def _layer(direction, roughness=ROUGHNESS):
    one = np.ones(3, np.float32)
    return SkinLight(np.zeros((3, 3), np.float32), one, roughness * one, np.float32(direction), one)


def _sent(normals, direction, roughness=ROUGHNESS):
    corners = np.tile(np.arange(3, dtype=np.int32), (len(normals), 1))
    bary = np.full((len(normals), 3), 1 / 3, np.float32)
    return shine(corners, bary, np.float32(normals), _layer(direction, roughness))[:, 0]


@settings(max_examples=30, deadline=None)
@given(polar=st.floats(0, 1.25), roughness=st.sampled_from([ROUGHNESS, LIP_ROUGHNESS, 0.5]))
def test_the_layer_reflects_a_little_and_never_more_than_arrives(polar, roughness):
    # All viewers of one lit point: the viewer stays at +z, so normal and lamp turn about it instead.
    viewers = sphere_directions(4000)
    viewers = viewers[viewers[:, 2] > 0.02]
    lamp = np.array([np.sin(polar), 0, np.cos(polar)])
    total = 0.0
    for view in viewers[:: len(viewers) // 400]:
        side = np.cross([0.31, 0.95, 0.02], view)
        side /= np.linalg.norm(side)
        frame = np.stack([side, np.cross(view, side), view])  # takes the viewer to +z
        normal, towards = frame @ [0, 0, 1.0], frame @ lamp
        total += float(_sent(normal[None], towards, roughness)[0]) * view[2]
    # Reflected share of the lamp's irradiance pi cos(polar): mean over the hemisphere (2 pi) of radiance.
    share = total / len(viewers[:: len(viewers) // 400]) * 2 * np.pi / (np.pi * np.cos(polar))
    assert share < 0.25
    if polar < 0.8:
        assert 0.01 < share < 0.06  # about the reflectance at normal incidence


def test_the_highlight_is_where_the_surface_mirrors_the_lamp():
    lamp = np.array([0.6, 0, 0.8])
    half = lamp + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    angles = np.linspace(-1.2, 1.2, 401)
    normals = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], -1)
    brightest = normals[_sent(normals, lamp).argmax()]
    assert brightest @ half > 0.995
    assert _sent(-normals, lamp).max() == 0


def test_smoother_skin_has_a_smaller_and_brighter_highlight():
    angles = np.linspace(0, 1.2, 200)
    normals = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], -1)
    rough, smooth = _sent(normals, [0, 0, 1], 0.35), _sent(normals, [0, 0, 1], 0.2)
    assert smooth[0] > rough[0]
    assert smooth[120] < rough[120]


@settings(max_examples=30, deadline=None)
@given(x=st.floats(-1, 1), y=st.floats(-1, 1), z=st.floats(0.1, 1), even=st.floats(0, 1))
def test_a_lamp_in_an_even_light_is_read_back(x, y, z, even):
    light = _lamp([x, y, z], (0.9, 0.6, 0.3)) + ambient(np.full(3, even))
    direction, lamp = strongest(light)
    assert direction @ [x, y, z] > 0.9999 * np.linalg.norm([x, y, z])
    np.testing.assert_allclose(lamp, [0.9, 0.6, 0.3], atol=1e-4)


def test_an_even_light_has_no_lamp_and_a_grey_light_a_grey_one():
    assert not strongest(ambient(np.ones(3)))[1].any()
    lamp = strongest(_lamp([1, 1, 1], np.full(3, 0.5)))[1]
    assert lamp == pytest.approx(np.full(3, lamp @ LUMINANCE))


def test_nose_and_lips_shine_more_than_cheeks_and_hair_not_at_all():
    layer = head_gloss(HEAD)
    mean = {
        r: layer.strength[HEAD.vertex_region == r].mean() for r in Region if (HEAD.vertex_region == r).any()
    }
    assert mean[Region.NOSE] > mean[Region.SKIN]
    assert mean[Region.LIPS] > mean[Region.SKIN]
    assert mean[Region.SCALP] == mean[Region.NECK] == 0
    assert 0 <= layer.strength.min() <= layer.strength.max() <= 1


def test_the_lamp_does_not_shine_where_the_head_shades_itself():
    own, layer = head_occlusion(HEAD), head_gloss(HEAD)
    lit = skin_light(own, layer, _lamp([0, 1, 0.5]) + ambient(np.full(3, 0.5)), SKIN, LEVEL)
    assert (lit.strength <= layer.strength + 1e-6).all()
    shaded = own.toward(lit.direction) < 0.1
    assert lit.strength[shaded].max() < 0.11
    assert not matt(4).added.any()
    assert not matt(4).strength.any()


def test_a_texture_s_tone_does_not_change_the_lamp():
    own, layer = head_occlusion(HEAD), head_gloss(HEAD)
    light = _lamp([0.5, 0.2, 1]) + ambient(np.full(3, 0.5))
    a, b = (skin_light(own, layer, light * s, SKIN, LEVEL) for s in (1, 3))
    np.testing.assert_allclose(a.lamp, b.lamp, rtol=1e-4)
