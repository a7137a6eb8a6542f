"""Rendered training faces show what photographs show: two eyes, mostly a mouth, at their landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from flows.swap_faces import Face
from flows.swap_renders import expression, light, rendered_faces
from models.geometry.light import basis
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing

SIDE = 128


@pytest.fixture(scope="module")
def faces() -> list[Face]:
    return draw(4)


def draw(count: int, seed: int = 0) -> list[Face]:
    head = synthetic_head()
    skin = np.full((32, 32, 3), (200, 150, 120), np.uint8)
    parts = {p.texture: [np.full((16, 16, 3), (90, 60, 40), np.uint8)] for p in head.proxies}
    return rendered_faces(head, [skin], parts, count, SIDE, seed)


def test_faces_are_as_large_as_asked_and_lit(faces: list[Face]) -> None:
    for face in faces:
        assert face.photo.shape == (SIDE, SIDE, 3)
        assert face.parsing.shape == (SIDE, SIDE)
        low, high = face.landmarks.min(0), face.landmarks.max(0)
        assert 0.5 * SIDE < (high - low).max() < 0.95 * SIDE
        assert low.min() > 0
        assert high.max() < SIDE
        skin = face.photo[face.parsing == Parsing.SKIN]
        assert len(skin) > 500
        assert skin.mean() > 40


def test_eyes_of_the_parsing_lie_at_their_landmarks(faces: list[Face]) -> None:
    for face in faces:
        eyes = face.parsing == Parsing.L_EYE
        if not eyes.any():
            continue
        middle = np.argwhere(eyes).mean(0)[::-1]
        assert np.linalg.norm(middle - face.landmarks[36:48].mean(0)) < 0.08 * SIDE
    assert any((f.parsing == Parsing.L_EYE).any() for f in faces)


def test_a_face_depends_on_its_number_and_seed_alone(faces: list[Face]) -> None:
    again = draw(2)
    np.testing.assert_array_equal(again[1].photo, faces[1].photo)
    np.testing.assert_array_equal(again[1].landmarks, faces[1].landmarks)
    assert (draw(1, seed=9)[0].photo != faces[0].photo).any()


def test_expressions_are_in_range_and_open_the_mouth() -> None:
    head = synthetic_head()
    values = np.stack([expression(head, np.random.default_rng(i)) for i in range(40)])
    assert values.min() >= 0
    assert values.max() <= 0.7
    for i, name in enumerate(head.exp_names):
        if name == "jawOpen":
            assert values[:, i].mean() > 0.1
        if name.startswith("eyeBlink"):
            assert values[:, i].max() <= 0.2


def test_light_never_blackens_what_faces_the_viewer() -> None:
    for seed in range(30):
        shading = basis(np.array([[0.0, 0.0, 1.0], [0.5, 0.0, 0.866], [0.0, 0.5, 0.866]])) @ light(
            np.random.default_rng(seed)
        )
        assert shading.min() > 0.1
        assert shading.max() < 2.5
