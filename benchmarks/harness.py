"""Measure ours and a peer side by side, and keep the numbers with the machine and commit that made them.

A benchmark builds :class:`Row`s (usually through :func:`compare`) and ends with ``save("name", rows,
packages=[...])``, which writes ``benchmarks/results/name.json`` (schema: ``results.schema.json``) and prints the
rows. ``table.py`` puts all results into ``docs/benchmarks.md``.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"
SCHEMA = Path(__file__).parent / "results.schema.json"


@dataclass(frozen=True)
class Row:
    """One comparison. ``ratio`` says how many times better ours is (above 1 is a win, whatever the unit)."""

    name: str
    ours: float
    peer: float | None
    unit: str
    ratio: float | None
    peer_name: str = ""
    note: str = ""


def row(
    name: str,
    ours: float,
    peer: float | None = None,
    unit: str = "ms",
    *,
    higher_is_better: bool = False,
    peer_name: str = "",
    note: str = "",
) -> Row:
    """A row from two measured numbers; the ratio is turned so that above 1 means that ours is better."""
    ratio = None
    if peer is not None and ours > 0 and peer > 0:
        ratio = ours / peer if higher_is_better else peer / ours
    return Row(name, float(ours), None if peer is None else float(peer), unit, ratio, peer_name, note)


def best_of(call: Callable[[], Any], *, repeat: int = 7, budget: float = 10.0) -> float:
    """Median seconds of up to ``repeat`` calls after one to warm up; ends early after ``budget`` seconds.

    The median, not the minimum: it is what a pipeline sees on a machine that also does other things.
    """
    call()
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < repeat and (not times or time.perf_counter() - start < budget):
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return median(times)


def compare(
    name: str,
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    *,
    peer_name: str,
    repeat: int = 7,
    budget: float = 10.0,
    note: str = "",
) -> Row:
    """Time two callables interleaved, so that both see the same noise of the machine; milliseconds."""
    ours(), peer()
    times: tuple[list[float], list[float]] = ([], [])
    start = time.perf_counter()
    while len(times[0]) < repeat and (not times[0] or time.perf_counter() - start < budget):
        for call, seconds in zip((ours, peer), times, strict=True):
            before = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - before)
    return row(name, 1e3 * median(times[0]), 1e3 * median(times[1]), "ms", peer_name=peer_name, note=note)


def machine() -> dict[str, Any]:
    """What the numbers were measured on. Neither host nor user name is kept."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": cpu or "unknown",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "threads": int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        "memory_gb": round(pages * size / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _git(*args: str) -> str | None:
    done = subprocess.run(
        ["git", *args], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def document(benchmark: str, rows: Sequence[Row], packages: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON document of one run; it satisfies ``results.schema.json``."""
    for r in rows:
        numbers = [x for x in (r.ours, r.peer, r.ratio) if x is not None]
        if not all(math.isfinite(x) for x in numbers):
            msg = f"benchmark '{benchmark}', row '{r.name}': expected finite numbers, got {numbers}; measure again."
            raise ValueError(msg)
    return {
        "benchmark": benchmark,
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": machine(),
        "versions": {name: metadata.version(name) for name in ("numpy", *packages)},
        "rows": [asdict(r) for r in rows],
    }


def save(benchmark: str, rows: Sequence[Row], packages: Sequence[str] = (), folder: Path = RESULTS) -> Path:
    """Write ``<folder>/<benchmark>.json`` and print the rows; returns the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{benchmark}.json"
    path.write_text(json.dumps(document(benchmark, rows, packages), indent=2) + "\n")
    for r in rows:
        against = "" if r.peer is None else f"  {r.peer_name or 'peer'} {r.peer:.4g}"
        ratio = "" if r.ratio is None else f"  ×{r.ratio:.3g}"
        print(f"{r.name}: {r.ours:.4g}{against} {r.unit}{ratio}  {r.note}".rstrip())
    return path
