"""The whole chain: accepted pairs a second with one and two workers, memory, and each stage's share of the time."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, row, save

PAIRS = {256: 192, 512: 64}  # by size
STAGES = (
    "turn", "draw", "relief", "render", "complete", "inpaint", "warp", "blend", "label", "check", "store",
)  # fmt: skip


def verb(*words: str) -> dict[str, Any]:
    """What a verb of the command line prints with --json.

    Raises:
        RuntimeError: the verb failed; its last line says why.
    """
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *words, "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        msg = f"`facepairs {' '.join(words)}` failed: {done.stderr.strip().splitlines()[-1:]}"
        raise RuntimeError(msg)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> list[Row]:
    """For each size a run that warms the caches of photographs and kernels, then one with one worker and one with two.

    Rates want a machine that does nothing else.
    """
    rows, stages = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for size, pairs in PAIRS.items():
            rates, memory = {}, {}
            for name, count, workers in (("warm", 16, 2), ("one", pairs, 1), ("two", pairs, 2)):
                out = str(Path(folder) / f"{name}{size}")
                given = ("--pairs", str(count), "--size", str(size), "--workers", str(workers), "--out", out)
                rates[name] = verb("synthesize", *given, "--no-report")["pairs_per_second"]
                peak = verb("pace", out)["peak"]
                memory[name] = max(most for process, most in peak.items() if process.startswith("worker"))
                stages[size] = {one["stage"]: one for one in verb("status", out)["stages"]}
            rows += [
                row(f"chain {size}², 2 workers", rates["two"], rates["one"], "pairs/s", higher_is_better=True,
                    peer_name="1 worker", note=f"{pairs} planned; from the first shard's start to the last commit"),
                row(f"largest resident memory of a worker, {size}²", memory["one"] / 1e9, unit="GB",
                    note="of one that annotates photographs too"),
            ]  # fmt: skip
    return rows + [
        row(
            f"stage {name}, {size}²",
            of[name]["ms_per_row"],
            unit="ms/pair",
            note=f"{100 * of[name]['share']:.0f} %",
        )
        for size, of in stages.items()
        for name in STAGES
    ]


if __name__ == "__main__":
    save("chain", main(), packages=["torch", "numba", "prefect"])
