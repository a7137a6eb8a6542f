"""The reader on a folder in the published layout, and on the real cut where it is at hand."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from published import open_head, write_ict

from assets.readers.ict import VERTICES, read_ict
from assets.registry import AssetError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "ict_facekit_sample"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_ict(tmp_path_factory.mktemp("ict"))


def test_modes_units_and_parts(folder):
    raw, head = read_ict(folder.parent), open_head()
    assert raw.exp_names == ("jawOpen", "mouthSmileLeft")
    assert raw.unit_mm == 10
    np.testing.assert_allclose(raw.marks() * raw.scale, head.points[head.marks], atol=1e-4)
    longest = [np.linalg.norm(m, axis=-1).max() * raw.scale for m in (*raw.id_basis, *raw.exp_basis)]
    wanted = [np.linalg.norm(m, axis=-1).max() for m in (*head.identity, head.jaw_open, head.smile)]
    np.testing.assert_allclose(longest, wanted, rtol=1e-3)
    assert {part.name for part in raw.parts} == {"teeth_upper", "teeth_lower", "tongue", "eye_l", "eye_r"}
    upper, lower = (next(p for p in raw.parts if p.name == f"teeth_{side}") for side in ("upper", "lower"))
    assert upper.mean[:, 1].mean() > lower.mean[:, 1].mean()
    assert np.abs(lower.exp_basis[0]).max() > 0.5 > np.abs(upper.exp_basis[0]).max()


def test_missing_foreign_and_cut_files_give_one_sentence(folder, tmp_path):
    with pytest.raises(AssetError, match="has no generic_neutral_mesh"):
        read_ict(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "identity000.obj").unlink()
    with pytest.raises(AssetError, match=r"identity001\.obj but not identity000"):
        read_ict(copy)
    (copy / "identity001.obj").rename(copy / "identity000.obj")
    text = (copy / "jawOpen.obj").read_text()
    (copy / "jawOpen.obj").write_text(text[: len(text) // 40])
    with pytest.raises(
        AssetError, match=rf"jawOpen.obj has .* the neutral mesh has {VERTICES}|not a whole OBJ"
    ):
        read_ict(copy)
    (copy / "generic_neutral_mesh.obj").write_text("v 0 0 0\nf 1 1 1\n")
    with pytest.raises(AssetError, match="not the light one"):
        read_ict(copy)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real cut of ICT-FaceKit is not on this machine")
def test_the_real_cut():
    raw = read_ict(REAL)
    assert len(raw.id_basis) == 3
    assert raw.exp_names == ("eyeBlinkRight", "jawOpen", "mouthSmileLeft")
    marks = raw.marks() * raw.scale
    assert 85 < np.linalg.norm(marks[45] - marks[36]) < 100
    lower = next(part for part in raw.parts if part.name == "teeth_lower")
    assert len(lower.mean) > 2000
