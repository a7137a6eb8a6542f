"""100 thousand and 10 million pairs on 1 to 64 workers, in simulated time.

Real: the code that submits shards in windows and takes their results (:func:`flows.task_runs.submit`), the number and
size of shards, the number of task runs a shard. Measured elsewhere: CPU of each stage for a pair
(``benchmarks/stage_times.json``, by ``facepairs profile``), how much shards of one store differ (below), the parent's
CPU for a shard (``results/parent.json``). Modelled: workers as places that are busy for the time of a shard, the
parent as one place that every shard passes twice, before and after its worker; time itself. Not in it: network, disk,
heat, workers that die. The server is no part of the path: it records, and nobody waits for it before the end.

Overhead is what workers wait for the parent while shards are left to give out, as a share of their busy time. What they
idle in the last wave, when shards run out, is told apart: smaller shards make it smaller.

Run: ``python -m benchmarks.run scale``
"""

from __future__ import annotations

import heapq
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from benchmarks import harness

HERE = Path(__file__).parent
SHARD = 250
PAIRS = (100_000, 10_000_000)
WORKERS = (1, 2, 4, 8, 16, 32, 64)
# Relative standard deviation of a shard's wall seconds a row, over the 46 shards of the hour's run
# (docs/performance.md), by ``bench_costs``.
SPREAD = 0.04


@dataclass
class Cluster:
    """Workers and a parent in simulated time; ``submit`` and futures look like Prefect's to the real window code."""

    workers: int
    seconds: Callable[[int], float]  # of a shard in its worker
    parent: float  # CPU seconds of the parent for a shard
    now: float = 0.0
    busy: float = 0.0  # worker seconds
    waited: float = 0.0  # worker seconds idle while shards were left to start
    parent_free: float = 0.0
    most: int = 0  # futures that were alive at once
    alive: int = 0
    events: list[tuple[float, int, Any]] = field(default_factory=list)
    queue: deque[Any] = field(default_factory=deque)
    free: list[float] = field(default_factory=list)  # since when each idle worker has nothing to do
    ended: float = 0.0
    idle_end: float = 0.0

    def __post_init__(self) -> None:
        self.free = [0.0] * self.workers

    def submit(self, run: Any, shard: int) -> Future:
        """A shard that waits for a worker."""
        future = Future(self, shard)
        self.alive += 1
        self.most = max(self.most, self.alive)
        self.queue.append(future)
        self._start()
        return future

    def _start(self) -> None:
        """Give waiting shards to idle workers; each passes the parent first."""
        while self.queue and self.free:
            future, idle_since = self.queue.popleft(), heapq.heappop(self.free)
            begins = max(self.now, self.parent_free) + self.parent / 2
            self.parent_free = begins
            self.waited += begins - max(idle_since, 0.0)
            lasts = self.seconds(future.shard)
            self.busy += lasts
            heapq.heappush(self.events, (begins + lasts, future.shard, future))

    def advance(self) -> None:
        """To the next shard that is made."""
        self.now, _, future = heapq.heappop(self.events)
        self.ended = self.now
        heapq.heappush(self.free, self.now)
        # The parent follows its last stage and counts it; the worker does not wait for that.
        self.parent_free = max(self.now, self.parent_free) + self.parent / 2
        future.done = True
        self._start()


@dataclass
class Future:
    """What the window code waits for."""

    cluster: Cluster
    shard: int
    done: bool = False
    state: ClassVar[Any] = SimpleNamespace(is_cancelled=lambda: False)

    def wait(self) -> None:
        """Let simulated time pass until the shard is made."""
        while not self.done:
            self.cluster.advance()

    def result(self) -> int:
        """The shard; the future is then let go."""
        self.cluster.alive -= 1
        return self.shard


@dataclass(frozen=True)
class Outcome:
    """One simulated run."""

    hours: float
    overhead: float  # share of workers' busy time
    last_wave: float  # share
    speedup: float
    futures: int
    records: float  # task runs a second that the server is asked to record


def simulate(pairs: int, workers: int, pair_seconds: float, parent: float, runs_a_shard: int) -> Outcome:
    """Make ``pairs`` in simulated time.

    Args:
        pairs: planned.
        workers: at work.
        pair_seconds: CPU seconds of a pair in a worker.
        parent: CPU seconds of the parent for a shard.
        runs_a_shard: task runs that are recorded for a shard.
    """
    from flows.task_runs import submit

    shards = -(-pairs // SHARD)
    noise = np.random.default_rng(0).gamma(1 / SPREAD**2, SPREAD**2, shards)  # mean 1, never negative
    cluster = Cluster(workers, lambda shard: float(SHARD * pair_seconds * noise[shard]), parent)
    run = SimpleNamespace(
        config=SimpleNamespace(workers=workers), stopping=SimpleNamespace(is_set=lambda: False), pool=None
    )
    made = sum(1 for _ in submit(run, _calls(cluster, run, shards)))
    assert made == shards
    idle_end = sum(cluster.ended - since for since in cluster.free)
    return Outcome(
        cluster.ended / 3600, cluster.waited / cluster.busy, idle_end / (cluster.ended * workers),
        cluster.busy / cluster.ended, cluster.most, shards * runs_a_shard / cluster.ended,
    )  # fmt: skip


def _calls(cluster: Cluster, run: Any, shards: int) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    return ((cluster, (run, shard)) for shard in range(shards))


def measured() -> tuple[float, int, float]:
    """CPU seconds of a pair, task runs of a shard, and CPU seconds of the parent for a shard, from result files."""
    stages = json.loads((HERE / "stage_times.json").read_text())["stages"]
    pair = sum(stage["cpu_ms"] for stage in stages) / 1000
    (parent,) = json.loads((harness.RESULTS / "parent.json").read_text())["rows"]
    return pair, 1 + len(stages), parent["ours"] / 1000


def main() -> None:
    """Simulate and save."""
    pair, runs, parent = measured()
    told = [
        harness.row("CPU of a pair", 1000 * pair, note="benchmarks/stage_times.json"),
        harness.row("parent's CPU for a shard", 1000 * parent, note="results/parent.json"),
        harness.row("task runs for a shard", runs, unit="task runs"),
    ]
    for pairs in PAIRS:
        for workers in WORKERS:
            found = simulate(pairs, workers, pair, parent, runs)
            where = f"{pairs:,} pairs, {workers} workers"
            told += [
                harness.row(f"{where}: time", found.hours, unit="h"),
                harness.row(f"{where}: overhead", 100 * found.overhead, unit="%"),
                harness.row(f"{where}: idle in the last wave", 100 * found.last_wave, unit="%"),
                harness.row(f"{where}: speed-up", found.speedup, unit="×"),
                harness.row(f"{where}: futures alive at most", found.futures, unit="futures"),
                harness.row(f"{where}: to record", found.records, unit="task runs/s"),
            ]
    harness.save("scale", told)


if __name__ == "__main__":
    main()
