"""Stage turn: rows without a turn keep their bytes, the others bring the landmarks and the pose of the turned fit."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.camera import ScaledOrtho
from models.geometry.turn import neck_axis, turned_camera
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing
from storage.plan import PlanRow
from tasks.contract import Batch, Reason
from tasks.turn import Turn

HEAD, R = synthetic_head(), 64
CAMERA = ScaledOrtho(1 / 180, np.eye(3), np.zeros(2))


@cache
def fields() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    parsing = np.zeros((R, R), np.uint8)
    parsing[14:50, 18:46] = Parsing.SKIN
    parsing[8:14, 18:46] = Parsing.HAIR
    return {
        "photo": rng.integers(40, 220, (R, R, 3)).astype(np.uint8),
        "parsing": parsing,
        "landmarks": np.float32(CAMERA.to_pixel(HEAD.landmarks(HEAD.mean), R)),
        "scale": np.float32(CAMERA.scale),
        "rotation": np.float32(CAMERA.rotation),
        "translation": np.float32(CAMERA.translation),
        "identity": np.zeros(len(HEAD.id_basis), np.float32),
        "expression": np.zeros(len(HEAD.exp_basis), np.float32),
    }


def batch(*turns: float, **changes: np.ndarray) -> Batch:
    rows = tuple(
        PlanRow(f"{i:08d}", i, 0, 1, "a-00", HEAD.name, "skin", "train", turn, turn)
        for i, turn in enumerate(turns)
    )
    return Batch(rows, {k: np.stack([v] * len(turns)) for k, v in (fields() | changes).items()})


def test_a_row_without_a_turn_keeps_its_bytes_in_company_of_one_that_turns():
    gives = Turn(HEAD, R)(batch(0.0, 40.0))
    assert not gives.rejects
    assert {f.name for f in Turn.gives} == set(gives.fields)
    for f in Turn.gives:
        assert gives.fields[f.name].dtype == f.dtype
        np.testing.assert_array_equal(gives.fields[f.name][0], fields()[f.name])
        assert not np.array_equal(gives.fields[f.name][1], fields()[f.name])


@settings(max_examples=10, deadline=None)
@given(st.floats(-80, 80).filter(lambda d: abs(d) > 0.5))
def test_landmarks_and_pose_are_those_of_the_turned_fit(degrees):
    given_fields = Turn(HEAD, R).turn(batch(degrees)).fields
    after = turned_camera(CAMERA, degrees, neck_axis(HEAD))
    np.testing.assert_allclose(
        given_fields["landmarks"][0], after.to_pixel(HEAD.landmarks(HEAD.mean), R), atol=1e-3
    )
    posed = ScaledOrtho(CAMERA.scale, given_fields["rotation"][0], given_fields["translation"][0])
    assert posed.angles[0] == pytest.approx(degrees, abs=1e-3)


def test_a_face_that_leaves_the_crop_is_rejected_by_its_pose():
    gives = Turn(HEAD, R).turn(batch(50.0, 0.0, translation=np.float32([0.75, 0])))
    assert set(gives.rejects) == {0}
    assert gives.rejects[0].reason is Reason.POSE
    assert "outside the crop" in gives.rejects[0].detail


def test_a_row_does_not_depend_on_its_neighbours():
    alone = Turn(HEAD, R).turn(batch(35.0)).fields
    together = Turn(HEAD, R).turn(batch(-20.0, 35.0)).fields
    for name, array in alone.items():
        np.testing.assert_array_equal(array[0], together[name][1])
