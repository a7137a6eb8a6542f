"""What is found on a face: apertures, mouth, irises; and its mirror image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from toy_face import IRIS_RADIUS, toy_face

from flows.swap_faces import read_faces, split_faces
from models.networks.classes import Parsing
from models.networks.face_landmarker import FaceFound


def test_holes_of_open_and_shut_faces() -> None:
    assert set(toy_face().holes) == {"eye_right", "eye_left", "mouth"}
    assert set(toy_face(mouth=False).holes) == {"eye_right", "eye_left"}
    assert set(toy_face(eyes=False).holes) == {"mouth"}


@pytest.mark.parametrize("gaze", [-3.0, 0.0, 3.0])
def test_iris_is_found_where_it_was_drawn(gaze: float) -> None:
    face = toy_face(gaze=gaze)
    for part, x in (("eye_right", 58.5), ("eye_left", 102.5)):
        centre, radius, colour = face.irises[part]
        assert centre[0] == pytest.approx(x + gaze, abs=1.2)
        assert radius == pytest.approx(IRIS_RADIUS, abs=2)
        assert colour[0] > colour[2]  # brown


def test_mirror_image_twice_is_the_face() -> None:
    face = toy_face(gaze=2.0)
    mirrored = face.mirrored()
    assert mirrored.irises["eye_right"][0][0] == pytest.approx(160 - face.irises["eye_left"][0][0], abs=0.6)
    left = np.argwhere(mirrored.parsing == Parsing.L_EYE)[:, 1].mean()
    assert left < np.argwhere(mirrored.parsing == Parsing.R_EYE)[:, 1].mean()
    again = mirrored.mirrored()
    np.testing.assert_array_equal(again.photo, face.photo)
    np.testing.assert_array_equal(again.parsing, face.parsing)
    np.testing.assert_allclose(again.landmarks, face.landmarks, atol=1e-5)


def test_resized_keeps_the_face_in_place() -> None:
    small = toy_face().resized(80)
    assert small.photo.shape == (80, 80, 3)
    inside = small.holes["eye_right"]
    middle = np.argwhere(inside).mean(0)[::-1] + 0.5
    np.testing.assert_allclose(middle, [29.25, 33.25], atol=1)


def test_split_is_by_the_start_of_the_name() -> None:
    faces = [toy_face("ann-1#0"), toy_face("ann-2#0"), toy_face("bob-1#0")]
    training, held = split_faces(faces, ["ann"])
    assert [f.id for f in training] == ["bob-1#0"]
    assert [f.id for f in held] == ["ann-1#0", "ann-2#0"]
    assert split_faces(faces, [])[1] == []


class Finder:
    """Finds the drawn face, and beside it one whose landmarks wander."""

    fingerprint = "toy"

    def find(self, image: np.ndarray) -> list[FaceFound]:
        points = toy_face().landmarks
        return [FaceFound(points, 0.9, 0.01), FaceFound(points + 5, 0.9, 0.9)]


class Parser:
    """Says skin everywhere."""

    def parse(self, photos: np.ndarray) -> np.ndarray:
        return np.full(photos.shape[:3], Parsing.SKIN, np.uint8)


def test_photographs_are_cropped_around_steady_faces(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), toy_face().photo[..., ::-1])
    (tmp_path / "note.txt").write_text("not a picture", encoding="utf-8")
    (tmp_path / "broken.jpg").write_bytes(b"not a picture either")
    faces = read_faces(tmp_path, Finder(), Parser(), 128)  # type: ignore[arg-type]
    assert [f.id for f in faces] == ["one#0"]
    face = faces[0]
    assert face.photo.shape == (128, 128, 3)
    low, high = face.landmarks.min(0), face.landmarks.max(0)
    assert 0.5 * 128 < (high - low).max() < 0.75 * 128
    # The crop shows at each landmark what the photograph shows there.
    u, v = face.landmarks[36:42].mean(0)
    assert np.abs(face.photo[int(v), int(u)].astype(int) - (80, 50, 35)).max() < 25
