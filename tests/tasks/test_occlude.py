"""Stage occlude on a synthetic head with painted skin: objects are found, what skin does by itself is not."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.geometry.light import basis
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.heads.regions import FACE, Region
from models.heads.synthetic import synthetic_head
from models.networks.classes import FACE as PARSED_FACE
from models.networks.classes import Parsing
from storage.plan import PlanRow
from tasks.contract import Batch, Reason, Stage
from tasks.key_parts import covered_part, features
from tasks.occlude import Occlude, fill_noise
from tasks.parse import hull

R = 160
HEAD = synthetic_head()
POSE = ScaledOrtho(1 / 150, np.eye(3, dtype=np.float32), np.zeros(2, np.float32))
LIGHT = np.array([2.4, 0.2, 0.7, 0.4, 0, 0, 0, 0, 0])
SKIN = np.array([0.46, 0.27, 0.19])
CHEEK = (108, 96)  # x, y of a pixel of plain skin
V, U = np.mgrid[:R, :R] + 0.5


@cache
def face() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Linear photo (R, R, 3), landmarks (68, 2) and a faultless parsing (R, R) of the mean head."""
    vertices = POSE.to_cube(HEAD.mean).astype(np.float32)
    seen = rasterize(vertices, HEAD.faces, R)
    inside = seen.pix_to_face >= 0
    normals = np.zeros((R, R, 3), np.float32)
    corners = vertex_normals(vertices, HEAD.faces)[HEAD.faces[seen.pix_to_face[inside]]]
    normals[inside] = (corners * seen.bary[inside][..., None]).sum(1)
    region = np.where(inside, HEAD.face_region[np.maximum(seen.pix_to_face, 0)], 0)
    linear = np.clip(basis(normals) @ LIGHT, 0.03, None)[..., None] * SKIN
    points = cube_to_pixel(HEAD.landmarks(vertices), R).astype(np.float32)
    parsing = np.where(
        np.isin(region, FACE), Parsing.SKIN, np.where(inside, Parsing.HAIR, Parsing.BACKGROUND)
    )
    parsing = parsing.astype(np.uint8)
    parsing[region == Region.NOSE] = Parsing.NOSE
    for (first, last), part in {
        (27, 36): Parsing.NOSE, (17, 22): Parsing.L_BROW, (22, 27): Parsing.R_BROW, (36, 42): Parsing.L_EYE,
        (42, 48): Parsing.R_EYE, (48, 60): Parsing.LOWER_LIP,
    }.items():  # fmt: skip
        where = hull(points[first:last], R)
        parsing[where] = part
        if part is not Parsing.NOSE:
            linear[where] = linear[where] * (
                (1.0, 0.5, 0.5) if part is Parsing.LOWER_LIP else (0.1, 0.12, 0.15)
            )
    return linear, points, parsing


def batch(linear: np.ndarray, parsing: np.ndarray | None = None) -> Batch:
    _, points, plain = face()
    noise = np.random.default_rng(1).normal(0, 2, linear.shape)
    photo = np.clip(np.rint(np.clip(linear, 0, 1) ** (1 / 2.2) * 255 + noise), 0, 255).astype(np.uint8)
    fields = {
        "photo": photo,
        "landmarks": points,
        "parsing": plain if parsing is None else parsing,
        "scale": np.float32(POSE.scale),
        "rotation": POSE.rotation,
        "translation": POSE.translation,
        "identity": np.zeros(len(HEAD.id_basis), np.float32),
        "expression": np.zeros(len(HEAD.exp_basis), np.float32),
    }
    row = PlanRow("00000000", 0, 0, 0, "s", HEAD.name, "t", "train")
    return Batch((row,), {name: np.asarray(value)[None] for name, value in fields.items()})


def paint(where: np.ndarray, colour: tuple[float, float, float], soft: float = 0.5) -> np.ndarray:
    share = cv2.GaussianBlur(where.astype(np.float32), (0, 0), soft)[..., None]
    return face()[0] * (1 - share) + share * np.array(colour)


def disc(radius: float, at: tuple[float, float] = CHEEK) -> np.ndarray:
    return np.hypot(U - at[0], V - at[1]) < radius


def found(linear: np.ndarray) -> np.ndarray:
    gives = Occlude(HEAD, R)(batch(linear))
    assert not gives.rejects
    changed = gives.fields["parsing"][0] != face()[2]
    assert (gives.fields["parsing"][0][changed] == Parsing.BACKGROUND).all()
    return changed


def test_is_a_stage() -> None:
    assert isinstance(Occlude(HEAD, R), Stage)


@pytest.mark.parametrize(
    ("colour", "radius"),
    [((0.05, 0.3, 0.05), 9), ((0.1, 0.15, 0.6), 7), ((0.012, 0.012, 0.013), 9), ((0.9, 0.92, 0.95), 9)],
    ids=["leaf", "balloon", "microphone", "paper"],
)
def test_an_object_becomes_background(colour: tuple[float, float, float], radius: float) -> None:
    truth = disc(radius)
    mask = found(paint(truth, colour))
    assert (mask & truth).sum() / (mask | truth).sum() > 0.7


def test_an_object_grows_over_the_features_that_it_covers() -> None:
    _, points, _ = face()
    truth = (np.abs(U - points[45, 0] - 4) < 8) & (np.abs(V - points[45, 1] - 4) < 12)
    mask = found(paint(truth, (0.05, 0.3, 0.05)))
    assert (mask & truth)[features(points, R)].sum() > 0.6 * truth[features(points, R)].sum()


def test_what_skin_does_by_itself_is_no_object() -> None:
    linear = face()[0]
    soft = cv2.GaussianBlur(disc(9).astype(np.float32), (0, 0), 3.0)[..., None]
    assert not found(linear).any()
    assert not found(paint(disc(2), (0.05, 0.03, 0.02))).any()  # a mole
    assert not found(linear * (1 - 0.7 * soft)).any()  # a shadow
    assert not found(np.where((U > 100)[..., None], linear * 0.6, linear)).any()  # a sharp one
    assert not found(linear + 0.35 * soft).any()  # shine
    assert not found(linear * (1 - soft * np.array([0.0, 0.35, 0.2]))).any()  # rouge
    stubble = np.random.default_rng(0).random((R, R)) < 0.5
    assert not found(np.where((stubble & (V > 95))[..., None], linear * 0.5, linear)).any()


def test_faces_without_a_mouth_or_an_eye_where_they_must_be_are_refused() -> None:
    linear, points, parsing = face()
    assert covered_part(parsing, points) is None
    for part in ((48, 60), (27, 36)):
        covered = parsing.copy()
        covered[cv2.dilate(hull(points[slice(*part)], R).astype(np.uint8), np.ones((5, 5))) > 0] = (
            Parsing.SKIN
        )
        gives = Occlude(HEAD, R)(batch(linear, covered))
        assert gives.rejects[0].reason is Reason.OCCLUDED
        assert ("mouth" if part[0] == 48 else "nose") in gives.rejects[0].detail
    hand = np.where(np.isin(parsing, (Parsing.R_EYE, Parsing.R_BROW)), Parsing.SKIN, parsing).astype(np.uint8)
    reject = covered_part(hand, points)
    assert reject is not None
    assert "eye" in reject.detail
    hair = np.where(np.isin(parsing, (Parsing.R_EYE, Parsing.R_BROW)), Parsing.HAIR, parsing).astype(np.uint8)
    assert covered_part(hair, points) is None


def test_small_holes_are_skin_unless_glasses_or_hair_made_them() -> None:
    _, _, parsing = face()
    torn = parsing.copy()
    torn[disc(3)] = Parsing.CLOTH
    np.testing.assert_array_equal(np.isin(fill_noise(torn), PARSED_FACE), np.isin(parsing, PARSED_FACE))
    torn[disc(3)] = Parsing.HAIR
    np.testing.assert_array_equal(fill_noise(torn), torn)
    torn[disc(12)] = Parsing.BACKGROUND
    assert (fill_noise(torn)[disc(12)] == Parsing.BACKGROUND).all()


def glasses(lens: tuple[float, float, float] | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Photo and parsing with glasses on, frame and lenses; ``lens`` paints the lenses."""
    linear, points, parsing = face()
    frame, inside = np.zeros((R, R), np.uint8), np.zeros((R, R), np.uint8)
    for eye in (points[36:42].mean(0), points[42:48].mean(0)):
        at = tuple(int(x) for x in eye)
        cv2.ellipse(inside, at, (15, 12), 0, 0, 360, 1, -1)
        cv2.ellipse(frame, at, (15, 12), 0, 0, 360, 1, 2)
    worn = parsing.copy()
    worn[cv2.dilate(inside | frame, np.ones((3, 3), np.uint8)) > 0] = Parsing.GLASSES
    worn[(points[19, 1] - 2 > V) & (worn == Parsing.GLASSES)] = Parsing.SKIN
    linear = np.where((inside > 0)[..., None], linear if lens is None else np.array(lens), linear)
    linear = np.where((frame > 0)[..., None], 0.005, linear)
    return linear, worn, frame > 0, (inside > 0) & (frame == 0)


def test_clear_lenses_show_the_face_and_frames_stay() -> None:
    linear, worn, frame, lenses = glasses(None)
    _, points, _ = face()
    gives = Occlude(HEAD, R)(batch(linear, worn))
    assert not gives.rejects
    parsing = gives.fields["parsing"][0]
    assert np.isin(parsing[lenses], PARSED_FACE).mean() > 0.8
    assert (parsing[frame & (worn == Parsing.GLASSES)] == Parsing.GLASSES).mean() > 0.6
    assert (parsing[hull(points[36:42], R) & lenses] == Parsing.L_EYE).mean() > 0.8
    assert (parsing[hull(points[42:48], R) & lenses] == Parsing.R_EYE).mean() > 0.8


@pytest.mark.parametrize("lens", [(0.02, 0.02, 0.03), (0.2, 0.5, 0.9), tuple(SKIN * 0.7)])
def test_lenses_that_hide_the_eyes_are_refused(lens: tuple[float, float, float]) -> None:
    linear, worn, _, _ = glasses(lens)
    reject = Occlude(HEAD, R)(batch(linear, worn)).rejects[0]
    assert reject.reason is Reason.OCCLUDED
    assert "glasses" in reject.detail


def test_glasses_parsed_beside_the_eyes_are_none() -> None:
    linear, _, parsing = face()
    astray = parsing.copy()
    astray[5:20, 5:30] = Parsing.GLASSES
    gives = Occlude(HEAD, R)(batch(linear, astray))
    np.testing.assert_array_equal(gives.fields["parsing"][0], astray)
