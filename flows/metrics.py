"""What a running synthesis tells Prometheus: text over HTTP on loopback, rendered from the board when it is asked for.

Format: text exposition 0.0.4. Counters go on from what the store holds when a run resumes, so a graph of them does not
fall; what is measured of this process alone is a gauge, or a histogram of this process.
"""

from __future__ import annotations

import http.server
import os
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flows.config import SynthesizeError

if TYPE_CHECKING:
    from flows.progress import Board

EDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # seconds that a stage may take for a shard
Labels = Mapping[str, str]


@dataclass
class Histogram:
    """Counts below each of ``EDGES``, and the sum, of one number."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    sum: float = 0.0

    def observe(self, value: float) -> None:
        """One more value."""
        self.counts[bisect_left(EDGES, value)] += 1
        self.sum += value


def render(board: Board, workers: Mapping[int, int], deaths: int) -> str:
    """All metrics as text.

    Args:
        board: counts of the run.
        workers: process id by number of each living worker.
        deaths: workers that died in this run.
    """
    board_now = board.now()
    out: list[str] = []

    def metric(name: str, kind: str, text: str, values: list[tuple[Labels, float]]) -> None:
        out.extend((f"# HELP facepairs_{name} {text}", f"# TYPE facepairs_{name} {kind}"))
        out.extend(f"facepairs_{name}{_labels(labels)} {value:.10g}" for labels, value in values)

    pairs: list[tuple[Labels, float]] = [({"state": "committed", "reason": ""}, board_now.accepted)]
    pairs += [({"state": "rejected", "reason": r}, n) for r, n in sorted(board_now.reasons.items())]
    metric("pairs_total", "counter", "Pairs made, by what became of them.", pairs)
    metric("pairs_planned", "gauge", "Pairs that the plan has.", [({}, board_now.planned)])
    metric("pairs_pending", "gauge", "Pairs that are not made yet.", [({}, board_now.pending)])
    metric("shards_total", "counter", "Shards committed by this run.", [({}, board_now.shards)])
    metric("photographs_total", "counter", "Photographs annotated by this run.", [({}, board_now.photos)])
    metric("faces_total", "counter", "Faces found by this run.", [({}, board_now.faces)])
    metric("pairs_per_second", "gauge", "Accepted pairs a second in this run.", [({}, board_now.rate)])
    if board_now.eta is not None:
        metric("eta_seconds", "gauge", "Seconds to the last pair.", [({}, board_now.eta)])
    out += _histograms(board_now.seconds)
    memory = [({"worker": str(n)}, float(_resident(pid))) for n, pid in sorted(workers.items())]
    metric("worker_resident_bytes", "gauge", "Resident memory of each worker.", list(memory))
    metric("worker_deaths_total", "counter", "Workers that died and were replaced.", [({}, deaths)])
    return "\n".join(out) + "\n"


def _histograms(stages: Mapping[str, Histogram]) -> list[str]:
    name = "facepairs_stage_seconds"
    out = [f"# HELP {name} Seconds of a stage for one shard.", f"# TYPE {name} histogram"]
    for stage, found in sorted(stages.items()):
        total = 0
        for edge, count in zip((*map(str, EDGES), "+Inf"), found.counts, strict=True):
            total += count
            out.append(f"{name}_bucket{_labels({'stage': stage, 'le': edge})} {total}")
        out.append(f"{name}_sum{_labels({'stage': stage})} {found.sum:.10g}")
        out.append(f"{name}_count{_labels({'stage': stage})} {total}")
    return out


def _labels(labels: Labels) -> str:
    def quoted(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{k}="{quoted(v)}"' for k, v in labels.items()) + "}" if labels else ""


def _resident(pid: int) -> int:
    """Bytes of a process; 0 where the system does not tell, or it has just ended."""
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


@contextmanager
def serving(port: int | None, text: Callable[[], str]) -> Iterator[str]:
    """Answer ``GET /metrics`` on loopback inside the block; yields the address, empty without a port.

    Args:
        port: where to listen; 0 takes a free one, None serves nothing.
        text: what to answer.

    Raises:
        SynthesizeError: the port is taken.
    """
    if port is None:
        yield ""
        return

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.split("?")[0] != "/metrics":
                self.send_error(404, "only /metrics is served")
                return
            body = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: object) -> None:
            """Nobody wants a line per scrape."""

    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        msg = f"--metrics: port {port} of 127.0.0.1 cannot be used ({error.strerror}); give another, or 0."
        raise SynthesizeError(msg) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
