from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from assets.readers.photo import read_photo
from assets.registry import AssetError, asset_path
from models.networks.classes import FACE, Parsing
from models.networks.face_landmarker import FaceLandmarker
from storage.plan import PlanRow
from tasks.contract import Batch, Reason, Stage
from tasks.landmarks import Crop, Landmarks
from tasks.parse import (
    Parse,
    clean,
    fill_holes,
    hull,
    judge,
    keep_own_face,
    name_sides,
    seen_share,
    sunglasses,
)

SIZE = 128


def points(u: float = 64, v: float = 50, unit: float = 40) -> np.ndarray:
    """iBUG-68 points of a front view: an egg of a jaw, with eyes, nose and mouth where they belong."""
    t = np.linspace(-1, 1, 17) * np.pi / 2
    p = np.zeros((68, 2))
    p[:17] = np.stack([0.8 * np.sin(t), 1.25 * np.cos(t)], 1)
    p[17:27] = np.stack([np.linspace(-0.7, 0.7, 10), np.full(10, -0.3)], 1)
    p[27:36] = [(0, 0), (0, 0.2), (0, 0.35), (0, 0.5)] + [(x, 0.55) for x in (-0.2, -0.1, 0, 0.1, 0.2)]
    ring = np.array([(-0.16, 0), (-0.06, -0.1), (0.06, -0.1), (0.16, 0), (0.06, 0.1), (-0.06, 0.1)])
    shift = np.array([0.34, 0])
    p[36:42], p[42:48] = ring - shift, ring + shift
    p[48:68] = [(0.3 * np.cos(a), 0.85 + 0.12 * np.sin(a)) for a in np.linspace(0, 6.2, 20)]
    return (p * unit + (u, v)).astype(np.float32)


def face_map(p: np.ndarray) -> np.ndarray:
    """A faultless parsing of these points."""
    parsing = np.zeros((SIZE, SIZE), np.uint8)
    parsing[hull(p, SIZE)] = Parsing.SKIN
    parsing[hull(p[36:42], SIZE)] = Parsing.L_EYE
    parsing[hull(p[42:48], SIZE)] = Parsing.R_EYE
    parsing[hull(p[27:36], SIZE)] = Parsing.NOSE
    parsing[hull(p[48:60], SIZE)] = Parsing.LOWER_LIP
    return parsing


def test_is_a_stage() -> None:
    assert isinstance(Parse(Path("nowhere.pth")), Stage)


def test_hull_covers_the_pixels_inside() -> None:
    square = np.array([(10, 20), (30, 20), (30, 40), (10, 40)], np.float32)
    mask = hull(square, 64)
    assert mask.sum() == pytest.approx(400, rel=0.11)  # the outline's own pixels are in it
    assert mask[30, 20]
    assert not mask[18, 20]


def test_a_faultless_map_stays_as_it_is() -> None:
    p = points()
    np.testing.assert_array_equal(clean(face_map(p), p), face_map(p))


def test_other_faces_become_background() -> None:
    p = points()
    parsing = face_map(p)
    parsing[5:25, 2:14] = Parsing.SKIN
    parsing[10:14, 5:9] = Parsing.L_EYE
    kept = keep_own_face(parsing, p)
    assert (kept[5:25, 2:14] == Parsing.BACKGROUND).all()
    np.testing.assert_array_equal(kept[:, 30:], face_map(p)[:, 30:])


def test_parts_of_this_face_cut_off_by_glasses_stay() -> None:
    p = points()
    parsing = face_map(p)
    row = int(p[36, 1])
    parsing[row - 5 : row + 6, :] = np.where(hull(p, SIZE)[row - 5 : row + 6, :], Parsing.GLASSES, 0)
    np.testing.assert_array_equal(keep_own_face(parsing, p), parsing)


def test_closed_holes_become_skin_and_open_ones_and_hair_stay() -> None:
    p = points()
    parsing = face_map(p)
    parsing[70:76, 44:50] = Parsing.BACKGROUND  # a tear in the cheek
    parsing[40:44, 62:66] = Parsing.HAIR  # a curl
    parsing[92:, 60:68] = Parsing.CLOTH  # a sleeve before the chin
    filled = fill_holes(parsing, p)
    assert (filled[70:76, 44:50] == Parsing.SKIN).all()
    assert (filled[40:44, 62:66] == Parsing.HAIR).all()
    assert (filled[92:, 60:68] == Parsing.CLOTH).all()


@pytest.mark.parametrize("angle", [0, 40, -70])
def test_sides_follow_the_axis_of_the_face(angle: float) -> None:
    p = points(64, 56, 30)
    turn = cv2.getRotationMatrix2D((64, 64), angle, 1.0)
    p = (p @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    parsing = np.zeros((SIZE, SIZE), np.uint8)
    left, right = hull(p[36:42], SIZE), hull(p[42:48], SIZE)
    parsing[left], parsing[right] = Parsing.R_EYE, Parsing.R_EYE  # what the network says of both
    named = name_sides(parsing, p)
    assert (named[left] == Parsing.L_EYE).all()
    assert (named[right] == Parsing.R_EYE).all()


def test_judgements() -> None:
    p = points()
    good = face_map(p)
    photo = np.full((SIZE, SIZE, 3), 180, np.uint8)
    assert judge(photo, good, p) is None
    assert seen_share(good, p) == 1.0
    nothing = judge(photo, np.zeros_like(good), p)
    assert nothing is not None
    assert nothing.reason is Reason.PARSING
    blank = np.where(good > 0, Parsing.SKIN, 0).astype(np.uint8)  # skin alone is no face: a shoulder, a cloth
    featureless = judge(photo, blank, p)
    assert featureless is not None
    assert featureless.reason is Reason.PARSING
    covered = good.copy()
    covered[:, : int(p[30, 0]) + 4] = Parsing.HAIR
    hidden = judge(photo, covered, p)
    assert hidden is not None
    assert hidden.reason is Reason.OCCLUDED
    assert "%" in hidden.detail


def test_dark_glasses_are_occlusion_and_clear_ones_are_not() -> None:
    p = points()
    parsing = face_map(p)
    lenses = hull(p[36:42], SIZE) | hull(p[42:48], SIZE)
    parsing[lenses] = Parsing.GLASSES
    photo = np.full((SIZE, SIZE, 3), 180, np.uint8)
    assert not sunglasses(photo, parsing, p)
    photo[lenses] = 30
    assert sunglasses(photo, parsing, p)
    assert not sunglasses(photo, face_map(p), p)  # dark eyes without glasses


def real_weights() -> Path:
    try:
        return asset_path("bisenet")
    except AssetError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def crop() -> Crop:
    task = asset_path("face_landmarker")
    image = read_photo(task.parent.parent / "photos" / "astronaut.png")
    assert isinstance(image, np.ndarray)
    (found,) = Landmarks(128, FaceLandmarker(task)).find(image)
    assert isinstance(found, Crop)
    return found


def parsed(stage: Parse, photo: np.ndarray, p: np.ndarray) -> Any:
    row = PlanRow("00000000", 0, 0, 0, "s", "h", "t", "train")
    return stage(Batch((row,), {"photo": photo[None], "landmarks": p[None]}))


def test_a_real_face_is_parsed(crop: Crop) -> None:
    answer = parsed(Parse(real_weights()), crop.photo, crop.landmarks)
    assert not answer.rejects
    parsing = answer.fields["parsing"][0]
    p = crop.landmarks
    assert np.isin(parsing, FACE)[hull(p, 128)].mean() > 0.9
    for ids, where in (
        (Parsing.NOSE, p[27:36]),
        (Parsing.L_BROW, p[17:22]),
        (Parsing.R_BROW, p[22:27]),
    ):
        v, u = np.nonzero(parsing == ids)
        assert np.hypot(*(np.array([u.mean(), v.mean()]) - where.mean(0))) < 8
    assert parsing[2, 2] == Parsing.BACKGROUND


def test_real_parsing_looks_as_it_did(crop: Crop, golden: Callable[..., None]) -> None:
    answer = parsed(Parse(real_weights(), bf16=False), crop.photo, crop.landmarks)
    # Classes as grey levels; other CPUs may move a border by a pixel.
    golden("parse", answer.fields["parsing"][0][::2, ::2] * np.uint8(13), outliers=0.02)


def test_a_tilted_face_is_parsed_like_an_upright_one(crop: Crop) -> None:
    stage = Parse(real_weights())
    level = parsed(stage, crop.photo, crop.landmarks).fields["parsing"][0]
    turn = cv2.getRotationMatrix2D((64, 64), 40, 1.0)
    shown = turn.copy()
    shown[:, 2] += shown[:, :2].sum(1) / 2 - 0.5
    photo = cv2.warpAffine(crop.photo, shown, (128, 128), borderMode=cv2.BORDER_REFLECT_101)
    p = (crop.landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    tilted = parsed(stage, photo, p).fields["parsing"][0]
    want = cv2.warpAffine(level, shown, (128, 128), flags=cv2.INTER_NEAREST)
    own = hull(p, 128)
    assert (tilted[own] == want[own]).mean() > 0.85


def test_fingerprint_tells_precision_and_weights(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pth", tmp_path / "two.pth"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    stages = [Parse(one, bf16=False), Parse(one, bf16=True), Parse(two, bf16=False)]
    assert len({s.fingerprint for s in stages}) == 3
    assert replace(stages[0]).fingerprint == stages[0].fingerprint
