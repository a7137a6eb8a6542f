from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from assets.readers.micc import is_scan_folder, read_micc
from assets.registry import AssetError


def scan(folder: Path, name: str, material: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.obj").write_text(f"mtllib {name}.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    picture = "texture.bmp" if material else f"{name}.jpg"
    if material:
        (folder / f"{name}.mtl").write_text("newmtl a\nmap_Kd C:\\scans\\texture.bmp\n")
    Image.new("RGB", (4, 4)).save(folder / picture)


def test_one_frontal_scan_of_each_subject(tmp_path: Path) -> None:
    scan(tmp_path / "subject_01/Model/frontal1/obj", "110920150452")
    scan(tmp_path / "subject_01/Model/frontal2/obj", "110920150455")
    scan(tmp_path / "subject_01/Model/left/obj", "0")
    scan(tmp_path / "subject_02/Model/frontal1/obj", "b", material=False)
    assert is_scan_folder(tmp_path)
    first, second = read_micc(tmp_path)
    assert (first.key, first.mesh.stem, first.picture.name) == ("subject_01", "110920150452", "texture.bmp")
    assert second.picture.name == "b.jpg"


def test_other_layouts_give_all_their_scans(tmp_path: Path) -> None:
    scan(tmp_path / "a", "one")
    scan(tmp_path / "b", "two")
    assert [case.key for case in read_micc(tmp_path)] == ["a/one", "b/two"]


def test_no_scan_or_no_picture_is_one_sentence(tmp_path: Path) -> None:
    assert not is_scan_folder(tmp_path)
    with pytest.raises(AssetError, match="has no scan"):
        list(read_micc(tmp_path))
    scan(tmp_path / "a", "one")
    (tmp_path / "a/texture.bmp").unlink()
    with pytest.raises(AssetError, match="has no picture"):
        list(read_micc(tmp_path))
