from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from storage.errors import CorruptStore, StoreError
from storage.generation import latest, publish, read_generation
from storage.reject import Reason
from storage.store import Rejected, Store
from tests.storage.toy_store import CONFIG, fill, flip_bit, toy_create, toy_outcomes


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return toy_create(tmp_path / "store")


def test_a_generation_pins_every_commit_and_the_totals(store: Store) -> None:
    fill(store)
    assert latest(store.root) is None
    made = publish(store)
    assert made == latest(store.root) == read_generation(store.root, "gen-000001.json")
    assert made.totals == {
        "planned": 14, "committed": 11, "rejected": 3, "pending": 0, "shards": 4, "shards_done": 4,
    }  # fmt: skip
    assert made.commits == {f"{s:06d}": c.content for s, c in store.commits().items()}
    assert made.plan == store.plan.hash


def test_publishing_again_without_anything_new_changes_nothing(store: Store) -> None:
    fill(store)
    made = publish(store)
    before = {p: p.read_bytes() for p in store.root.rglob("*") if p.is_file()}
    assert publish(store) == made
    assert {p: p.read_bytes() for p in store.root.rglob("*") if p.is_file()} == before


def test_a_partial_generation_is_asked_for_and_the_next_one_follows(store: Store) -> None:
    with pytest.raises(StoreError, match="no committed shard"):
        publish(store, allow_pending=True)
    fill(store, [1])
    with pytest.raises(StoreError, match=r"10 of 14 samples are pending.*allow_pending=True"):
        publish(store)
    assert latest(store.root) is None
    first = publish(store, allow_pending=True)
    fill(store)
    second = publish(store)
    assert (first.number, second.number) == (1, 2)
    assert read_generation(store.root, first.name) == first
    assert first.hash != second.hash


def test_mixed_settings_are_refused_unless_asked_for(store: Store) -> None:
    fill(store, [0])
    fill(Store.open(store.root, {**CONFIG, "code": "2"}, allow_mixed=True))
    with pytest.raises(StoreError, match=r"2 fingerprints .*--allow-mixed"):
        publish(store)
    assert len(publish(store, allow_mixed=True).fingerprints) == 2


def test_budgets_name_what_went_wrong(store: Store) -> None:
    for shard, rows in store.plan.shards.items():
        reason = Reason.ERROR if shard == 1 else Reason.SEAM
        outcomes = toy_outcomes(store, shard)
        if shard in (1, 2):
            outcomes = [Rejected(row.key, reason, "blend", "no") for row in rows]
        store.write_shard(shard, outcomes)
    with pytest.raises(
        StoreError, match=r"were rejected \(\d+%, at most 20% allowed; .*seam.*--reject-budget"
    ):
        publish(store, reject_budget=0.2)
    with pytest.raises(StoreError, match=r"lost to errors .*facepairs retry .* --reason error"):
        publish(store)
    assert latest(store.root) is None
    assert publish(store, error_budget=1.0).reasons["error"] == len(store.plan.shards[1])


def test_an_index_that_contradicts_its_commit_is_not_published(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    real = Store.index_rows
    monkeypatch.setattr(
        Store, "index_rows", lambda self, shard: real(self, shard)[: 3 if shard == 1 else None]
    )
    with pytest.raises(CorruptStore, match="shard 1: its index counts"):
        publish(store)
    assert latest(store.root) is None


@pytest.mark.parametrize("name", ["LATEST", "manifests/gen-000001.json"])
def test_a_damaged_generation_is_not_read(store: Store, name: str) -> None:
    fill(store)
    publish(store)
    flip_bit(store.root / name, 60, 3)
    with pytest.raises(CorruptStore):
        latest(store.root)


def test_an_unknown_generation_is_said(store: Store) -> None:
    with pytest.raises(StoreError, match=r"no generation 'gen-000009\.json'"):
        read_generation(store.root, "gen-000009.json")


def test_a_full_disk_is_one_sentence_and_nothing_is_published(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "the disk")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(StoreError, match="No space left on device while publishing; every shard is kept"):
            publish(store)
    assert latest(store.root) is None
    assert publish(store).number == 1
