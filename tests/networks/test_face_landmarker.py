from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from assets.readers.photo import read_photo
from assets.registry import asset_path
from models.networks import face_landmarker
from models.networks.face_landmarker import FaceLandmarker, LandmarkError


@pytest.fixture(scope="module")
def finder() -> FaceLandmarker:
    return FaceLandmarker(asset_path("face_landmarker"))


def photo(name: str) -> np.ndarray:
    image = read_photo(next(asset_path("face_landmarker").parent.parent.glob(f"photos/{name}.*")))
    assert isinstance(image, np.ndarray)
    return image


@pytest.mark.parametrize(("name", "faces"), [("sample3", 3), ("sample5", 5), ("obama", 1)])
def test_all_faces_are_found_from_left_to_right(finder: FaceLandmarker, name: str, faces: int) -> None:
    found = finder.find(photo(name))
    assert len(found) == faces
    centres = [float(f.points[:, 0].mean()) for f in found]
    assert centres == sorted(centres)
    assert all(f.score > 0.9 and f.drift < 0.1 for f in found)


def test_points_are_in_ibug_order(finder: FaceLandmarker) -> None:
    p = finder.find(photo("obama"))[0].points
    assert (np.diff(p[2:15, 0]) > 0).all()  # jaw from image left to image right
    assert p[8, 1] == p[:, 1].max()  # chin
    assert p[36, 0] < p[39, 0] < p[42, 0] < p[45, 0]  # eye corners
    assert p[48, 0] < p[60, 0] < p[64, 0] < p[54, 0]  # mouth corners, outer and inner
    assert p[17:27, 1].max() < p[36:48, 1].min()  # brows above eyes
    assert p[27, 1] < p[30, 1] < p[33, 1] < p[51, 1] < p[57, 1] < p[8, 1]


def test_points_follow_shift_turn_and_scale(finder: FaceLandmarker) -> None:
    image = photo("obama")
    base = finder.find(image)[0].points
    iod = float(np.linalg.norm(base[36] - base[45]))
    centre = (image.shape[1] / 2, image.shape[0] / 2)
    for angle, scale in ((0.0, 0.6), (25.0, 0.8), (-35.0, 1.0)):
        move = cv2.getRotationMatrix2D(centre, angle, scale)
        move[:, 2] += (11.0, -7.0)
        shown = move.copy()
        shown[:, 2] += shown[:, :2].sum(1) / 2 - 0.5
        moved = cv2.warpAffine(image, shown, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
        want = base @ move[:, :2].T + move[:, 2]
        got = min(finder.find(moved), key=lambda f: float(np.abs(f.points - want).mean())).points
        error = np.linalg.norm(got - want, axis=1).mean() / (iod * scale)
        assert error < 0.04, (angle, scale, error)


def test_mirrored_photo_mirrors_the_points(finder: FaceLandmarker) -> None:
    image = photo("obama")
    p = finder.find(image)[0].points
    q = finder.find(np.ascontiguousarray(image[:, ::-1]))[0].points
    q = np.stack([image.shape[1] - q[:, 0], q[:, 1]], 1)
    iod = float(np.linalg.norm(p[36] - p[45]))
    assert np.linalg.norm(p[:17] - q[16::-1], axis=1).mean() / iod < 0.05
    assert np.linalg.norm(p[36] - q[45]) / iod < 0.05


def test_same_picture_same_bytes(finder: FaceLandmarker) -> None:
    image = photo("sample3")
    first, second = finder.find(image), finder.find(image)
    assert [f.points.tobytes() for f in first] == [f.points.tobytes() for f in second]


def test_nothing_is_found_where_nobody_is(finder: FaceLandmarker) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    assert finder.find(noise) == []
    assert finder.find(np.zeros((64, 500, 3), np.uint8)) == []


def test_anchor_grid_has_the_detectors_layout() -> None:
    anchors = face_landmarker._anchors()
    assert anchors.shape == (896, 2)
    np.testing.assert_allclose(anchors[0], (1 / 32, 1 / 32))
    np.testing.assert_allclose(anchors[2], (3 / 32, 1 / 32))  # x runs first, two anchors per cell
    np.testing.assert_allclose(anchors[512], (1 / 16, 1 / 16))
    np.testing.assert_allclose(anchors[-1], (15 / 16, 15 / 16))


def test_suppression_keeps_the_best_of_overlapping_and_nested_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [2, 2, 5, 5], [20, 0, 30, 10]], float)
    assert face_landmarker._suppress(boxes, np.array([0.8, 0.9, 0.7, 0.6])) == [1, 3]


def test_tiles_cover_every_pixel_at_every_level() -> None:
    image = np.zeros((500, 1300, 3), np.uint8)
    tiles = face_landmarker._tiles(image, 20)
    for side in {t[2] for t in tiles[1:]}:
        covered = np.zeros((500, 1300), bool)
        for u, v, s in tiles:
            if s == side:
                rows = slice(max(0, int(v - s / 2)), int(v + s / 2))
                covered[rows, max(0, int(u - s / 2)) : int(u + s / 2)] = True
        assert covered.all()


def test_a_wrong_file_is_named_with_the_fix(tmp_path: Path) -> None:
    bad = tmp_path / "bad.task"
    bad.write_bytes(b"zip?")
    with pytest.raises(LandmarkError, match=r"bad\.task.*facepairs assets verify"):
        FaceLandmarker(bad).find(np.zeros((64, 64, 3), np.uint8))
    empty = tmp_path / "empty.task"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("readme", "nothing")
    with pytest.raises(LandmarkError, match=r"empty\.task"):
        FaceLandmarker(empty).find(np.zeros((64, 64, 3), np.uint8))
