from __future__ import annotations

from pathlib import Path

import pytest

from storage.crash import CRASHPOINTS, RETRY, crashpoint
from tests.storage.sweeps import Call, Sweep, make, mend, random_kills
from tests.storage.toy_store import run


@pytest.fixture(scope="module", params=[make, mend])
def sweep(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    call: Call = request.param
    return Sweep(call, tmp_path_factory.mktemp(call.__name__))


def test_it_dies_at_the_named_place_only() -> None:
    assert run(crashpoint, "tar_moved", FACEPAIRS_CRASH_AT="tar_moved") == 9
    assert run(crashpoint, "tar_moved", FACEPAIRS_CRASH_AT="index_moved") == 0
    assert run(crashpoint, "", FACEPAIRS_CRASH_AT="") == 0


def test_names_are_unique() -> None:
    assert len({*CRASHPOINTS, *RETRY}) == len(CRASHPOINTS) + len(RETRY)


@pytest.mark.slow
@pytest.mark.parametrize("power_cut", [False, True], ids=["killed", "power-cut"])
def test_dead_before_or_after_any_call_that_changes_the_disk_nothing_is_lost(
    sweep: Sweep, power_cut: bool
) -> None:
    assert set(sweep.calls) >= {"fsync", "rename", "replace", "link", "unlink", "mkdir"}
    cases = list(sweep.killed(power_cut))
    assert len(cases) == len(sweep.calls) + 1
    assert [case for case in cases if case.error] == []


def test_a_disk_that_is_full_from_any_call_on_loses_nothing(sweep: Sweep) -> None:
    cases = list(sweep.full())
    assert len(cases) == len(sweep.calls)
    assert [case for case in cases if case.error] == []


def test_writers_killed_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    assert [case for case in random_kills(tmp_path, 6) if case.error] == []
