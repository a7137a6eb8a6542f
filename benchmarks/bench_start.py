"""From the command to the first shard: with everything warmed, and with kernels that were never compiled.

Photographs are annotated beforehand. Wall time wants a machine that does nothing else; the notes have CPU seconds of
each process, which tell more on a busy one.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench_chain import verb
from benchmarks.harness import Row, row, save
from flows.pace import find_log, read_log

PAIRS, REPEAT = 8, 3
BUDGET = 10.0  # seconds, with everything warmed


def started(out: Path) -> dict[str, Any]:
    """One run: seconds to the first shard, and CPU seconds of each process by then."""
    verb("synthesize", "--pairs", str(PAIRS), "--workers", "1", "--out", str(out), "--no-report")
    ready = json.loads(
        next(line for line in find_log(out).read_text().splitlines() if '"event": "ready"' in line)
    )
    return {
        "ready": read_log(find_log(out)).ready,
        "cpu": {k: u["cpu"] for k, u in ready["processes"].items()},
    }


def main() -> list[Row]:
    """Rows of both starts."""
    with tempfile.TemporaryDirectory() as folder:
        started(Path(folder) / "first")
        warm = [started(Path(folder) / f"warm{k}") for k in range(REPEAT)]
        os.environ["NUMBA_CACHE_DIR"] = str(Path(folder) / "kernels")
        cold = started(Path(folder) / "cold")
    rows = []
    for name, runs in (("everything warmed", warm), ("no kernel compiled", [cold])):
        spent = ", ".join(
            f"{process} {median(run['cpu'][process] for run in runs):.1f}" for process in runs[0]["cpu"]
        )
        budget = BUDGET if runs is warm else None
        rows.append(
            row(f"start, {name}", median(run["ready"] for run in runs), budget, "s", peer_name="budget",
                note=f"CPU seconds: {spent}")
        )  # fmt: skip
    return rows


if __name__ == "__main__":
    save("start", main(), packages=["numba", "torch", "prefect"])
