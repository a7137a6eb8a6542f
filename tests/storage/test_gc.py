from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from storage.commit import attempt_folder
from storage.errors import CorruptStore, StoreError
from storage.gc import collect, find_orphans, forget_shard
from storage.generation import publish
from storage.store import Store
from storage.verify import verify_store
from tests.storage.toy_store import fill, flip_bit, run, synthesise, toy_create


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = toy_create(tmp_path / "store")
    fill(made)
    publish(made)
    return made


def test_a_clean_store_has_no_orphans(store: Store) -> None:
    assert find_orphans(store) == []


def test_a_copy_without_its_empty_folders_is_collected_all_the_same(store: Store) -> None:
    for name in ("tmp", "alarms"):
        (store.root / name).rmdir()
    (stray := store.root / "shards" / "000" / "stray.tar").write_bytes(b"left")
    assert [orphan.path for orphan in collect(store, dry_run=False)] == [stray]
    assert not stray.exists()


def test_what_cannot_be_removed_is_told_and_not_called_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (store.root / "tmp" / "000000-dead").mkdir()
    for remove in ((shutil, "rmtree"), (Path, "unlink")):
        with monkeypatch.context() as patch:
            patch.setattr(*remove, refuse)
            with pytest.raises(StoreError, match="Permission denied while removing it"):
                collect(store, dry_run=False)
        if remove[1] == "rmtree":
            (store.root / "tmp" / "000000-dead").rmdir()
            (store.root / "shards" / "000" / "stray.tar").write_bytes(b"left")


@pytest.mark.parametrize(
    ("point", "kinds"),
    [
        ("tar_synced", {"its attempt is dead"}),
        ("index_moved", {"its attempt is dead", "no commit names it"}),
        ("commit_temp", {"its attempt is dead", "no commit names it", "its writer is dead"}),
        ("commit_synced", {"its attempt is dead"}),
    ],
)
def test_what_a_dead_attempt_left_is_listed_first_and_then_removed(
    point: str, kinds: set[str], tmp_path: Path
) -> None:
    assert run(synthesise, tmp_path / "store", FACEPAIRS_CRASH_AT=point) == 9
    store = Store.open(tmp_path / "store")
    listed = collect(store)
    assert {o.why for o in listed} == kinds
    assert all(o.path.exists() for o in listed)
    assert sum(o.bytes for o in listed) > 0 or point == "commit_synced"
    assert collect(store, dry_run=False) == listed
    assert not any(o.path.exists() for o in listed)
    assert find_orphans(store) == []
    assert verify_store(store, deep=True).ok


def test_a_living_attempt_is_left_alone(store: Store) -> None:
    with attempt_folder(store.root, 0, 1) as folder:
        (folder / "shard.tar").write_bytes(b"half")
        moved = store.root / "shards" / "000" / f"{folder.name}.tar"
        moved.write_bytes(b"moved and not yet linked")
        assert collect(store, dry_run=False) == []
        assert folder.exists()
    assert [o.path for o in find_orphans(store)] == [moved]


def test_with_a_damaged_commit_nothing_is_called_an_orphan(store: Store) -> None:
    flip_bit(store.root / "commits" / "000001.json", 30)
    with pytest.raises(CorruptStore):
        collect(store, dry_run=False)
    assert len(list((store.root / "shards").rglob("*.tar"))) == 4


def test_a_damaged_shard_is_forgotten_and_made_again(store: Store) -> None:
    before = store.committed(1)
    flip_bit(store.root / before.tar.name, 700)
    flip_bit(store.root / "commits" / "000001.json", 30)
    assert not verify_store(store).ok
    forget_shard(store, 1)
    assert store.pending() == [1]
    collect(store, dry_run=False)
    assert not (store.root / before.tar.name).exists()
    fill(store)
    assert store.committed(1).content == before.content
    assert verify_store(store, deep=True).ok
    with pytest.raises(StoreError, match="shard 8 has no commit to forget"):
        forget_shard(store, 8)
