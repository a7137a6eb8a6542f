from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from storage.errors import CorruptStore, SchemaError, StoreError
from storage.generation import publish
from storage.reject import Reason
from storage.store import Rejected, Sample, Store
from tests.storage.toy_store import (
    CONFIG,
    SNAPSHOT,
    fill,
    flip_bit,
    toy_create,
    toy_fields,
    toy_meta,
    toy_outcome,
    toy_outcomes,
    toy_plan,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return toy_create(tmp_path / "store")


def test_planned_is_committed_plus_rejected_plus_pending_at_every_step(store: Store) -> None:
    for shard in store.pending():
        before = store.counts()
        store.write_shard(shard, toy_outcomes(store, shard))
        after = store.counts()
        assert after.planned == after.committed + after.rejected + after.pending == len(store.plan)
        assert after.shards_done == before.shards_done + 1
        assert before.pending - after.pending == len(store.plan.shards[shard])
    assert after.pending == 0
    assert after.reasons == {"gap": 3}
    assert (after.committed, after.rejected) == (11, 3)


def test_the_order_of_shards_and_outcomes_changes_no_byte(tmp_path: Path) -> None:
    hashes = set()
    for salt in range(3):
        rng = random.Random(salt)
        store = toy_create(tmp_path / str(salt))
        shards = store.pending()
        rng.shuffle(shards)
        for shard in shards:
            outcomes = toy_outcomes(store, shard)
            rng.shuffle(outcomes)
            store.write_shard(shard, iter(outcomes))
        publish(store)
        files = [
            store.root / "store.json",
            *(store.root / "plan").iterdir(),
            *(store.root / "manifests").iterdir(),
        ]
        files += [store.root / "LATEST"]
        tars = [(c.tar.sha256, c.index.sha256) for c in store.commits().values()]
        hashes.add((tuple(tars), tuple(f.read_bytes() for f in files)))
    assert len(hashes) == 1


def test_a_sample_is_read_back_with_its_plan_row(store: Store) -> None:
    fill(store)
    got = store.read("00000003")
    want = toy_fields("00000003")
    assert set(got) == {*want, "meta"}
    np.testing.assert_array_equal(got["normal_back"], want["normal_back"])
    assert got["meta"]["plan"] == vars(store.plan.row("00000003"))
    assert got["meta"]["quality"]["gap"] == toy_meta("00000003")["quality"]["gap"]
    assert set(store.read("00000003", ["mask"])) == {"mask"}
    assert store.shard_of("00000003") == 0
    with pytest.raises(SchemaError, match="no field 'sdf'"):
        store.read("00000003", ["sdf"])


def test_why_tells_all_three_states(store: Store) -> None:
    assert store.why("00000002")["status"] == "pending"
    fill(store)
    told = store.why("00000002")
    assert (told["status"], told["reason"], told["stage"]) == ("rejected", "gap", "check")
    assert told["quality"]["gap"] == pytest.approx(3.1)
    assert store.why("00000003")["status"] == "committed"
    with pytest.raises(StoreError, match=r"rejected by stage 'check': gap \(gap 3.1 px, at most 2 allowed\)"):
        store.read("00000002")


def _replaced(store: Store, outcome: Sample | Rejected) -> list[Sample | Rejected]:
    return [outcome if o.key == outcome.key else o for o in toy_outcomes(store, 0)]


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        (lambda s: toy_outcomes(s, 0)[:-1], r"shard 0: 1 of 4 samples have no outcome, first 00000003"),
        (lambda s: [], r"shard 0: 4 of 4 samples have no outcome"),
        (lambda s: toy_outcomes(s, 0) + toy_outcomes(s, 0)[:1], r"sample 00000000 came twice"),
        (lambda s: toy_outcomes(s, 1), r"sample 00000004 is not planned there"),
        (lambda s: _replaced(s, Sample("00000001", {}, {})), r"sample 00000001 lacks the field"),
        (
            lambda s: _replaced(s, Rejected("00000001", Reason.GAP, "check", "", {"x": 1.0})),
            "quality number 'x'",
        ),
    ],
)
def test_wrong_outcomes_commit_nothing(store: Store, outcomes, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        store.write_shard(0, outcomes(store))
    assert store.pending() == list(store.plan.shards)
    assert not list((store.root / "tmp").iterdir())


def test_a_reason_outside_the_closed_list_is_a_bug(store: Store) -> None:
    with pytest.raises(ValueError, match="is not a valid Reason"):
        store.write_shard(0, _replaced(store, Rejected("00000001", "bored", "check", "")))


@pytest.mark.parametrize("error", [OSError(5, "photo unreadable"), ZeroDivisionError("no")])
def test_an_exception_of_the_maker_passes_unchanged_and_commits_nothing(
    store: Store, error: Exception
) -> None:
    def outcomes() -> Iterator[Sample | Rejected]:
        yield toy_outcome("00000000")
        raise error

    with pytest.raises(type(error)) as caught:
        store.write_shard(0, outcomes())
    assert caught.value is error
    assert 0 in store.pending()
    assert not list((store.root / "tmp").iterdir())


def test_the_same_settings_resume_and_others_are_explained(store: Store) -> None:
    store.write_shard(0, toy_outcomes(store, 0))
    assert toy_create(store.root).pending() == store.pending()
    with pytest.raises(StoreError, match=r"stages.warp: 2 -> 3.*old settings.*new folder.*--allow-mixed"):
        toy_create(store.root, config={**CONFIG, "stages": {"render": 1, "warp": 3}})
    with pytest.raises(StoreError, match=r"begun with plan .* --pairs and --seed"):
        toy_create(store.root, toy_plan(seed=8))
    with pytest.raises(StoreError, match="another field table, quality list or sizes"):
        Store.create(store.root, toy_plan(), CONFIG, SNAPSHOT, quality=["gap"])
    mixed = toy_create(store.root, config={**CONFIG, "code": "2"}, allow_mixed=True)
    mixed.write_shard(1, toy_outcomes(mixed, 1))
    assert mixed.committed(1).fingerprint != mixed.committed(0).fingerprint


def test_folders_that_are_no_store_are_refused(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"holds 'letters.txt', which is not part of a store"):
        toy_create(tmp_path)
    with pytest.raises(StoreError, match="is not a store"):
        Store.open(tmp_path)
    with pytest.raises(StoreError, match=r"letters\.txt is a file; give the folder of a store"):
        Store.open(tmp_path / "letters.txt")
    with pytest.raises(StoreError, match=r"^s3://bucket/x is a URL, .*`facepairs pull s3://bucket/x FOLDER`"):
        Store.open(Path("s3://bucket/x"))
    assert [p.name for p in tmp_path.iterdir()] == ["letters.txt"]


def test_a_commit_of_another_store_is_not_counted(store: Store, tmp_path: Path) -> None:
    other = toy_create(tmp_path / "other", toy_plan(seed=8))
    fill(other, [0])
    (store.root / "commits" / "000000.json").write_bytes(
        (other.root / "commits" / "000000.json").read_bytes()
    )
    with pytest.raises(CorruptStore, match="comes from another store"):
        store.counts()


def test_a_damaged_field_is_not_returned(store: Store) -> None:
    fill(store)
    commit = store.committed(0)
    member = store.index_rows(0)[1].members["sdf_value"]
    flip_bit(store.root / commit.tar.name, member.offset + member.length - 1)
    store.read("00000001", ["image"])
    with pytest.raises(CorruptStore, match="shard 0, sample 00000001, field 'sdf_value'"):
        store.read("00000001", ["image", "sdf_value"])


def test_the_snapshot_is_kept(store: Store) -> None:
    assert store.snapshot("head.npz") == SNAPSHOT["head.npz"]
    with pytest.raises(StoreError, match=r"no snapshot 'uv.npz'; it has head.npz"):
        store.snapshot("uv.npz")


def test_an_unknown_shard_is_answered_with_the_range(store: Store) -> None:
    with pytest.raises(StoreError, match=r"no shard 9; its shards are 0\.\.3"):
        store.write_shard(9, [])


def test_every_committed_shard_is_listed_for_sequential_readers(store: Store) -> None:
    fill(store, [2, 0])
    assert [p.name[:6] for p in store.tar_paths()] == ["000000", "000002"]


@pytest.mark.parametrize("call", ["mkdir", "replace", "link", "fsync"])
def test_a_full_disk_while_the_store_is_made_is_one_sentence(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "the disk")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(
            StoreError, match="No space left on device while making the store; remove the cause"
        ):
            toy_create(tmp_path / "made")
    assert toy_create(tmp_path / "made").pending() == [0, 1, 2, 3]
