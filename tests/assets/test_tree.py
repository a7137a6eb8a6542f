from __future__ import annotations

import contextlib
import io
import os
import tarfile
import time
import zipfile
from pathlib import Path

import photo_layouts
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readers.tree import PhotoSetError, Tree


def test_hidden_files_and_foreign_kinds_are_left_out_and_counted(tmp_path: Path) -> None:
    photo_layouts.write(tmp_path / "set", {"a.jpg": b"", "deep/b.jpg": b"", ".c.jpg": b"", ".d/e.jpg": b""})
    (tmp_path / "out").mkdir()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "out", target_is_directory=True)
    (tmp_path / "set" / "broken.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "set" / "same.jpg").symlink_to(tmp_path / "set" / "a.jpg")
    os.mkfifo(tmp_path / "set" / "pipe.jpg")
    (tmp_path / "set" / "x.tar.gz").write_bytes(b"")
    tree = Tree.of(tmp_path / "set")
    assert sorted(tree.files) == ["a.jpg", "deep/b.jpg", "same.jpg"]
    assert tree.left_out["linked folders, sockets or broken links"] == 3
    assert sum(n for why, n in tree.left_out.items() if "as a whole" in why) == 1


def hostile_tar(path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        for name in ("../evil.jpg", "/etc/evil.jpg", "a/../../evil.jpg", "good.jpg", "./also.jpg"):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"data"))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"kind{ord(kind)}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return path


def test_hostile_members_of_a_tar_are_counted_and_nothing_is_written(tmp_path: Path) -> None:
    tree = Tree.of(hostile_tar(tmp_path / "x.tar"))
    assert sorted(tree.files) == ["also.jpg", "good.jpg"]
    assert tree.left_out["archive members whose names lead out of the archive"] == 3
    assert tree.left_out["archive members that are links or devices"] == 4
    assert [p.name for p in tmp_path.iterdir()] == ["x.tar"]


def test_hostile_members_of_a_zip_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("../evil.jpg", "/evil.jpg", "a\\..\\evil.jpg", "good.jpg"):
            archive.writestr(name, b"data")
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("odd.jpg", b"data" * 99, zipfile.ZIP_LZMA)
    tree = Tree.of(file)
    assert sorted(tree.files) == ["good.jpg"]
    assert sum(tree.left_out.values()) == 5


@pytest.mark.parametrize("name", ["x.tar", "x.zip"])
def test_a_damaged_archive_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive at all" * 100)
    with pytest.raises(PhotoSetError, match=r"no sound .* file .*restore it"):
        Tree.of(tmp_path)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_are_a_tree_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for name in ("x.tar", "x.zip"):
        (folder / name).write_bytes(data)
        with contextlib.suppress(PhotoSetError):
            assert not any(".." in inner for inner in Tree.of(folder / name).files)


def test_what_is_compressed_as_a_whole_or_absent_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(b"")
    with pytest.raises(PhotoSetError, match=r"repack it as \.tar"):
        Tree.of(tmp_path / "x.tar.gz")
    with pytest.raises(PhotoSetError, match="is not there"):
        Tree.of(tmp_path / "none")


def test_many_photographs_are_listed_in_seconds(tmp_path: Path) -> None:
    for shard in range(20):
        folder = tmp_path / f"{shard:03d}"
        folder.mkdir()
        for i in range(250):
            (folder / f"{i:05d}.jpg").touch()
    began = time.process_time()
    assert len(Tree.of(tmp_path).files) == 5000
    assert time.process_time() - began < 0.5  # 100,000 in ten seconds, with a wide margin for a busy machine
