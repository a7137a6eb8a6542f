from __future__ import annotations

import errno
import itertools
import os
import resource
import time
from pathlib import Path

import pytest

from storage import commit as commit_module
from storage import tarshard
from storage.crash import COMMIT, CRASHPOINTS
from storage.errors import DeterminismAlarm, ShardAborted
from storage.gc import collect
from storage.store import Store
from storage.verify import verify_store
from tests.storage.toy_store import CONFIG, fill, run, start, synthesise, toy_create, toy_outcomes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return synthesise(tmp_path_factory.mktemp("undisturbed") / "store").hash


@pytest.mark.parametrize("point", CRASHPOINTS)
def test_after_a_crash_anywhere_the_same_command_reaches_the_same_generation(
    point: str, undisturbed: str, tmp_path: Path
) -> None:
    path = tmp_path / "store"
    assert run(synthesise, path, FACEPAIRS_CRASH_AT=point) == 9
    if (path / "store.json").exists():
        report = verify_store(path, deep=True)
        assert report.ok, report.problems
        counts = report.counts
        assert counts is not None
        assert counts.planned == counts.committed + counts.rejected + counts.pending
    assert synthesise(path).hash == undisturbed
    store = Store.open(path)
    collect(store, dry_run=False)
    assert verify_store(store, deep=True).ok
    files = [p for p in path.rglob("*") if p.is_file() and p.parent.parent.name == "shards"]
    assert len(files) == 2 * len(store.plan.shards)
    assert not list((path / "tmp").iterdir())
    assert not list(path.rglob(".*.tmp"))


def test_two_processes_fill_one_store_at_once(undisturbed: str, tmp_path: Path) -> None:
    path = tmp_path / "store"
    processes = [start(synthesise, path) for _ in range(2)]
    for process in processes:
        process.join(60)
    assert [p.exitcode for p in processes] == [0, 0]
    assert synthesise(path).hash == undisturbed
    assert verify_store(path, deep=True).ok


def test_the_second_of_two_equal_attempts_leaves_nothing(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    first = store.write_shard(0, toy_outcomes(store, 0), {"seconds": 1.0})
    second = store.write_shard(0, reversed(toy_outcomes(store, 0)), {"seconds": 2.0})
    assert (first.state, second.state) == ("committed", "duplicate")
    assert second.commit == first.commit
    assert len(list((store.root / "shards").rglob("*.tar"))) == 1


def test_different_bytes_of_one_shard_raise_the_alarm_and_both_are_kept(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    fill(store)
    with pytest.raises(DeterminismAlarm, match=r"shard 1: two attempts .* bump the version"):
        store.write_shard(1, toy_outcomes(store, 1, salt=5))
    assert len(list((store.root / "shards").rglob("000001-*.tar"))) == 2
    assert not collect(store, dry_run=False)
    assert len(list((store.root / "shards").rglob("000001-*.tar"))) == 2
    problems = verify_store(store).problems
    assert [p.shard for p in problems] == [1]
    assert problems[0].file.startswith("alarms/")


def test_with_another_fingerprint_the_late_attempt_only_loses(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    fill(store)
    other = Store.open(store.root, {**CONFIG, "code": "2"}, allow_mixed=True)
    assert other.write_shard(1, toy_outcomes(store, 1, salt=5)).state == "lost"
    assert verify_store(store, deep=True).ok


def _fill_with_small_files(path: Path, limit: int) -> None:
    store = toy_create(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with pytest.raises(ShardAborted, match=r"shard 0: .* still pending"):
        fill(store)
    os._exit(3)


# The tar of a toy shard takes about 40 kB, its index about 10 kB.
@pytest.mark.parametrize("limit", [1, 700, 20_000])
def test_a_full_disk_aborts_the_shard_and_rejects_nobody(
    limit: int, undisturbed: str, tmp_path: Path
) -> None:
    path = tmp_path / "store"
    assert run(_fill_with_small_files, path, limit) == 3
    counts = Store.open(path).counts()
    assert (counts.committed, counts.rejected, counts.pending) == (0, 0, counts.planned)
    assert not list((path / "tmp").iterdir())
    assert not list((path / "shards").rglob("*.tar"))
    assert synthesise(path).hash == undisturbed


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("where", ["link", "rename", "fsync"])
def test_any_refusal_of_the_system_leaves_the_shard_pending(
    where: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = toy_create(tmp_path / "store")

    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(code, os.strerror(code), "the disk")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse) if where == "rename" else patch.setattr(os, where, refuse)
        with pytest.raises(ShardAborted, match=rf"shard 0: {os.strerror(code)} while writing the disk"):
            store.write_shard(0, toy_outcomes(store, 0))
    assert store.pending() == list(store.plan.shards)
    assert not list((store.root / "shards").rglob("*.tar"))
    assert verify_store(store, deep=True).ok
    fill(store)
    assert verify_store(store, deep=True).ok


def test_a_failing_folder_sync_after_the_link_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage import files

    store = toy_create(tmp_path / "store")
    real = files.sync_folder

    def refuse(path: Path) -> None:
        if path.name == "commits":
            raise OSError(errno.EIO, "input/output error", str(path))
        real(path)

    monkeypatch.setattr(files, "sync_folder", refuse)
    with pytest.raises(ShardAborted):
        store.write_shard(0, toy_outcomes(store, 0))
    assert store.committed(0) is not None
    assert verify_store(store, deep=True).ok


def test_too_little_space_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = toy_create(tmp_path / "store")
    monkeypatch.setattr(commit_module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(ShardAborted, match=r"shard 0: up to .* MB needed .* free some space"):
        store.write_shard(0, _never())


@pytest.mark.parametrize("gone", ["tmp", "shards", "commits", "."])
def test_a_folder_that_vanishes_under_the_work_is_one_sentence(gone: str, tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    fill(store, [0])

    def outcomes():
        yield from toy_outcomes(store, 1)[:2]
        (store.root / gone).rename(tmp_path / "taken")
        yield from toy_outcomes(store, 1)[2:]

    if gone == "shards":  # made again; what shard 0 had in it is missing, and said
        assert store.write_shard(1, outcomes()).state == "committed"
        assert {p.shard for p in verify_store(store).problems} == {0}
        return
    with pytest.raises(
        ShardAborted, match=r"shard 1: No such file or directory while writing .* still pending"
    ):
        store.write_shard(1, outcomes())
    if gone == ".":
        (tmp_path / "taken").rename(store.root)
    elif gone == "commits":
        (tmp_path / "taken").rename(store.root / gone)
    fill(Store.open(store.root))
    report = verify_store(store.root, deep=True)
    assert report.ok, report.problems
    assert report.counts == store.counts()


def test_a_clock_that_jumps_by_hours_changes_no_byte_and_no_decision(
    undisturbed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = itertools.cycle([0.0, -7 * 3600.0, 26 * 3600.0, -1e9, 1e9])
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + next(jumps))
    path = tmp_path / "store"
    assert run(synthesise, path, FACEPAIRS_CRASH_AT="index_moved") == 9
    store = toy_create(path)
    with commit_module.attempt_folder(path, 2, 1) as living:
        for file in (*path.rglob("*"), path):
            os.utime(file, (moment := now + next(jumps), moment))
        dead = collect(store, dry_run=False)  # by its lock, not by its date
        assert living.exists()
        assert {orphan.path.name[:6] for orphan in dead} == {"000000"}
    assert synthesise(path).hash == undisturbed
    assert verify_store(path, deep=True).ok


def _never():
    pytest.fail("the outcomes were asked for")
    yield


def test_what_is_read_back_must_be_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = toy_create(tmp_path / "store")
    real = tarshard.TarWriter.add

    def damaged(self: tarshard.TarWriter, name: str, data: bytes) -> tarshard.Member:
        member = real(self, name, data)
        return tarshard.Member(member.name, member.offset, member.length, member.crc32 ^ 1)

    monkeypatch.setattr(tarshard.TarWriter, "add", damaged)
    with pytest.raises(ShardAborted, match="read back"):
        store.write_shard(0, toy_outcomes(store, 0))
    assert 0 in store.pending()


def test_times_enter_the_commit_but_not_its_content(tmp_path: Path) -> None:
    commits = []
    for name in ("a", "b"):
        store = toy_create(tmp_path / name)
        commits.append(
            store.write_shard(0, toy_outcomes(store, 0), {"seconds": {"render": len(commits)}}).commit
        )
    assert commits[0].content == commits[1].content
    assert commits[1].info == {"seconds": {"render": 1}}
    assert commits[0].attempt != commits[1].attempt
    assert commits[0].tar.sha256 == commits[1].tar.sha256


def test_every_step_of_the_commit_has_its_crash_point() -> None:
    source = "".join(p.read_text() for p in Path(commit_module.__file__).parent.glob("*.py"))
    for name in COMMIT:
        assert source.count(f'"{name}"') == 2, name  # in the list and where it happens
