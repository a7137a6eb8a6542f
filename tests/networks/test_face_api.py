from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from assets.readers.photo import read_photo
from assets.registry import asset_path
from models.networks.bisenet import WeightsError
from models.networks.face_api import (
    _boxes,
    _separable,
    find_faces,
    find_points,
    load_observer,
    overlap,
)
from models.networks.face_landmarker import FaceLandmarker
from tasks.landmarks import Crop, Landmarks


@pytest.fixture(scope="module")
def crops() -> list[Crop]:
    """Face crops of two photographs that ship."""
    finder = Landmarks(256, FaceLandmarker(asset_path("face_landmarker")))
    images = [read_photo(asset_path(name)) for name in ("obama", "astronaut")]
    return [crop for image in images for crop in finder.find(image) if isinstance(crop, Crop)][:2]


def test_it_finds_the_faces_and_agrees_with_mediapipe_on_their_points(crops: list[Crop]) -> None:
    weights = load_observer(asset_path("observer"))
    for crop in crops:
        (face, *more) = find_faces(weights, crop.photo)
        assert not more
        points = find_points(weights, crop.photo, face.box)
        iod = np.linalg.norm(crop.landmarks[36:42].mean(0) - crop.landmarks[42:48].mean(0))
        away = np.linalg.norm(points[17:] - crop.landmarks[17:], axis=1).mean() / iod
        assert away < 0.1


def test_a_moved_and_enlarged_picture_moves_the_points(crops: list[Crop]) -> None:
    weights = load_observer(asset_path("observer"))
    photo = crops[0].photo
    face = find_faces(weights, photo)[0]
    canvas = np.zeros((300, 320, 3), np.uint8)
    canvas[30:286, 40:296] = photo
    moved = find_points(weights, canvas, tuple(np.array(face.box) + np.array([40, 30, 40, 30])))
    still = find_points(weights, photo, face.box)
    assert np.abs(moved - still - (40, 30)).max() < 0.5


def test_there_is_no_face_in_noise() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 150, 3)).astype(np.uint8)
    assert find_faces(load_observer(asset_path("observer")), noise) == []


def test_boxes_are_decoded_like_the_formula_says() -> None:
    out = np.full((25, 3, 3), -20.0)
    out[4, 1, 2] = 0.0  # anchor 0, row 1, column 2: score 1/2
    out[0:2, 1, 2] = 0.0  # the middle of the cell
    out[2:4, 1, 2] = np.log(2)  # twice the anchor
    rows = _boxes(out, side=96)
    best = rows[rows[:, 4].argmax()]
    wide, high = 2 * 1.603231 * 32, 2 * 2.094468 * 32
    assert best == pytest.approx([80 - wide / 2, 48 - high / 2, 80 + wide / 2, 48 + high / 2, 0.5])


def test_separable_convolution_is_depthwise_then_pointwise() -> None:
    rng = torch.Generator().manual_seed(0)
    weights = {
        "x.depthwise_filter": torch.randn(2, 1, 3, 3, generator=rng),
        "x.pointwise_filter": torch.randn(3, 2, 1, 1, generator=rng), "x.bias": torch.randn(3, generator=rng),
    }  # fmt: skip
    image = torch.randn(1, 2, 5, 5, generator=rng)
    got = _separable(weights, "x", image, padding=0)[0, :, 0, 0]
    deep = (image[0, :, :3, :3] * weights["x.depthwise_filter"][:, 0]).sum(dim=(1, 2))
    assert torch.allclose(
        got, weights["x.pointwise_filter"][:, :, 0, 0] @ deep + weights["x.bias"], atol=1e-5
    )


def test_boxes_overlap_by_shared_over_united_area() -> None:
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 1, 1), (2, 2, 3, 3)) == 0


def test_a_wrong_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"wrong\.safetensors.*git checkout"):
        load_observer(path)
