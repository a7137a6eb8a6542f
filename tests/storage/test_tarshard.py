from __future__ import annotations

import hashlib
import os
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest

from storage.errors import CorruptStore
from storage.tarshard import TarWriter, check_payload, scan
from tests.storage.toy_store import flip_bit

PAYLOADS = {"00000001.image.png": b"x" * 700, "00000001.meta.json": b"{}", "00000002.empty.npy": b""}


def _write(path: Path) -> tuple[list, str]:
    with TarWriter(path) as tar:
        members = [tar.add(name, data) for name, data in PAYLOADS.items()]
        return members, tar.close()


def test_any_tar_reader_opens_it_and_offsets_are_true(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    members, digest = _write(path)
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest
    assert [data[m.offset : m.offset + m.length] for m in members] == list(PAYLOADS.values())
    with tarfile.open(path) as tar:
        for info in tar:
            assert tar.extractfile(info).read() == PAYLOADS[info.name]
            assert (info.mtime, info.uid, info.gid) == (0, 0, 0)
    assert list(scan(path)) == members


def test_bytes_depend_on_content_alone(tmp_path: Path) -> None:
    assert _write(tmp_path / "a.tar")[1] == _write(tmp_path / "b.tar")[1]


def test_after_an_exception_the_archive_looks_torn(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    with suppress(KeyError), TarWriter(path) as tar:
        tar.add("00000001.image.png", b"x" * 700)
        raise KeyError
    with pytest.raises(CorruptStore, match="no valid tar header at byte"):
        list(scan(path))


def test_every_flipped_byte_changes_what_scan_says(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    members, _ = _write(path)
    data = path.read_bytes()
    for position in range(0, len(data), 3):
        flip_bit(path, position, position % 8)
        with suppress(CorruptStore):
            assert list(scan(path)) != members, position
        flip_bit(path, position, position % 8)
    assert list(scan(path)) == members
    for cut in range(len(data) - 1, -1, -97):
        os.truncate(path, cut)
        with pytest.raises(CorruptStore):
            list(scan(path))


def test_a_wrong_payload_is_named() -> None:
    import zlib

    check_payload(b"abc", zlib.crc32(b"abc"), "00000001", "image", 3)
    with pytest.raises(CorruptStore, match="shard 3, sample 00000001, field 'image'"):
        check_payload(b"abd", zlib.crc32(b"abc"), "00000001", "image", 3)
