"""The whole chain: accepted pairs a second with one and two workers, and each stage's share of a core's time."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, row, save

PAIRS = 192
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
    """One run that warms the caches of photographs and kernels, then one with one worker and one with two."""
    rates, stages = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, pairs, workers in (("warm", 16, 2), ("one", PAIRS, 1), ("two", PAIRS, 2)):
            out = str(Path(folder) / name)
            result = verb(
                "synthesize", "--pairs", str(pairs), "--workers", str(workers), "--out", out, "--no-report"
            )
            rates[name] = result["pairs_per_second"]
            stages = {one["stage"]: one for one in verb("status", out)["stages"]}
    rows = [
        row("chain 256², 2 workers", rates["two"], rates["one"], "pairs/s", higher_is_better=True,
            peer_name="1 worker", note=f"{PAIRS} pairs, accepted, from start of the first shard to the last commit"),
    ]  # fmt: skip
    return rows + [
        row(
            f"stage {name}",
            stages[name]["ms_per_row"],
            unit="ms/pair",
            note=f"{100 * stages[name]['share']:.0f} %",
        )
        for name in STAGES
    ]


if __name__ == "__main__":
    save("chain", main(), packages=["torch", "numba", "prefect"])
