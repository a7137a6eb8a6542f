"""Sets of others, on fixtures in their formats: a true surface scores zero, a moved one what it was moved by."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "assets"))
from facescape_toy import AWAY, FOCAL, write_lab, write_wild

from tasks.evalset_read import LabSet, PictureSet, WildSet
from tests.geometry.balls import sphere


def test_wild_truth_is_in_millimetres_around_the_heads_centre(tmp_path: Path) -> None:
    points, faces = sphere(80, 48)
    write_wild(tmp_path, points, faces)
    chosen = WildSet(tmp_path)
    assert [item.column for item in chosen.items] == ["0-5°", "5-30°", "30-60°", "60-90°"]
    for item in chosen.items[:2]:
        truth = chosen.truth(item)
        assert np.allclose(truth.millimetres, points, atol=1e-3)
        deeper = truth.vertices + np.float32([0, 0, 0.2])
        assert truth.score(deeper, truth.faces).cd < 1e-3
        assert truth.score(deeper * np.float32(1.05), truth.faces).cd > 1
        assert chosen.image(item).shape == (256, 256, 3)
        assert chosen.semantic(item) is None


def test_lab_truth_stands_before_its_camera(tmp_path: Path) -> None:
    points, faces = sphere(80, 48)
    write_lab(tmp_path, points, faces)
    chosen = LabSet(tmp_path)
    assert [item.column for item in chosen.items] == ["0°", "30°", "60°"]
    for item in chosen.items:
        truth = chosen.truth(item)
        assert truth.focal == pytest.approx(FOCAL / 256)
        assert np.allclose(truth.millimetres, points, atol=1e-3)
        assert truth.depth.max() < AWAY
        turned = truth.vertices - truth.centre
        cube = (turned / (AWAY / (2 * truth.focal))).astype(np.float32)
        assert truth.score(cube, faces).cd < 0.8


def test_pictures_have_no_truth(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (10, 90, 200)).save(tmp_path / "a.jpg")
    chosen = PictureSet(tmp_path)
    (item,) = chosen.items
    assert chosen.image(item).shape == (256, 256, 3)
    assert chosen.truth(item) is None
    assert chosen.name.startswith("pictures of")
