import json

import numpy as np
import pytest
from toy_surface import toy_surface

from assets.registry import default_head
from flows.register_face import FaceRegistrar, lifted, rig


@pytest.fixture(scope="module")
def registrar():
    return FaceRegistrar(default_head())


def test_landmarks_are_lifted_to_the_surface_but_not_into_an_open_mouth():
    face, vertices, pose = toy_surface()
    true = pose.to_cube(default_head().landmarks(vertices)) * pose.mm_per_unit
    gaps = np.linalg.norm(lifted(face) - true, axis=1)[17:60]  # inner lips lie hidden behind the outer ones
    assert np.nanmedian(gaps) < 0.3
    assert np.nanmax(gaps) < 3
    assert np.isfinite(gaps).mean() > 0.8
    wide, _, _ = toy_surface(jaw_open=0.9)
    assert np.isnan(lifted(wide)[60:68]).any(axis=1).sum() >= 4


@pytest.mark.parametrize("jaw_open", [0.0, 0.6])
def test_a_person_of_the_model_is_found_again_with_pose_and_expression(registrar, jaw_open):
    face, vertices, pose = toy_surface(jaw_open)
    made = registrar.register(face)
    assert made.registered.rms < 0.3
    assert made.registered.tail < 0.6
    cube = made.pose.to_cube(made.registered.vertices) + np.array([0, 0, made.depth])
    true = pose.to_cube(vertices)
    nose = np.argmax(true[:, 2])
    assert np.abs(cube[nose] - true[nose]).max() * pose.mm_per_unit < 2.0
    assert abs(made.pose.angles[0] - pose.angles[0]) < 2.0
    told = rig(registrar.head, face, made)
    assert abs(told["expression"]["jawOpen"] - jaw_open) < 0.25
    assert len(told["landmarks_mm"]) == 68
    marks = np.array(told["landmarks_photo"])  # crop pixels, twice as large in the photo
    assert np.abs(marks[17:] - (face.crop.landmarks[17:] * 2 + [10, 20])).max() < 12
    json.dumps(told, allow_nan=False)
    assert made.texture is not None
    assert made.texture.shape == (1024, 1024, 3)
