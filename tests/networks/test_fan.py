from __future__ import annotations

import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from assets.readers.photo import read_photo
from assets.registry import photo_paths
from models.networks import fan
from models.networks.face_landmarker import FaceFinder, FaceFound, LandmarkError
from models.networks.fan import Detector, FanLandmarker
from tasks.landmarks import Landmarks

POINTS = np.random.default_rng(0).uniform(100, 200, (68, 2)).astype(np.float32)
PICTURE = np.zeros((300, 300, 3), np.uint8)


class OneFace:
    fingerprint = "one"

    def find(self, image: np.ndarray) -> list[FaceFound]:
        return [FaceFound(POINTS, 1.0, 0.0)]


class Dots(torch.nn.Module):
    """A network of the package's shape whose heat maps are the picture's brightness: it finds the one bright dot."""

    batches: list[int] = []  # noqa: RUF012 (a record for the test)

    def __init__(self, modules: int) -> None:
        super().__init__()
        assert modules == 4
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        Dots.batches.append(len(x))
        heat = torch.nn.functional.avg_pool2d(x, 4).mean(1, keepdim=True) * self.weight
        return [heat * 0, heat.expand(-1, 68, -1, -1)]


class Box:
    """A detector of the package's kind: two boxes, and one that is empty, as BlazeFace gives."""

    def __init__(self, device: str, **files: object) -> None:
        assert Path(str(files["path_to_detector"])).is_file()

    def detect_from_image(self, image: np.ndarray) -> list[list[float]]:
        side = max(image.shape[:2])
        return [[0.6 * side, 10, 0.8 * side, 60, 0.9], [10, 10, 60, 60, 0.8], []]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A stand-in for face-alignment with its names; gives the folder where it keeps weights."""
    modules = {
        name: types.ModuleType(name)
        for name in (
            "face_alignment",
            "face_alignment.api",
            "face_alignment.models",
            *(m for m, _ in fan.DETECTORS.values()),
        )
    }
    modules["face_alignment.api"].models_urls = {
        "2DFAN-4": "scheme://somewhere/2DFAN4-abc.pth.tar", "3DFAN-4": "scheme://somewhere/3DFAN4-def.pth.tar"
    }  # fmt: skip
    modules["face_alignment.models"].FAN = Dots
    sfd, blaze = (modules[module] for module, _ in fan.DETECTORS.values())
    sfd.models_urls = {"s3fd": "scheme://somewhere/s3fd-1.pth"}
    blaze.models_urls = {
        "blazeface_back_weights": "scheme://somewhere/back.pth?raw=true",
        "blazeface_back_anchors": "scheme://somewhere/anchors.npy?raw=true",
    }
    sfd.SFDDetector = blaze.BlazeFaceDetector = Box
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.delenv(fan.WEIGHTS_ENV, raising=False)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    fan._network.cache_clear()
    fan._detector.cache_clear()
    Dots.batches.clear()
    yield folder
    fan._network.cache_clear()
    fan._detector.cache_clear()


def give_weights(folder: Path, name: str = "2DFAN4-abc.pth.tar") -> None:
    torch.save({"weight": torch.ones(1)}, folder / name)


def dot(at: tuple[float, float], sigma: float) -> np.ndarray:
    v, u = np.mgrid[:500, :600] + 0.5
    blob = 255 * np.exp(-((u - at[0]) ** 2 + (v - at[1]) ** 2) / (2 * sigma**2))
    return np.repeat(blob.astype(np.uint8)[..., None], 3, axis=2)


def test_points_come_back_in_photo_pixels_for_faces_of_any_size(package: Path) -> None:
    give_weights(package)
    rng = np.random.default_rng(1)
    for _ in range(6):
        half = rng.uniform(40, 140)
        centre = rng.uniform(200, 300, 2)
        at = centre + rng.uniform(-0.5, 0.5, 2) * half
        box = np.array([[centre[0] - half, centre[1] - 1.2 * half, centre[0] + half, centre[1] + 1.2 * half]])
        points, _ = FanLandmarker(OneFace()).points(dot(at, half / 14), box)
        cell = fan.region(box[0])[2] / fan.CELLS
        assert np.abs(points[0] - at).max() < 0.5 * cell  # a quarter by the rule, a quarter by rounding


def test_all_faces_of_a_picture_are_one_batch(package: Path) -> None:
    give_weights(package)
    FanLandmarker(OneFace()).points(PICTURE, np.tile([100.0, 100, 200, 220], (fan.BATCH + 3, 1)))
    assert Dots.batches == [fan.BATCH, 3]
    points, scores = FanLandmarker(OneFace()).points(PICTURE, np.zeros((0, 4)))
    assert points.shape == (0, 68, 2)
    assert scores.shape == (0,)


def test_the_region_is_what_the_networks_were_trained_on(package: Path) -> None:
    u, v, side = fan.region(np.array([100.0, 50, 200, 170]))
    assert (u, v) == (150, pytest.approx(110 - 0.12 * 120))
    assert side == pytest.approx(200 * (100 + 120) / 195)


def test_beyond_the_photo_there_is_black(package: Path) -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    assert fan.cut(white, 0.0, 0.0, 80.0)[:120].max() == 0
    assert fan.cut(white, 50.0, 50.0, 50.0).min() == 255
    smooth = cv2.resize(fan.cut(white, 50.0, 50.0, 50.0), (64, 64))
    assert smooth.min() == 255


def test_peaks_move_a_quarter_towards_the_higher_neighbour() -> None:
    maps = np.zeros((1, 68, 64, 64), np.float32)
    maps[0, :, 10, 20] = 1.0
    maps[0, :, 10, 21], maps[0, :, 11, 20] = 0.5, 0.5
    maps[0, 1] = 0
    maps[0, 1, 0, 63] = 0.7
    at, peak = fan.read_maps(maps)
    np.testing.assert_allclose(at[0, 0], [20.75, 10.75])
    np.testing.assert_allclose(at[0, 1], [63.5, 0.5])  # none beyond the border
    assert peak[0, 1] == pytest.approx(0.7)


def test_drift_is_the_distance_from_the_finders_points(package: Path) -> None:
    give_weights(package)
    backend: FaceFinder = FanLandmarker(OneFace())
    (face,) = backend.find(PICTURE)
    assert face.points.shape == (68, 2)
    assert face.points.dtype == np.float32
    assert face.drift > 1  # the toy network finds nothing in black
    assert "2DFAN4-abc" in backend.fingerprint


@pytest.mark.parametrize("kind", ["sfd", "blazeface"])
def test_detectors_of_the_package_give_boxes_and_a_second_look(package: Path, kind: str) -> None:
    give_weights(package, "3DFAN4-def.pth.tar")
    for name in ("s3fd-1.pth", "back.pth", "anchors.npy"):
        (package / name).write_bytes(b"1")
    finder = Detector(kind)
    assert finder.boxes(np.zeros((2000, 1000, 3), np.uint8))[0].tolist() == pytest.approx(
        [1200, 19.53, 1600, 117.19], abs=0.01
    )
    Dots.batches.clear()
    found = FanLandmarker(finder, kind="3d").find(PICTURE)
    assert Dots.batches == [2, 2]  # first and second look, both faces at once
    assert found[0].points[:, 0].mean() <= found[1].points[:, 0].mean()
    assert kind in FanLandmarker(finder, kind="3d").fingerprint
    assert "3DFAN4-def" in FanLandmarker(finder, kind="3d").fingerprint


def test_weights_are_found_where_the_variable_says(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    give_weights(own)
    monkeypatch.setenv(fan.WEIGHTS_ENV, str(own))
    assert fan.fan_weights() == own / "2DFAN4-abc.pth.tar"


def test_missing_weights_are_a_sentence_that_says_where_to_get_them(package: Path) -> None:
    with pytest.raises(LandmarkError, match=r"2DFAN4-abc\.pth\.tar.*scheme://somewhere/.*mediapipe"):
        FanLandmarker(OneFace()).find(PICTURE)
    with pytest.raises(LandmarkError, match=r"s3fd-1\.pth"):
        Detector("sfd").boxes(PICTURE)


def test_other_files_are_a_sentence_and_never_unpickled(package: Path) -> None:
    (package / "2DFAN4-abc.pth.tar").write_bytes(b"weights")
    with pytest.raises(LandmarkError, match="does not hold the weights of 2DFAN-4"):
        FanLandmarker(OneFace()).find(PICTURE)


def test_missing_packages_are_a_sentence_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("face_alignment", "face_alignment.api", "face_alignment.models"):
        monkeypatch.setitem(sys.modules, name, None)
    fan._network.cache_clear()
    with pytest.raises(LandmarkError, match="pip install --no-deps face-alignment scikit-image"):
        FanLandmarker(OneFace()).find(PICTURE)


@pytest.mark.parametrize("kind", ["2d", "3d"])
def test_fan_and_the_default_backend_agree_on_photographs(kind: str) -> None:
    default = Landmarks(256).backend
    backend = FanLandmarker(default, kind=kind)
    try:
        fan.fan_weights(kind)
    except LandmarkError:
        pytest.skip("the weights of FAN are not here")
    drifts = [face.drift for path in photo_paths() for face in backend.find(read_photo(path))]
    assert np.median(drifts) < 0.06  # the two small networks at hand differ from labels by 0.046 each
