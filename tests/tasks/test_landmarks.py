from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readers.photo import read_photo
from assets.registry import asset_path
from models.networks.face_landmarker import FaceFound, FaceLandmarker
from storage.plan import PlanRow
from tasks.contract import Batch, Reason, Reject, Stage
from tasks.landmarks import (
    MAX_FACE_SHARE,
    MAX_MIRROR,
    Crop,
    Landmarks,
    cut_square,
    face_box,
    face_size,
    place_square,
)


def drawn_face(u: float, v: float, iod: float) -> np.ndarray:
    """Rough iBUG-68 points of a front view around a nose root at (u, v)."""
    t = np.linspace(-1, 1, 17) * np.pi / 2
    jaw = np.stack([0.8 * np.sin(t), 1.25 * np.cos(t)], 1)
    brows = np.stack([np.linspace(-0.7, 0.7, 10), np.full(10, -0.25)], 1)
    nose = np.array([(0, 0), (0, 0.2), (0, 0.35), (0, 0.5)] + [(x, 0.55) for x in (-0.2, -0.1, 0, 0.1, 0.2)])
    ring = np.array([(-0.16, 0), (-0.06, -0.06), (0.06, -0.06), (0.16, 0), (0.06, 0.05), (-0.06, 0.05)])
    shift = np.array([0.34, 0])
    a = np.linspace(np.pi, -np.pi, 12, endpoint=False)
    outer = np.stack([0.3 * np.cos(a), 0.85 - 0.12 * np.sin(a)], 1)
    b = np.linspace(np.pi, -np.pi, 8, endpoint=False)
    inner = np.stack([0.2 * np.cos(b), 0.85 - 0.05 * np.sin(b)], 1)
    shape = np.concatenate([jaw, brows, nose, ring - shift, ring + shift, outer, inner])
    return (shape * iod + (u, v)).astype(np.float32)


class Fixed:
    """A finder that knows the answer."""

    fingerprint = "fixed"

    def __init__(self, *faces: FaceFound) -> None:
        self.faces = list(faces)

    def find(self, image: np.ndarray) -> list[FaceFound]:
        return self.faces


def photo(h: int = 600, w: int = 800) -> np.ndarray:
    v, u = np.mgrid[:h, :w]
    return np.stack([u * 255 // w, v * 255 // h, (u + v) % 256], -1).astype(np.uint8)


def test_is_a_stage() -> None:
    assert isinstance(Landmarks(256, Fixed()), Stage)


def test_a_face_becomes_a_crop_with_its_points() -> None:
    points = drawn_face(400, 300, 100)
    (crop,) = Landmarks(256, Fixed(FaceFound(points, 0.9, 0.01))).find(photo())
    assert isinstance(crop, Crop)
    left, top, side = crop.square
    np.testing.assert_allclose(crop.landmarks * side / 256 + (left, top), points, atol=1e-3)
    assert crop.upscale == pytest.approx(256 / side)
    box = face_box(crop.landmarks)
    assert max(box[2] - box[0], box[3] - box[1]) / 256 == pytest.approx(0.62, abs=0.01)
    assert (box[0] + box[2]) / 2 == pytest.approx(128, abs=1)
    # The picture's own ramp says where every crop pixel came from.
    row = crop.photo[100, :, 0].astype(float) * 800 / 255
    assert np.abs(row - (left + (np.arange(256) + 0.5) * side / 256)).max() < 5


def test_small_unstable_and_absent_faces_are_rejected_and_leave_their_neighbours() -> None:
    faces = (
        FaceFound(drawn_face(100, 300, 20), 0.9, 0.01),
        FaceFound(drawn_face(300, 300, 80), 0.9, 0.5),
        FaceFound(drawn_face(600, 300, 80), 0.9, 0.01),
    )
    small, unstable, good = Landmarks(256, Fixed(*faces)).find(photo())
    assert isinstance(small, Reject)
    assert small.reason is Reason.FACE_TOO_SMALL
    assert "20 px" in small.detail
    assert isinstance(unstable, Reject)
    assert unstable.reason is Reason.LANDMARKS
    assert isinstance(good, Crop)
    (nobody,) = Landmarks(256, Fixed()).find(photo())
    assert isinstance(nobody, Reject)
    assert nobody.reason is Reason.NO_FACE


def test_smallest_face_scales_with_the_crop() -> None:
    found = FaceFound(drawn_face(400, 300, 45), 0.9, 0.0)
    assert isinstance(Landmarks(256, Fixed(found)).find(photo())[0], Crop)
    assert isinstance(Landmarks(512, Fixed(found)).find(photo())[0], Reject)


def test_a_profile_is_not_small() -> None:
    points = drawn_face(400, 300, 60)
    profile = (points - (400, 0)) * (0.15, 1) + (400, 0)
    assert np.linalg.norm(profile[36] - profile[45]) < 10
    assert face_size(profile) > 50


@settings(max_examples=100, deadline=None)
@given(
    u=st.floats(0, 1),
    v=st.floats(0, 1),
    extent=st.floats(0.05, 1.3),
    w=st.integers(100, 900),
    h=st.integers(100, 900),
)
def test_squares_keep_the_face_and_the_mirror_limit(
    u: float, v: float, extent: float, w: int, h: int
) -> None:
    half = extent * min(w, h) / 2
    box = (u * w - half, v * h - half, u * w + half, v * h + half)
    square = place_square(box, w, h)
    if isinstance(square, Reject):
        assert square.reason is Reason.OCCLUDED
        return
    left, top, side = square
    assert left <= box[0]
    assert top <= box[1]
    assert left + side >= box[2]
    assert top + side >= box[3]
    assert 0.5 <= 2 * half / side <= MAX_FACE_SHARE + 0.02
    assert max(-left, -top, left + side - w, top + side - h) <= MAX_MIRROR * side


def test_a_face_in_the_middle_of_enough_photo_is_never_cut() -> None:
    left, top, side = place_square((300.0, 200.0, 400.0, 300.0), 700, 500)  # type: ignore[misc]
    assert side == round(100 / 0.62)
    assert abs(left + side / 2 - 350) <= 0.5
    assert abs(top + side / 2 - 250) <= 0.5


def test_mirrored_edges_continue_the_photo() -> None:
    image = photo(100, 100)
    crop = cut_square(image, -10, 0, 100, 100)
    np.testing.assert_array_equal(crop[:, 10:], image[:, :90])
    np.testing.assert_array_equal(crop[:, :10], image[:, 10:0:-1])


def test_the_batch_verb_takes_the_face_in_the_middle() -> None:
    near, far = drawn_face(128, 120, 40), drawn_face(30, 30, 40)
    row = PlanRow("00000000", 0, 0, 0, "s", "h", "t", "train")
    batch = Batch((row,), {"photo": np.zeros((1, 256, 256, 3), np.uint8)})
    stage = Landmarks(256, Fixed(FaceFound(far, 1, 0), FaceFound(near, 1, 0)))
    np.testing.assert_array_equal(stage(batch).fields["landmarks"][0], near)
    nobody = Landmarks(256, Fixed())(batch)
    assert nobody.rejects[0].reason is Reason.NO_FACE
    assert nobody.fields["landmarks"].shape == (1, 68, 2)


def test_crop_and_points_look_as_they_did(golden: Callable[..., None]) -> None:
    task = asset_path("face_landmarker")
    image = read_photo(task.parent.parent / "photos" / "astronaut.png")
    assert isinstance(image, np.ndarray)
    (crop,) = Landmarks(64, FaceLandmarker(task)).find(image)
    assert isinstance(crop, Crop)
    picture = crop.photo.copy()
    for u, v in crop.landmarks.astype(int):
        picture[v, u] = (0, 255, 0)
    golden("landmarks", picture, atol=6, outliers=0.02)
