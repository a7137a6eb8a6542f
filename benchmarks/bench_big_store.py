"""A plan of 100,000 rows for real: planned, made from stored samples, interrupted, resumed, published, verified.

The flow, the server, the workers, the store and its commits are the real ones; only the stages are replaced
(:mod:`benchmarks.replay`). Meanwhile the server is asked, twice a second, what a browser on the run's page asks. CPU
seconds are of each process; wall seconds say something about this machine at that time only.

Run: ``python -m benchmarks.run big_store``; ``python -m benchmarks.bench_big_store 10000 500`` takes fewer rows and
photographs, and saves nothing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness

ROWS, PHOTOS, WORKERS = 100_000, 2000, 2
EVERY = 0.5  # seconds between two questions to the server


@dataclass
class Answers:
    """How long the server took to answer what a page asks, how often it did not, and what it used meanwhile."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    server: list[dict[str, float]] = field(default_factory=list)


def _ask(url: str) -> None:
    """What a run's page asks: the newest flow run, its task runs and their number, its artifacts."""
    for path, body in (
        ("flow_runs/filter", {"limit": 1, "sort": "START_TIME_DESC"}),
        ("task_runs/filter", {"limit": 50, "sort": "EXPECTED_START_TIME_DESC"}),
        ("task_runs/count", {}),
        ("artifacts/latest/filter", {"limit": 20}),
    ):
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{url}/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()


@contextmanager
def asking(answers: Answers, url: str, pid: int) -> Iterator[None]:
    """Ask the server of a URL and process inside the block."""
    from flows.usage import used

    done = threading.Event()

    def ask() -> None:
        while not done.wait(EVERY):
            began = time.perf_counter()
            try:
                _ask(url)
            except OSError:
                answers.failed += 1
            else:
                answers.seconds.append(time.perf_counter() - began)
            if use := used(pid):
                answers.server.append(use)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def usage(cache: Path) -> dict[str, list[tuple[float, float]]]:
    """Of each process that the runs' logs tell of: share of both runs' lines, and resident bytes."""
    found: dict[str, list[tuple[float, float]]] = {}
    logs = sorted(cache.glob("logs/*/run.jsonl"), key=lambda path: path.stat().st_mtime)
    lines = [json.loads(line) for path in logs for line in path.read_text().splitlines()]
    told = [line["processes"] for line in lines if line["event"] == "usage"]
    for n, processes in enumerate(told):
        for name, use in processes.items():
            found.setdefault(name, []).append((n / len(told), use["resident"]))
    return found


def photographs(folder: Path, count: int) -> Path:
    """Files that are all different and only look like photographs by name."""
    folder.mkdir(parents=True)
    for i in range(count):
        (folder / f"{i:06d}.png").write_bytes(i.to_bytes(8, "little"))
    return folder


def run(folder: Path, rows: int, photos: int) -> dict[str, Any]:
    """Plan, make half, stop, resume, publish; returns what was measured, in seconds and bytes.

    Args:
        folder: for photographs, cache and store.
        rows: of the plan.
        photos: to annotate.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from flows.config import SynthesizeConfig
    from flows.records import settle
    from flows.server import api
    from flows.synthesize import run_synthesis
    from flows.work import prepare
    from storage.store import Store
    from storage.verify import verify_store

    config = SynthesizeConfig(
        out=folder / "store", photos=photographs(folder / "photos", photos), pairs=rows, workers=WORKERS,
        cache=folder / "cache", recipe="benchmarks.replay:Replay", report=False, batch=50, shard_size=250,
    )  # fmt: skip
    shards, answers, measured = -(-rows // 250), Answers(), dict[str, Any]()

    def interrupt() -> None:
        while len(list((config.out / "commits").glob("*.json"))) < shards // 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    with api(folder / "prefect", timeout=900) as reached, asking(answers, reached.url, reached.pid or 0):
        began, cpu = time.perf_counter(), time.process_time()
        threading.Thread(target=interrupt, daemon=True).start()
        stopped = run_synthesis(config)
        measured["first half, wall s"] = time.perf_counter() - began
        kept = Store.open(config.out).counts().shards_done
        began = time.perf_counter()
        result = run_synthesis(config)
        measured["resume to publication, wall s"] = time.perf_counter() - began
        measured["parent, CPU s"] = time.process_time() - cpu
        settle(reached.url, timeout=600)
    measured["state"], measured["kept"] = stopped["state"], kept
    cpu = time.process_time()
    report = verify_store(config.out)
    measured["verify, CPU s"] = time.process_time() - cpu
    cpu = time.process_time()
    Store.open(config.out).counts()
    measured["open and count, CPU s"] = time.process_time() - cpu
    cpu = time.process_time()
    sources = [vars(row) for row in _rows(config)]
    prepare(config.model_dump(mode="json"), sources, lambda event: None)
    measured["plan again, CPU s"] = time.process_time() - cpu
    counts = report.counts
    assert counts is not None
    return measured | {
        "result": result, "ok": report.ok, "planned": counts.planned, "committed": counts.committed,
        "rejected": counts.rejected, "pending": counts.pending, "answers": answers, "usage": usage(config.cache),
    }  # fmt: skip


def _rows(config: Any) -> list[Any]:
    recipe = config.make_recipe()
    return [row for path in sorted(config.photos.iterdir()) for row in recipe.annotate(path, path.name)]


def rows_of(measured: Mapping[str, Any]) -> list[harness.Row]:
    """What was measured as rows of a result."""
    answers: Answers = measured["answers"]
    seconds = np.array(answers.seconds)
    n = len(answers.server)
    servers = [(i / n, use["resident"]) for i, use in enumerate(answers.server)]
    seen: dict[str, list[tuple[float, float]]] = measured["usage"] | {"server": servers}
    asked = f"{len(seconds)} asked, {answers.failed} not answered"
    out = [
        harness.row("first half, until it was interrupted", measured["first half, wall s"], unit="s wall"),
        harness.row("resume, rest, publication", measured["resume to publication, wall s"], unit="s wall"),
        harness.row(
            "parent, both runs", measured["parent, CPU s"], unit="s CPU", note=f"{measured['planned']} rows"
        ),
        harness.row("server, both runs", answers.server[-1]["cpu"], unit="s CPU"),
        harness.row("planning on the finished store", measured["plan again, CPU s"], unit="s CPU"),
        harness.row("opening and counting", measured["open and count, CPU s"], unit="s CPU"),
        harness.row("verify", measured["verify, CPU s"], unit="s CPU"),
        harness.row("the server answers a page, median", float(np.median(seconds)), unit="s", note=asked),
        harness.row("the server answers a page, 95 %", float(np.quantile(seconds, 0.95)), unit="s"),
        harness.row("the server answers a page, slowest", float(seconds.max()), unit="s"),
    ]
    for name in ("parent", "server", "worker 0"):
        looks = seen.get(name, [])
        for label, low, high in (("first half", 0.0, 0.5), ("second half", 0.5, 1.01)):
            most = max((size for at, size in looks if low <= at < high), default=0.0)
            out.append(harness.row(f"{name}, resident, {label}, most", most / 1e6, unit="MB"))
    return out


def main(arguments: list[str]) -> None:
    """Measure, and save unless fewer rows are asked for."""
    rows, photos = (int(arguments[0]), int(arguments[1])) if arguments else (ROWS, PHOTOS)
    with tempfile.TemporaryDirectory() as folder:
        measured = run(Path(folder), rows, photos)
    assert measured["ok"]
    assert measured["pending"] == 0
    told = rows_of(measured)
    if arguments:
        for one in told:
            print(f"{one.name}: {one.ours:.4g} {one.unit} {one.note}".rstrip())
        return
    harness.save("big_store", told, packages=["prefect", "pyarrow"])


if __name__ == "__main__":
    main(sys.argv[1:])
