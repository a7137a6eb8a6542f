"""What a pair costs in bytes and core time, from stores that are there and profiles of them.

Run: ``python -m benchmarks.bench_costs STORE=PROFILE [STORE=PROFILE ...]``, each a store's folder and what
``facepairs profile STORE --pairs 16 --save PROFILE`` kept; a store alone gives its bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks import harness
from storage.errors import StoreError
from storage.store import Store


def rows_of(root: Path, profile: Path | None) -> list[harness.Row]:
    """Bytes of a committed pair and, with a profile, accepted pairs a core-hour.

    Args:
        root: folder of the store; only read.
        profile: stages with ``cpu_ms`` for a pair.

    Raises:
        StoreError: no store, or nothing in it.
    """
    store = Store.open(root)
    counts, commits = store.counts(), store.commits().values()
    if not counts.committed:
        raise StoreError(f"{root} has no committed pair to measure; run the synthesis first.")
    size = f"{store.schema.sizes['R']}²"
    note = f"{counts.committed} pairs of {counts.committed + counts.rejected} made"
    data = sum(commit.tar.bytes + commit.index.bytes for commit in commits)
    out = [harness.row(f"{size}: bytes of a pair", data / counts.committed / 1000, unit="kB", note=note)]
    spent = [
        sum(commit.info["seconds"].values()) / commit.planned
        for commit in commits
        if "seconds" in commit.info
    ]
    if len(spent) > 1:
        differ = 100 * float(np.std(spent) / np.mean(spent))
        out.append(
            harness.row(f"{size}: standard deviation of a shard's seconds a row", differ, unit="%",
                        note=f"of the mean of {len(spent)} shards, wall time")
        )  # fmt: skip
    if profile is not None:
        seconds = sum(stage["cpu_ms"] for stage in json.loads(profile.read_text())["stages"]) / 1000
        accepted = counts.committed / (counts.committed + counts.rejected)
        out += [
            harness.row(f"{size}: CPU of a row", 1000 * seconds, note=profile.name),
            harness.row(
                f"{size}: accepted pairs a core-hour", 3600 / seconds * accepted, unit="pairs",
                note=f"{100 * accepted:.0f} % accepted",
            ),
        ]  # fmt: skip
    return out


def main(arguments: list[str]) -> None:
    """Measure what is named and save."""
    if not arguments:
        print(__doc__)
        return
    told = []
    for argument in arguments:
        root, _, profile = argument.partition("=")
        told += rows_of(Path(root), Path(profile) if profile else None)
    harness.save("costs", told)


if __name__ == "__main__":
    main(sys.argv[1:])
