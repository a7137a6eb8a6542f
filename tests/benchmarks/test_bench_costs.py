from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bench_costs import rows_of
from storage.errors import StoreError
from storage.store import Store
from tests.storage.toy_store import synthesise, toy_create, toy_outcomes


def test_bytes_and_pairs_follow_from_commits_and_profile(tmp_path: Path) -> None:
    synthesise(tmp_path / "store")
    (tmp_path / "profile.json").write_text(
        json.dumps({"stages": [{"stage": "a", "cpu_ms": 300}, {"stage": "b", "cpu_ms": 60}]})
    )
    size, row, hour = rows_of(tmp_path / "store", tmp_path / "profile.json")
    store = Store.open(tmp_path / "store")
    on_disk = sum(path.stat().st_size for path in (store.root / "shards").rglob("*.*"))
    assert size.ours == pytest.approx(on_disk / store.counts().committed / 1000)
    assert row.ours == pytest.approx(360)
    assert hour.ours == pytest.approx(3600 / 0.36 * store.counts().committed / 14)


def test_shards_that_differ_are_told(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    for shard, rows in store.plan.shards.items():
        outcomes = toy_outcomes(store, shard)
        store.write_shard(shard, outcomes, {"seconds": {"a": len(rows) * (1 + 2 * (shard % 2))}})
    spent = [1 + 2 * (shard % 2) for shard in store.plan.shards]
    differ = rows_of(tmp_path / "store", None)[1]
    assert (differ.ours, differ.unit) == (pytest.approx(100 * np.std(spent) / np.mean(spent)), "%")


def test_an_empty_store_has_no_pair_to_measure(tmp_path: Path) -> None:
    toy_create(tmp_path / "store")
    with pytest.raises(StoreError, match="no committed pair to measure"):
        rows_of(tmp_path / "store", None)
