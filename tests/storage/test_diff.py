from __future__ import annotations

from pathlib import Path

import pytest

from storage.diff import RowChange, compare, find_generation
from storage.errors import StoreError
from storage.fingerprint import fingerprint
from storage.generation import publish
from storage.reject import Reason
from storage.retry import retry_shard
from storage.store import Rejected, Sample
from tests.storage.toy_store import CONFIG, fill, toy_create, toy_fields, toy_meta


def test_two_generations_are_told_apart_to_the_row(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    fill(store, [0, 1, 2])
    one = publish(store, allow_pending=True)
    fill(store)
    fixed = {**CONFIG, "stages": {"render": 1, "warp": 3}}
    retry_shard(store, 0, [Sample("00000002", toy_fields("00000002"), toy_meta("00000002"))], fixed)
    retry_shard(store, 1, [Rejected("00000007", Reason.SEAM, "check", "worse")], fixed)
    two = publish(store, allow_mixed=True)
    found = compare(store, one, two)
    assert not found.same
    assert found.shards == (0, 1, 3)
    assert found.rows[:2] == (
        RowChange("00000002", "gap", "committed", ()),
        RowChange("00000007", "gap", "seam", ()),
    )
    assert {(r.before, r.after) for r in found.rows[2:]} == {("pending", "committed"), ("pending", "gap")}
    assert found.totals["committed"] == (9, 12)
    assert found.reasons == {"gap": (2, 1), "seam": (0, 1)}
    assert found.bytes[1] > found.bytes[0]
    assert found.settings == {fingerprint(fixed): "stages.warp: 2 -> 3"}
    back = compare(store, two, one)
    assert back.rows[0] == RowChange("00000002", "committed", "gap", ())
    assert compare(store, two, two).same


def test_generations_go_by_number_and_name(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    with pytest.raises(StoreError, match="it has none yet"):
        find_generation(store, "latest")
    fill(store)
    made = publish(store)
    for name in ("1", "gen-000001", "gen-000001.json", "latest"):
        assert find_generation(store, name) == made
    with pytest.raises(StoreError, match=r"no generation '2'; it has gen-000001.json"):
        find_generation(store, "2")
