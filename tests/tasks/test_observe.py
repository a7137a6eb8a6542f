from __future__ import annotations

import numpy as np
import pytest

from assets.readers.photo import read_photo
from assets.registry import asset_path
from models.networks.bisenet import FaceParser
from models.networks.face_landmarker import FaceLandmarker
from tasks.landmarks import Crop, Landmarks
from tasks.observe import Observer


@pytest.fixture
def upright_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that calls bright pixels 1 in the upper half of its picture, and 2 in the lower half."""

    def parse(self: FaceParser, photos: np.ndarray) -> np.ndarray:
        half = np.arange(photos.shape[1])[:, None] >= photos.shape[1] // 2
        return np.where(photos[..., 0] > 128, np.where(half, 2, 1), 0).astype(np.uint8)

    monkeypatch.setattr(FaceParser, "parse", parse)


def observer() -> Observer:
    return Observer(
        asset_path("observer"), asset_path("observer"), bf16=False
    )  # the parser's file is never opened


def dots() -> tuple[np.ndarray, np.ndarray]:
    """A picture with a bright dot above its middle, and the same turned anticlockwise by 90 degrees."""
    upright = np.zeros((64, 64, 3), np.uint8)
    upright[8:14, 30:34] = 255
    return upright, np.ascontiguousarray(np.rot90(upright))


@pytest.mark.usefixtures("upright_only")
def test_a_tilted_head_is_parsed_upright_and_its_classes_turned_back() -> None:
    upright, turned = dots()
    plain = observer().parse(upright, 0.0)
    assert set(np.unique(plain)) == {0, 1}
    back = observer().parse(turned, 90.0)
    assert (back == np.rot90(plain)).mean() > 0.99
    assert (back[turned[..., 0] > 0] == 1).all(), (
        "above in the face, though in the middle of the picture's height"
    )


@pytest.mark.usefixtures("upright_only")
def test_the_face_that_was_asked_for_is_told_from_others() -> None:
    finder = Landmarks(256, FaceLandmarker(asset_path("face_landmarker")))
    crop = next(c for c in finder.find(read_photo(asset_path("obama"))) if isinstance(c, Crop))
    seen = observer().look(crop.photo, crop.landmarks, 0.0)
    assert seen.score > 0.5
    assert seen.points is not None
    assert np.abs(seen.points.mean(axis=0) - crop.landmarks.mean(axis=0)).max() < 8
    elsewhere = observer().look(crop.photo, crop.landmarks * 0.2, 0.0)
    assert elsewhere.score == 0
    assert elsewhere.points is None


def test_the_fingerprint_names_weights_and_precision() -> None:
    mark = observer().fingerprint
    assert mark.startswith("observe-1/fp32/cpu/")
    assert len(mark.split("/")) == 5
