from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from facescape_toy import write_lab, write_wild

from assets.readers.facescape_bench import is_facescape, read_lab, read_wild
from assets.registry import AssetError

TRIANGLE = np.array([[0.0, 0, 50], [20, 0, 50], [0, 20, 50]]), np.array([[0, 1, 2]])


def test_wild_cases_are_binned_by_their_number(tmp_path: Path) -> None:
    write_wild(tmp_path, *TRIANGLE)
    assert is_facescape(tmp_path) == "wild"
    assert [(c.key, c.column) for c in read_wild(tmp_path)] == [
        ("003", "0-5°"), ("120", "5-30°"), ("250", "30-60°"), ("399", "60-90°"),
    ]  # fmt: skip


def test_lab_cases_are_binned_by_their_view(tmp_path: Path) -> None:
    write_lab(tmp_path, *TRIANGLE)
    assert is_facescape(tmp_path) == "lab"
    assert [(c.key, c.column) for c in read_lab(tmp_path)] == [
        ("00_0_00", "0°"), ("00_0_04", "30°"), ("00_0_10", "60°"),
    ]  # fmt: skip


def test_what_is_missing_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    assert is_facescape(tmp_path) == ""
    with pytest.raises(AssetError, match="no folder wild_gt_mesh"):
        list(read_wild(tmp_path))
    write_wild(tmp_path, *TRIANGLE)
    (tmp_path / "data/wild_img/120.png").unlink()
    with pytest.raises(AssetError, match="no picture 120"):
        list(read_wild(tmp_path))
    np.save(tmp_path / "code/predef/wild_rotations.npy", np.zeros((4, 3)))
    with pytest.raises(AssetError, match=r"of \(4, 3\), finite numbers of \(400, 3, 3\) are expected"):
        list(read_wild(tmp_path))
    (tmp_path / "code/predef/wild_rotations.npy").write_bytes(b"\x80\x04N.")
    with pytest.raises(AssetError, match="is damaged or cut short"):
        list(read_wild(tmp_path))
    (tmp_path / "code/predef/wild_pupil_scales.npy").unlink()
    with pytest.raises(AssetError, match="no wild_pupil_scales"):
        list(read_wild(tmp_path))


def test_a_broken_camera_is_one_sentence(tmp_path: Path) -> None:
    write_lab(tmp_path, *TRIANGLE)
    (tmp_path / "data/lab_cam/00_0_04.json").write_text("[[1, 2]]")
    with pytest.raises(AssetError, match="is no camera"):
        list(read_lab(tmp_path))
