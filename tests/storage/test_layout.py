from __future__ import annotations

from pathlib import Path

import pytest

from storage import layout
from storage.errors import CorruptStore, StoreError
from storage.files import read_sealed, seal, sha256_bytes
from storage.layout import FORMAT, StoredFile, read_checked, read_description
from tests.storage.toy_store import CONFIG, toy_create, toy_plan


def test_store_json_describes_the_store(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    body, plan = read_description(store.root)
    assert plan == store.plan == toy_plan()
    assert body["config"] == CONFIG
    assert body["schema"]["fields"][0]["name"] == "image"
    assert body["checksum"] == "crc32"
    assert body["snapshot"]["head.npz"]["sha256"] == sha256_bytes(b"the head model")


def test_a_newer_format_is_left_to_its_version(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    path = store.root / "store.json"
    body = read_sealed(path)
    path.write_bytes(seal({**body, "format": FORMAT + 1}))
    with pytest.raises(StoreError, match=f"store format {FORMAT + 1}, this version reads {FORMAT}"):
        read_description(store.root)


def test_a_plan_under_the_wrong_hash_is_refused(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    other = toy_plan(seed=8).to_parquet()
    (store.root / "plan" / "plan.parquet").write_bytes(other)
    with pytest.raises(CorruptStore, match=r"plan/plan.parquet: \d+ bytes with SHA-256"):
        read_description(store.root)
    body = read_sealed(store.root / "store.json")
    body["plan"]["file"] |= {"bytes": len(other), "sha256": sha256_bytes(other)}
    (store.root / "store.json").write_bytes(seal(body))
    with pytest.raises(CorruptStore, match="has plan hash"):
        read_description(store.root)


def test_missing_and_changed_files_are_told_apart(tmp_path: Path) -> None:
    file = StoredFile("a", 3, sha256_bytes(b"abc"))
    with pytest.raises(CorruptStore, match="a is missing, 3 bytes expected"):
        read_checked(tmp_path, file)
    (tmp_path / "a").write_bytes(b"abd")
    with pytest.raises(CorruptStore, match="a: 3 bytes with SHA-256 ba7816bf8f01 expected"):
        read_checked(tmp_path, file)
    (tmp_path / "a").write_bytes(b"abc")
    assert read_checked(tmp_path, file) == b"abc"


@pytest.mark.parametrize("name", ["../a", "/a", "shards/../../a"])
def test_file_names_stay_inside_the_store(name: str) -> None:
    with pytest.raises(CorruptStore, match="leads out of the store"):
        StoredFile(name, 1, "")


def test_snapshot_names_are_plain(tmp_path: Path) -> None:
    from storage.schema import Schema

    (tmp_path / "s").mkdir()
    with pytest.raises(StoreError, match="has a folder in it"):
        layout.initialise(tmp_path / "s", toy_plan(), CONFIG, {"../x": b""}, Schema())
    assert not (tmp_path / "x").exists()
