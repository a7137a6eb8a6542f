from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "flows"))  # toy_runs, toy_recipe
import toy_runs

from benchmarks.bench_soak import rows_of
from benchmarks.harness import document
from benchmarks.kills import (
    FLOW,
    SERVER,
    WORKER,
    Killer,
    NotSurvivedError,
    accounts,
    children,
    turns,
)  # fmt: skip
from flows.keeper import keeping
from storage.commit import commit_path
from storage.store import Store
from tests.benchmarks.test_harness import validate
from tests.storage.toy_store import fill, toy_create


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with keeping(tmp_path_factory.mktemp("server"), timeout=250) as kept:
        yield kept.url


def killer(folder: Path, url: str, pairs: int, seconds: float) -> Killer:
    command = toy_runs.command(folder, pairs=pairs, workers=1, seconds=seconds)
    return Killer(command, toy_runs.environment(), folder / "store", url)


@pytest.mark.slow
def test_a_run_whose_worker_server_and_flow_are_killed_ends_as_an_undisturbed_one(
    url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    calm = killer(tmp_path_factory.mktemp("calm"), url, 40, 0.0).run(())
    due = ((0.5, WORKER), (1.0, FLOW), (1.5, WORKER), (2.0, SERVER))
    # A shard takes a second, so the first kill falls into one.
    loud = killer(tmp_path_factory.mktemp("loud"), url, 40, 0.3).run(due)
    assert [kill.victim for kill in loud.kills] == [WORKER, FLOW, WORKER, SERVER]
    assert (loud.lost, loud.duplicated, loud.problems, loud.commands) == (0, 0, 0, 2)
    assert (loud.rows, loud.accepted) == (40, 32)
    assert loud.hash == calm.hash
    assert loud.vain > 0


@pytest.mark.slow
def test_a_soak_ends_when_its_time_is_up_and_tells_what_was_made(url: str, tmp_path: Path) -> None:
    told = killer(tmp_path, url, 4000, 0.05).run(turns(1.0, (WORKER,)), limit=3.5)
    assert told.kills
    assert 0 < told.rows < 4000
    assert (told.lost, told.duplicated, told.problems, told.hash) == (0, 0, 0, "")
    said = document("soak", rows_of(told, 1.0, 1))
    validate(said)
    (rate,) = (row for row in said["rows"] if row["name"] == "pairs under fire")
    assert 0 < rate["ours"] < rate["peer"]


def test_a_command_that_fails_by_itself_is_not_typed_again(tmp_path: Path) -> None:
    killer = Killer([sys.executable, "-c", "raise SystemExit('no disk')"], {}, tmp_path / "store")
    with pytest.raises(NotSurvivedError, match="exit code 1: no disk"):
        killer.run(())


def test_rows_that_are_nowhere_or_twice_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = toy_create(tmp_path / "store")
    fill(store)
    assert accounts(store) == (0, 0)
    commit_path(store.root, 1).unlink()
    assert accounts(store) == (0, 0), "pending is not lost"
    real = Store.index_rows
    monkeypatch.setattr(Store, "index_rows", lambda self, shard: real(self, shard)[:-1])
    assert accounts(store) == (3, 0)
    monkeypatch.setattr(Store, "index_rows", lambda self, shard: real(self, shard) + real(self, 0)[:1])
    assert accounts(store) == (0, 3)


def test_children_are_found_by_their_parent() -> None:
    import os
    import subprocess

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert "input()" in children(os.getpid())[process.pid]
        process.communicate(b"\n")
