from __future__ import annotations

from pathlib import Path

import numpy as np
import photo_layouts
import pytest

from assets.readers.fitted import parameters
from assets.readers.sets import read_photos
from assets.readers.tree import PhotoSetError, Tree

PICTURES = [np.full((64, 64, 3), 60 * i, np.uint8) for i in range(3)]
POINTS = np.random.default_rng(0).uniform(0, 64, (68, 2))


def test_what_was_made_from_one_photograph_stays_together(tmp_path: Path) -> None:
    found = read_photos(photo_layouts.lp300w(tmp_path, PICTURES, turns=2))
    assert len(found.photos) == 12  # turned and mirrored
    assert {photo.identity for photo in found.photos} == {f"300w-HELEN-HELEN_{1000 + i}_1" for i in range(3)}


def test_a_picture_without_parameters_is_left_out(tmp_path: Path) -> None:
    photo_layouts.aflw2000(tmp_path, PICTURES, [(0, 0, 0)] * 3, [POINTS] * 3)
    (tmp_path / "AFLW2000" / "image00003.mat").unlink()
    assert [photo.origin for photo in read_photos(tmp_path).photos] == ["image00002", "image00004"]


def test_parameters_are_read_in_both_forms(tmp_path: Path) -> None:
    photo_layouts.aflw2000(tmp_path / "a", PICTURES[:1], [(-5.0, 62.0, 3.0)], [POINTS])
    found = parameters(Tree.of(tmp_path / "a"), "AFLW2000/image00002.jpg")
    assert (found.pitch, found.yaw, found.roll) == pytest.approx((-5, 62, 3))
    np.testing.assert_allclose(found.points, POINTS)
    assert (found.shape.shape, found.expression.shape) == ((199,), (29,))
    photo_layouts.lp300w(tmp_path / "b", PICTURES[:1])
    turned = parameters(Tree.of(tmp_path / "b"), "300W_LP/HELEN/HELEN_1000_1_1.jpg")
    assert turned.yaw == pytest.approx(15)
    assert turned.points.shape == (68, 2)


def test_other_files_are_a_sentence(tmp_path: Path) -> None:
    photo_layouts.aflw2000(tmp_path, PICTURES[:1], [(0, 0, 0)], [POINTS])
    (tmp_path / "AFLW2000" / "image00002.mat").write_bytes(b"no mat")
    with pytest.raises(PhotoSetError, match="no parameter file"):
        parameters(Tree.of(tmp_path), "AFLW2000/image00002.jpg")
    with pytest.raises(PhotoSetError, match=r"has no .*image00009.mat' beside it"):
        parameters(Tree.of(tmp_path), "AFLW2000/image00009.jpg")
