from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from storage import files
from storage.errors import CorruptStore
from tests.storage.toy_store import flip_bit


def test_any_flipped_bit_or_cut_of_a_sealed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "sealed.json"
    data = files.seal({"b": [1, 2.5, None], "a": {"name": "ü"}})
    path.write_bytes(data)
    assert files.read_sealed(path) == {"b": [1, 2.5, None], "a": {"name": "ü"}}
    for position in range(len(data)):
        for bit in range(8):
            flip_bit(path, position, bit)
            with pytest.raises(CorruptStore, match=r"sealed\.json: the file does not match its own seal"):
                files.read_sealed(path)
            flip_bit(path, position, bit)
    for size in range(len(data) - 1, -1, -1):
        os.truncate(path, size)
        with pytest.raises(CorruptStore):
            files.read_sealed(path)


def test_the_first_writer_wins(tmp_path: Path) -> None:
    assert files.write_once(tmp_path / "a", b"first")
    assert not files.write_once(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    files.write_replace(tmp_path / "a", b"third")
    assert (tmp_path / "a").read_bytes() == b"third"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_new_folder_and_those_above_it_are_synced_where_their_names_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    files.make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert set(synced) == {tmp_path / "a" / "b", tmp_path / "a", tmp_path}
    synced.clear()
    files.make_folder(tmp_path / "a")
    assert set(synced) == {tmp_path}, "it may be there from an attempt that died before it was synced"


def test_float32_is_written_short_and_read_back_the_same() -> None:
    values = np.random.default_rng(0).normal(size=200).astype(np.float32)
    text = files.canonical_json({"v": values, "n": np.int64(3), "t": np.bool_(True), "z": np.float32(0.1)})
    assert b'"z":0.1}' in text
    import json

    np.testing.assert_array_equal(np.asarray(json.loads(text)["v"], np.float32), values)


def test_a_file_system_that_cannot_sync_folders_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def refuse(_fd: int, code: int = errno.EINVAL) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(files.os, "fsync", refuse)
    files.sync_folder(tmp_path)
    monkeypatch.setattr(files.os, "fsync", lambda fd: refuse(fd, errno.EIO))
    with pytest.raises(OSError, match="no"):
        files.sync_folder(tmp_path)
