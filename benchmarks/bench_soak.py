"""The real chain under fire: pairs a second, time to recover and work done twice, with a kill every minute.

``python -m benchmarks.bench_soak --minutes 60`` kills a worker, the flow and its run server in turn; the flow is typed
again, the others are replaced by it. Rates count accepted pairs on disk.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.harness import Row, row, save
from benchmarks.kills import VICTIMS, Killer, Told, turns
from flows.keeper import keeping

PAIRS = 100_000  # more than an hour makes
SHARD = 16  # pairs: a kill costs half a shard on average


def real(folder: Path, workers: int) -> list[str]:
    """The command that makes pairs from what ships."""
    return [
        sys.executable, "-m", "flows.cli", "synthesize", "--pairs", str(PAIRS), "--shard-size", str(SHARD),
        "--batch", "8", "--workers", str(workers), "--out", str(folder / "store"), "--no-report", "--json",
    ]  # fmt: skip


def soak(
    command: Sequence[str], environment: dict[str, str], root: Path, minutes: float, every: float
) -> Told:
    """So many minutes from the first shard on, with a kill every so many seconds."""
    with keeping(root.with_name("server"), timeout=600) as kept:
        return Killer(command, environment, root, kept.url).run(turns(every), limit=60 * minutes)


def rows_of(told: Told, every: float, workers: int) -> list[Row]:
    """The table of a soak."""
    number = len(told.kills)
    spent = told.useful + told.vain
    rate = told.accepted / told.seconds
    calm = told.accepted / max(told.useful, 1e-9) * workers
    rows = [
        row("pairs under fire", rate, calm, "pairs/s", higher_is_better=True, peer_name="while shards were in work",
            note=f"{told.seconds / 60:.1f} minutes, {number} kills, one every {every:.0f} s, {workers} workers, "
            f"{told.accepted} pairs"),
        row("work done twice", 100 * told.vain / max(spent, 1e-9), unit="%", note="seconds of attempts in vain"),
        row("work done twice, per kill", told.vain / max(number, 1), unit="s", note=f"shards of {SHARD} pairs"),
        row("rows lost", told.lost, unit="rows", note=f"of {told.rows} made, after {told.commands} commands"),
        row("rows twice", told.duplicated, unit="rows"),
        row("problems that verify --deep found", told.problems, unit="problems"),
    ]  # fmt: skip
    for victim in VICTIMS:
        took = [kill.recovery for kill in told.kills if kill.victim == victim and kill.recovery is not None]
        if took:
            name = f"{victim} killed, until a shard was begun"
            rows.append(
                row(name, median(took), unit="s", note=f"median of {len(took)}, largest {max(took):.0f} s")
            )
    return rows


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Measure, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between kills")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = soak(
            real(folder, asked.workers), dict(os.environ), folder / "store", asked.minutes, asked.every
        )
    return rows_of(told, asked.every, asked.workers)


if __name__ == "__main__":
    save("soak", main(), packages=["numba", "prefect", "torch"])
