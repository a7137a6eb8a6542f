from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from models.networks import fan
from models.networks.face_landmarker import FaceFinder, FaceFound, LandmarkError
from models.networks.fan import FanLandmarker

POINTS = np.random.default_rng(0).uniform(100, 200, (68, 2)).astype(np.float32)


class OneFace:
    fingerprint = "one"

    def find(self, image: np.ndarray) -> list[FaceFound]:
        return [FaceFound(POINTS, 1.0, 0.0)]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[float]]:
    """A stand-in for face-alignment that answers in its format; gives the boxes that it was asked about."""
    asked: list[list[float]] = []

    class FaceAlignment:
        def __init__(self, kind: str, **how: object) -> None:
            assert kind == "2d"
            assert how["face_detector"] == "folder"

        def get_landmarks_from_image(self, image, detected_faces, return_landmark_score):
            assert return_landmark_score
            asked.extend(detected_faces)
            return [POINTS + 2.5 for _ in detected_faces], [np.full(68, 0.8) for _ in detected_faces], None

    whole = types.ModuleType("face_alignment")
    whole.LandmarksType = types.SimpleNamespace(TWO_D="2d")
    whole.FaceAlignment = FaceAlignment
    api = types.ModuleType("face_alignment.api")
    api.models_urls = {"2DFAN-4": "scheme://somewhere/2DFAN4-abc.pth.tar"}
    monkeypatch.setitem(sys.modules, "face_alignment", whole)
    monkeypatch.setitem(sys.modules, "face_alignment.api", api)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    fan._network.cache_clear()
    yield asked
    fan._network.cache_clear()


def give_weights(folder: Path) -> None:
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "2DFAN4-abc.pth.tar").write_bytes(b"weights")


def test_points_come_from_fan_and_faces_from_the_finder(package: list[list[float]], tmp_path: Path) -> None:
    give_weights(tmp_path)
    backend: FaceFinder = FanLandmarker(OneFace())
    (face,) = backend.find(np.zeros((300, 300, 3), np.uint8))
    np.testing.assert_allclose(face.points, POINTS + 3.0)  # its pixel centres are at whole numbers
    assert face.score == pytest.approx(0.8)
    iod = float(np.linalg.norm(POINTS[36] - POINTS[45]))
    assert face.drift == pytest.approx(np.hypot(3, 3) / iod, rel=1e-4)
    (box,) = package
    assert box[0] == pytest.approx(POINTS[:, 0].min())
    assert box[1] < POINTS[:, 1].min()
    assert "2DFAN4-abc" in backend.fingerprint


def test_missing_weights_are_a_sentence(package: list[list[float]]) -> None:
    with pytest.raises(LandmarkError, match=r"2DFAN4-abc\.pth\.tar.*mediapipe"):
        FanLandmarker(OneFace()).find(np.zeros((300, 300, 3), np.uint8))


def test_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    monkeypatch.setitem(sys.modules, "face_alignment.api", None)
    fan._network.cache_clear()
    with pytest.raises(LandmarkError, match="pip install --no-deps face-alignment"):
        FanLandmarker(OneFace()).find(np.zeros((300, 300, 3), np.uint8))
