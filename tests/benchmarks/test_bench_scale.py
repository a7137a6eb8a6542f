from __future__ import annotations

import pytest

from benchmarks.bench_scale import SHARD, simulate
from flows.task_runs import WINDOW


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_a_parent_that_costs_nothing_leaves_no_overhead(workers: int) -> None:
    found = simulate(40 * SHARD, workers, pair_seconds=0.2, parent=0.0, runs_a_shard=12)
    assert found.overhead == 0
    assert found.futures <= WINDOW * workers, "the real window holds"
    assert workers * 0.5 < found.speedup <= workers + 1e-9
    assert (1 - found.last_wave) * workers == pytest.approx(found.speedup)


def test_a_parent_that_is_slower_than_its_workers_is_told() -> None:
    found = simulate(400 * SHARD, 16, pair_seconds=0.01, parent=1.0, runs_a_shard=12)
    assert found.overhead > 1
    assert found.hours == pytest.approx(400 / 3600, rel=0.02), "one shard a second, however many workers"


def test_overhead_is_that_of_the_parent_for_one_worker() -> None:
    found = simulate(100 * SHARD, 1, pair_seconds=0.1, parent=0.5, runs_a_shard=12)
    assert found.overhead == pytest.approx(0.5 / (SHARD * 0.1), rel=0.1)
