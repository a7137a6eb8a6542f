from __future__ import annotations

import numpy as np

from models.heads.regions import Region
from tasks.floor import plain_render

R = 64


def head() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Regions, normals (all to the viewer) and a face: a square of skin over a neck, ears beside it."""
    region = np.zeros((R, R), np.uint8)
    region[16:44, 20:44] = Region.SKIN
    region[44:60, 26:38] = Region.NECK
    region[24:34, 14:20] = region[24:34, 44:50] = Region.EARS
    region[6:16, 20:44] = Region.SCALP
    region[26:30, 24:30] = Region.EYES
    normals = np.zeros((R, R, 3), np.uint16)
    normals[region > 0] = (32768, 32768, 65535)
    face = np.zeros((R, R, 3), np.uint8)
    face[16:44, 20:44] = (200, 150, 120)
    face[26:30, 24:30] = (240, 240, 240)
    return region, normals, face


def test_the_face_is_kept_and_the_rest_of_the_head_goes_on_in_its_colours() -> None:
    region, normals, face = head()
    photo = np.random.default_rng(0).integers(0, 256, (R, R, 3)).astype(np.uint8)
    out = plain_render(photo, face, region, normals)
    assert (out[20:25, 30:40] == (200, 150, 120)).all()
    assert (out[27:29, 25:29] == (240, 240, 240)).all()
    assert np.abs(out[28, 16].astype(int) - (200, 150, 120)).max() <= 3
    assert (out[50, 32] < 0.75 * np.array([200, 150, 120])).all(), "the neck lies in the chin's shadow"
    assert out[9, 32].max() < 70, "a dark scalp"


def test_nothing_of_the_photo_but_its_colours_is_left() -> None:
    region, normals, face = head()
    stripes = np.zeros((R, R, 3), np.uint8)
    stripes[:, ::2] = 200
    out = plain_render(stripes, face, region, normals).astype(int)
    assert np.abs(np.diff(out[2], axis=0)).max() <= 5, "of 200 grey levels between stripes"


def test_a_head_without_skin_leaves_the_blurred_photo() -> None:
    photo = np.full((R, R, 3), 90, np.uint8)
    nothing = np.zeros((R, R), np.uint8)
    assert (plain_render(photo, photo, nothing, np.zeros((R, R, 3), np.uint16)) == 90).all()
