"""The turned photograph: what stays, what moves with the head, and that nothing is left empty."""

from functools import cache

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.camera import ScaledOrtho
from models.geometry.rasterize import rasterize
from models.geometry.turn import neck_axis, turn_points, turned_camera
from models.geometry.turned_photo import HAIR, MOVES, _corners, turn_photo
from models.heads.regions import FACE as FACE_REGIONS
from models.heads.regions import Region
from models.heads.synthetic import synthetic_head
from models.networks.classes import FACE, Parsing

R = 96
HEAD = synthetic_head()
CAMERA = ScaledOrtho(1 / 180, np.eye(3), np.zeros(2))
VERTICES = CAMERA.to_cube(HEAD.mean).astype(np.float32)


@cache
def scene() -> tuple[np.ndarray, np.ndarray]:
    """A striped background, a smooth face, hair that stands out by a few pixels, and cloth below."""
    seen = rasterize(VERTICES, HEAD.faces, R)
    region = np.where(seen.pix_to_face >= 0, HEAD.face_region[np.maximum(seen.pix_to_face, 0)], 0)
    covered = (region > 0).astype(np.uint8)
    v, u = np.mgrid[:R, :R]
    hair = (cv2.dilate(covered, np.ones((9, 9), np.uint8)) > 0) & (v < 0.5 * R)
    parsing = np.where(hair, Parsing.HAIR, Parsing.BACKGROUND)
    parsing[(v > 0.9 * R) & (covered == 0)] = Parsing.CLOTH
    parsing[np.isin(region, FACE_REGIONS)] = Parsing.SKIN
    parsing[region == Region.NOSE] = Parsing.NOSE
    parsing[region == Region.NECK] = Parsing.NECK
    face = np.stack([150 + 0.5 * u, 110 + 0.4 * v, 100 + 0.2 * (u + v)], -1)
    photo = np.where((u // 4 % 2 == 0)[..., None], (100, 140, 220), (120, 220, 160))
    photo[parsing == Parsing.CLOTH] = (200, 60, 200)
    photo = np.where(np.isin(parsing, FACE)[..., None], face, photo)
    photo[parsing == Parsing.HAIR] = (60, 50, 90)
    return photo.astype(np.uint8), parsing.astype(np.uint8)


def turned(degrees: float):
    return turn_photo(*scene(), HEAD, CAMERA, VERTICES, degrees)


def test_no_turn_is_the_same_bytes():
    photo, parsing = scene()
    made = turned(0)
    assert made.photo is photo
    assert made.parsing is parsing


@settings(max_examples=12, deadline=None)
@given(st.floats(-85, 85).filter(lambda d: abs(d) > 1))
def test_the_background_stays_and_no_pixel_is_empty(degrees):
    photo, parsing = scene()
    made = turned(degrees)
    assert made.photo.dtype == made.parsing.dtype == np.uint8
    assert made.photo.max(axis=-1).min() > 60, "the darkest colour of the scene is hair, 90"
    assert np.isin(made.parsing, [*np.unique(parsing).tolist(), Parsing.L_EAR, Parsing.R_EAR]).all()
    before = cv2.dilate(np.isin(parsing, MOVES).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    after = cv2.dilate((made.parsing != parsing).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    still = ~before & ~after & ~np.isin(made.parsing, (Parsing.NECK, *MOVES))
    assert still.mean() > 0.2
    moved = np.abs(made.photo.astype(int) - photo)[still]
    assert (moved.max(axis=-1) > 8).mean() < 0.03, "only an edge's soft rim may reach here"


@settings(max_examples=8, deadline=None)
@given(st.floats(5, 35), st.booleans())
def test_there_and_back_again_is_the_face(degrees, left):
    degrees = -degrees if left else degrees
    photo, parsing = scene()
    there = turned(degrees)
    pivot = neck_axis(HEAD)
    back = turn_photo(
        there.photo,
        there.parsing,
        HEAD,
        turned_camera(CAMERA, degrees, pivot),
        turn_points(VERTICES, CAMERA, degrees, pivot, np.ones(len(VERTICES))),
        -degrees,
    )
    # What a turn hides cannot come back: the inner face is compared.
    inner = cv2.erode(np.isin(parsing, FACE).astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    error = np.abs(back.photo.astype(int) - photo)[inner]
    assert np.median(error) <= 3
    assert (error.max(axis=-1) > 24).mean() < 0.12
    assert np.isin(back.parsing[inner], FACE).mean() > 0.99  # a pixel at the far temple may meet hair


def test_the_head_hides_what_is_behind_it():
    made = turned(60)
    moved = turn_points(VERTICES, CAMERA, 60, neck_axis(HEAD), np.ones(len(VERTICES)))
    inside = rasterize(moved, HEAD.faces, R).pix_to_face >= 0
    inside = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    inside[int(0.75 * R) :] = False  # below, the neck fades into the shoulders
    face = np.isin(made.parsing, (*FACE, *HAIR, Parsing.NECK, Parsing.L_EAR, Parsing.R_EAR, Parsing.CLOTH))
    assert face[inside].all()


def test_corner_values_are_mixed_as_a_plain_sum_does():
    seen = rasterize(VERTICES, HEAD.faces, 24)
    out = np.zeros((24, 24, 3), np.float32)
    _corners(seen.pix_to_face, seen.bary, HEAD.faces, VERTICES, out)
    inside = seen.pix_to_face >= 0
    plain = (VERTICES[HEAD.faces[seen.pix_to_face[inside]]] * seen.bary[inside][..., None]).sum(axis=1)
    np.testing.assert_allclose(out[inside], plain, atol=1e-6)
    assert not out[~inside].any()


def test_turned_photo_golden(golden):
    photo, _ = scene()
    golden("turned_photo", np.hstack([photo, *(turned(d).photo for d in (-60, 25, 80))]))


def test_rim_light_at_the_jaw_is_not_smeared_over_the_turned_side():
    photo, parsing = scene()
    face = np.isin(parsing, FACE)
    # Glare at the edge of the face that turns into view, below the eyes.
    edge = face & ~(cv2.erode(face.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)
    v, u = np.mgrid[:R, :R]
    glare = edge & (u < R // 2) & (v > 0.55 * R)
    assert glare.sum() > 20
    lit = np.where(glare[..., None], np.uint8(255), photo)
    made = turn_photo(lit, parsing, HEAD, CAMERA, VERTICES, 60)
    skin = np.isin(made.parsing, (Parsing.SKIN, Parsing.NECK))
    assert (made.photo[skin].mean(axis=-1) > 220).mean() < 0.01
