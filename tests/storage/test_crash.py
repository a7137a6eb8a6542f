from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.crash import CRASHPOINTS, RETRY, crashpoint
from storage.gc import collect
from storage.generation import generations, latest, pinned_commits, publish, read_generation
from storage.retry import rejected_keys, retry_shard
from storage.store import Sample, Store
from storage.verify import verify_store
from tests.storage.dying import AFTER, BEFORE, KILLED, count_calls, die_at, refused_at
from tests.storage.toy_store import CONFIG, run, toy_create, toy_fields, toy_meta, toy_outcomes, toy_plan

PAIRS = SHARD = 3  # two heads, so two shards; one pair is rejected


def test_it_dies_at_the_named_place_only() -> None:
    assert run(crashpoint, "tar_moved", FACEPAIRS_CRASH_AT="tar_moved") == 9
    assert run(crashpoint, "tar_moved", FACEPAIRS_CRASH_AT="index_moved") == 0
    assert run(crashpoint, "", FACEPAIRS_CRASH_AT="") == 0


def test_names_are_unique() -> None:
    assert len({*CRASHPOINTS, *RETRY}) == len(CRASHPOINTS) + len(RETRY)


def make(path: Path, told: Path) -> None:
    """What a user's command does; each thing that was reported done is noted in ``told``, outside the store."""
    store = toy_create(path, toy_plan(PAIRS, shard_size=SHARD))
    for shard in store.pending():
        store.write_shard(shard, toy_outcomes(store, shard))
        _note(told, str(shard))
    publish(store)
    _note(told, "published")


def mend(path: Path, told: Path) -> None:
    """A retry of every rejected sample, published, and the leftovers collected."""
    store = Store.open(path)
    for shard, keys in rejected_keys(store, ["gap"]).items():
        retry_shard(store, shard, [Sample(k, toy_fields(k, 5), toy_meta(k, 5)) for k in keys], CONFIG)
        _note(told, f"retried {shard}")
    publish(store)
    _note(told, "published again")
    collect(store, dry_run=False)


def _note(told: Path, what: str) -> None:
    fd = os.open(told, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    os.write(fd, f"{what}\n".encode())
    os.close(fd)


def _said(told: Path) -> list[str]:
    return told.read_text().splitlines() if told.exists() else []


def check_kept(path: Path, said: list[str]) -> None:
    """What was reported done is there, and whatever is there is whole."""
    if not (path / "store.json").exists():
        assert not said, f"reported {said}, and there is no store"
        return
    report = verify_store(path, deep=True)
    assert report.ok, [str(problem) for problem in report.problems]
    counts = report.counts
    assert counts is not None
    assert counts.planned == counts.committed + counts.rejected + counts.pending
    store = Store.open(path)
    done = set(store.commits())
    assert {int(one) for one in said if one.isdigit()} <= done
    assert {int(one.split()[1]) for one in said if one.startswith("retried")} <= {
        shard for shard, commit in store.commits().items() if commit.retried
    }
    for name in generations(path):
        assert pinned_commits(store, read_generation(path, name)), "every generation stays readable"
    published = latest(path)
    assert "published" not in said or published is not None
    assert "published again" not in said or (published is not None and published.number == 2)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Hashes of both generations of a store that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    make(folder / "store", folder / "told")
    first = latest(folder / "store")
    mend(folder / "store", folder / "told")
    second = latest(folder / "store")
    assert first is not None
    assert second is not None
    return first.hash, second.hash


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that a retry begins with."""
    folder = tmp_path_factory.mktemp("published")
    make(folder / "store", folder / "told")
    return folder / "store"


def _place(call: Callable[..., Any], folder: Path, published: Path) -> tuple[Path, Path]:
    """A store that the call has not met yet, and the file beside it for what the call reports."""
    folder.mkdir()
    if call is mend:
        shutil.copytree(published, folder / "store")
    return folder / "store", folder / "told"


def _calls(call: Callable[..., Any], folder: Path, published: Path) -> list[str]:
    args = _place(call, folder / "counted", published)
    assert run(count_calls, call, args, folder / "calls") == 0
    return (folder / "calls").read_text().split()


@pytest.mark.parametrize("power_cut", [False, True], ids=["killed", "power-cut"])
@pytest.mark.parametrize("call", [make, mend])
def test_dead_before_or_after_any_call_that_changes_the_disk_nothing_is_lost(
    call: Callable[..., Any], power_cut: bool, undisturbed: tuple[str, str], published: Path, tmp_path: Path
) -> None:
    calls = _calls(call, tmp_path, published)
    assert set(calls) >= {"fsync", "rename", "replace", "link", "unlink", "mkdir"}
    # Dead after one call and dead before the next is one state of the disk.
    for number, when in [(0, BEFORE), *((n, AFTER) for n in range(len(calls)))]:
        path, told = _place(call, tmp_path / f"{when}{number}", published)
        where = f"{when} call {number}, {calls[number]}"
        assert run(die_at, call, (path, told), number, when, power_cut) == KILLED, where
        _goes_on(call, path, told, undisturbed, where)


@pytest.mark.parametrize("call", [make, mend])
def test_a_disk_that_is_full_from_any_call_on_loses_nothing(
    call: Callable[..., Any], undisturbed: tuple[str, str], published: Path, tmp_path: Path
) -> None:
    for number, name in enumerate(_calls(call, tmp_path, published)):
        path, told = _place(call, tmp_path / str(number), published)
        assert run(refused_at, call, (path, told), number, errno.ENOSPC) in (0, 1)
        _goes_on(call, path, told, undisturbed, f"refused from call {number}, {name}, on")


def _goes_on(
    call: Callable[..., Any], path: Path, told: Path, undisturbed: tuple[str, str], where: str
) -> None:
    """What was reported is there, and the same call again ends as if nothing had happened."""
    try:
        check_kept(path, _said(told))
        call(path, told)
        collect(store := Store.open(path), dry_run=False)
        assert verify_store(store, deep=True).ok
        assert not [*path.rglob(".*.tmp"), *(path / "tmp").iterdir()]
    except Exception as error:
        error.add_note(where)
        raise
    found = latest(path)
    assert found is not None
    assert found.hash == undisturbed[call is mend], where
