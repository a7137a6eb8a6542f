from __future__ import annotations

from storage.crash import CRASHPOINTS, crashpoint
from tests.storage.toy_store import run


def test_it_dies_at_the_named_place_only() -> None:
    assert run(crashpoint, "tar_moved", FACEPAIRS_CRASH_AT="tar_moved") == 9
    assert run(crashpoint, "tar_moved", FACEPAIRS_CRASH_AT="index_moved") == 0
    assert run(crashpoint, "", FACEPAIRS_CRASH_AT="") == 0


def test_names_are_unique() -> None:
    assert len(set(CRASHPOINTS)) == len(CRASHPOINTS)
