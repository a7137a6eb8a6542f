from __future__ import annotations

from pathlib import Path

import numpy as np
import photo_layouts
import pytest

from assets.readers.kinds import NAMES, split_kind
from assets.readers.sets import KINDS, read_photos, shipped_photos
from assets.readers.tree import PhotoSetError

RNG = np.random.default_rng(0)
FOUR = [RNG.integers(0, 255, (80, 72, 3)).astype(np.uint8) for _ in range(4)]
MASKS = [{"skin": np.ones((40, 36), bool)}] * 4


def make(kind: str, root: Path) -> Path:
    match kind:
        case "celebamask-hq":
            return photo_layouts.celebamask(root, FOUR, MASKS)
        case "celeba":
            return photo_layouts.celeba(root, FOUR, [1, 2, 1, 3])
        case "ffhq":
            return photo_layouts.ffhq(root, FOUR, list("abac"), ["Attribution License"] * 4)
        case "imdb-wiki":
            return photo_layouts.imdb_wiki(root, FOUR, photo_layouts.imdb_rows(4))
        case "300w-lp":
            return photo_layouts.lp300w(root, FOUR, 1)
        case "aflw2000-3d":
            return photo_layouts.aflw2000(root, FOUR, [(0, 0, 0)] * 4, [np.zeros((68, 2))] * 4)
        case "parquet":
            return photo_layouts.hf_parquet(root, FOUR, {})
        case "webdataset":
            return photo_layouts.webdataset(root, FOUR, [{}] * 4)
        case _:
            return photo_layouts.write(root, {f"{i}.jpg": photo_layouts.jpeg(p) for i, p in enumerate(FOUR)})


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS if not kind.named])
def test_each_layout_is_recognised_by_itself_and_can_be_read(kind: str, tmp_path: Path) -> None:
    found = read_photos(make(kind, tmp_path / "set"))
    assert found.kind == kind
    assert len(found.photos) == (8 if kind == "300w-lp" else 4)
    for photo in found.photos:
        data = photo.file().read_bytes()
        assert data[:2] == b"\xff\xd8" or data[:4] == b"\x89PNG"
    assert [photo.name for photo in found.photos] == sorted({photo.name for photo in found.photos})
    assert f"taken for {found.title}: {len(found.photos)} photographs" in found.line


@pytest.mark.parametrize("kind", ["celeba", "ffhq", "celebamask-hq", "imdb-wiki", "300w-lp"])
def test_a_zip_of_the_whole_set_reads_the_same(kind: str, tmp_path: Path) -> None:
    folder = make(kind, tmp_path / "set")
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    packed = read_photos(photo_layouts.zipped(tmp_path / "set.zip", files))
    plain = read_photos(folder)
    assert (packed.kind, len(packed.photos)) == (plain.kind, len(plain.photos))
    for one, other in zip(packed.photos, plain.photos, strict=True):
        assert (one.name, one.labels, one.looks) == (other.name, other.labels, other.looks)
        assert one.file().read_bytes() == other.file().read_bytes()


def test_a_kind_can_be_forced_or_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = make("celeba", tmp_path)
    assert read_photos(folder, "folder").kind == "folder"
    with pytest.raises(PhotoSetError, match="has not the files of 'ffhq'"):
        read_photos(folder, "ffhq")
    with pytest.raises(PhotoSetError, match="no kind of photo set 'lfw'"):
        read_photos(folder, "lfw")


def test_nothing_to_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(PhotoSetError, match="has no photographs"):
        read_photos(tmp_path)
    rows = photo_layouts.imdb_rows(2)
    for row in rows:
        row["face_score"] = -np.inf
    with pytest.raises(PhotoSetError, match=r"2 rows of the \.mat without one sure face"):
        read_photos(photo_layouts.imdb_wiki(tmp_path, FOUR[:2], rows))


def test_kinds_are_written_before_a_colon(tmp_path: Path) -> None:
    assert tuple(kind.name for kind in KINDS) == NAMES
    assert split_kind("ffhq:/data/x") == ("ffhq", "/data/x")
    assert split_kind("/data/ffhq:old") == ("auto", "/data/ffhq:old")
    assert split_kind("C:/data") == ("auto", "C:/data")


def test_photographs_that_ship_say_their_terms():
    found = shipped_photos()
    assert "32bit.png" in [photo.name for photo in found.photos]
    assert all(photo.licence and photo.attribution and photo.origin for photo in found.photos)
    assert "not stated" not in found.line
