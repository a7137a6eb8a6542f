"""One worker against two, with either runner: what orchestration costs when stages take their time.

The flow, the server, the runners and the store are the real ones; the stages sleep (:mod:`benchmarks.replay`), so that
two workers do not compete for this machine's memory bandwidth and for whatever else runs on it. A shard sleeps eight
seconds; a real one of 250 pairs computes a minute, and its orchestration costs the same.

Run: ``python -m benchmarks.run workers``, or ``python -m benchmarks.bench_workers dask`` for one runner.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks import harness
from benchmarks.bench_big_store import photographs

SHARDS, ROWS, SECONDS = 12, 40, 8.0


def seconds(folder: Path, runner: str, workers: int) -> float:
    """From the start of the first shard to the last commit."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from flows.config import SynthesizeConfig
    from flows.synthesize import run_synthesis

    config = SynthesizeConfig(
        out=folder / f"{runner}-{workers}", photos=folder / "photos", pairs=SHARDS * ROWS, shard_size=ROWS,
        workers=workers, runner=runner, cache=folder / "cache", recipe="benchmarks.replay:Replay", report=False,
        batch=ROWS, limits={"seconds": SECONDS / ROWS},
    )  # fmt: skip
    return float(run_synthesis(config)["seconds"])


def main(runners: list[str]) -> None:
    """Measure and save; the ratio of a row is its speed-up."""
    from flows.server import api

    with tempfile.TemporaryDirectory() as name, api(Path(name) / "prefect", timeout=900):
        folder = Path(name)
        photographs(folder / "photos", 16)
        for runner in runners or ["processes", "dask"]:
            one, two = (seconds(folder, runner, workers) for workers in (1, 2))
            rates = (SHARDS * ROWS / two, SHARDS * ROWS / one)
            note = f"{SHARDS} shards that sleep {SECONDS:g} s each"
            told = harness.row(
                f"{runner}, 2 workers",
                *rates,
                unit="rows/s",
                higher_is_better=True,
                peer_name="1 worker",
                note=note,
            )
            harness.save(f"workers_{runner}", [told], packages=["prefect", "distributed"])


if __name__ == "__main__":
    main(sys.argv[1:])
