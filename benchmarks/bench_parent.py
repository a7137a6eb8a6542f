"""What a shard costs the parent: task runs, events, board, log. The worker is a stub that answers at once.

The flow, the window of submissions, the task runs and the server are the real ones. Two runs of different length; the
difference is free of what a run costs once.

Run: ``python -m benchmarks.run parent``
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.replay import STAGES

SHORT, LONG, ROWS = 10, 60, 250


class Instant:
    """A runner whose jobs are done when they are asked for."""

    deaths = 0

    def run(self, job: Any, handle: Any) -> Any:
        """What :func:`flows.work.make` tells of a shard, without the work."""
        from flows.jobs import Done

        def events() -> Iterator[Any]:
            for stage in (*STAGES, "store"):
                yield {"at": "start", "stage": stage, "rows": ROWS}
                yield {"at": "end", "stage": stage, "rows": ROWS, "rejects": {}, "seconds": 1.0}
            seconds = dict.fromkeys((*STAGES, "store"), 1.0)
            stages = [{"stage": stage, "rows": ROWS, "rejects": {}} for stage in STAGES]
            yield Done({
                "shard": job.args["shard"], "state": "committed", "planned": ROWS, "committed": ROWS, "rejected": 0,
                "reasons": {}, "seconds": seconds, "stages": stages, "sha256": "",
            })  # fmt: skip

        return handle(events())


def parent(folder: Path, shards: int) -> float:
    """CPU seconds of this process for a flow of so many shards."""
    from prefect import flow
    from prefect.task_runners import ThreadPoolTaskRunner

    from flows.config import SynthesizeConfig
    from flows.logs import RunLog
    from flows.progress import Board
    from flows.task_runs import Run, make_shard, submit

    board = Board()
    run = Run(SynthesizeConfig(out=folder / "out", cache=folder), Instant(), board)
    run.stages = [*STAGES, "store"]

    @flow(name="parent", task_runner=ThreadPoolTaskRunner(max_workers=2))
    def many() -> int:
        return sum(1 for _ in submit(run, ((make_shard, (run, shard)) for shard in range(shards))))

    began = time.process_time()
    with RunLog(folder / "logs", run="parent") as board.log:
        assert many() == shards
    return time.process_time() - began


def main() -> None:
    """Measure and save."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from flows.server import api

    with tempfile.TemporaryDirectory() as name, api(Path(name) / "prefect", timeout=900):
        parent(Path(name), 2)
        short, long = parent(Path(name), SHORT), parent(Path(name), LONG)
    each = (long - short) / (LONG - SHORT)
    note = f"{len(STAGES) + 2} task runs, {2 * len(STAGES) + 2} events"
    harness.save(
        "parent", [harness.row("CPU of the parent for a shard", 1000 * each, note=note)], packages=["prefect"]
    )


if __name__ == "__main__":
    main()
