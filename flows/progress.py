"""What a run tells people: a live board with ETA on a terminal, log lines elsewhere, and the run's log."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from flows.logs import RunLog
from flows.metrics import Histogram
from storage.store import Counts

log = logging.getLogger("facepairs")


@dataclass(frozen=True)
class Now:
    """What a board knows at one moment; ``shards``, ``photos``, ``faces`` and ``seconds`` are of this run alone."""

    planned: int
    accepted: int
    pending: int
    reasons: dict[str, int]
    shards: int
    photos: int
    faces: int
    rate: float
    eta: float | None
    seconds: dict[str, Histogram]


class Board:
    """Counts of a run, shown live. Safe to call from many threads.

    Args:
        console: where to draw; None draws nothing, and the numbers go to the log every half minute.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.accepted = self.rejected = self.planned = self.faces = self.photos = 0
        self.reasons: Counter[str] = Counter()
        self.stages: dict[
            str, dict[str, Any]
        ] = {}  # stage -> rows, rejects, seconds, over the shards of this run
        self.log: RunLog | None = None  # gets every event, once the run has one
        # What the flow returned or raised, whether or not its server could record it.
        self.outcome: Any = None
        self.server: int | None = None  # process id of the run's own server
        self._seconds: dict[str, Histogram] = {}  # stage -> seconds a shard
        self._shards = 0  # committed in this run
        self._lock = threading.RLock()
        self._made = 0  # pairs made in this run, not in an earlier one
        self._began = self._told = self._last = time.monotonic()
        self._running: dict[int, tuple[float, int]] = {}  # shard -> share done, rows
        self._live: Progress | None = None
        if console is not None:
            self._live = Progress(
                TextColumn("[bold]{task.description:<8}"), BarColumn(bar_width=28),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                TimeElapsedColumn(), TextColumn("eta"), TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[note]}"), console=console, speed_estimate_period=600,
            )  # fmt: skip
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> Board:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """One line for people."""
        self.record("note", text)
        if self._live:
            self._live.console.print(text)
        else:
            log.info("%s", text)

    def begin_photos(self, total: int) -> None:
        """Annotation starts."""
        self._bar("photos", total)

    def photo(self, faces: int) -> None:
        """One photograph is annotated."""
        with self._lock:
            self.photos += 1
            self.faces += faces
            self._move("photos", self.photos, f"{self.faces} faces")

    def begin_pairs(self, counts: Counts) -> None:
        """Making starts; some pairs may be there already."""
        with self._lock:
            planned, accepted, rejected = counts.planned, counts.committed, counts.rejected
            self.planned, self.accepted, self.rejected = planned, accepted, rejected
            self.reasons = Counter(counts.reasons)
            self._began = self._last = time.monotonic()
            self._bar("pairs", planned, accepted + rejected)
            self._show()

    def advance(self, shard: int, share: float, rows: int) -> None:
        """A shard in hand is done to a share of 0 to 1; 0 also takes back what a dead worker had done."""
        with self._lock:
            self._running[shard] = (share, rows)
            self._show()

    def shard(self, made: dict[str, Any]) -> None:
        """A shard is committed; ``made`` is the result of :func:`flows.work.make`."""
        with self._lock:
            self._running.pop(made["shard"], None)
            self._last = time.monotonic()
            self.accepted += made["committed"]
            self.rejected += made["rejected"]
            self._made += made["planned"]
            self._shards += 1
            self.reasons.update(made["reasons"])
            for told in made["stages"]:
                entry = self.stages.setdefault(
                    told["stage"], {"rows": 0, "seconds": 0.0, "rejects": Counter()}
                )
                entry["rows"] += told["rows"]
                entry["rejects"].update(told["rejects"])
            for name, seconds in made["seconds"].items():
                entry = self.stages.setdefault(
                    name, {"rows": made["committed"], "seconds": 0.0, "rejects": Counter()}
                )
                entry["seconds"] += seconds
                self._seconds.setdefault(name, Histogram()).observe(seconds)
            self.record("shard", **made)
            self._show()

    @property
    def rate(self) -> float:
        """Accepted pairs a second in this run."""
        share = self.accepted / max(1, self.accepted + self.rejected)
        return self._made * share / max(1e-9, self._last - self._began)

    @property
    def seconds(self) -> float:
        """Seconds from the start of making to the last shard."""
        return self._last - self._began

    @property
    def eta(self) -> float | None:
        """Seconds to go, or None before the first pair."""
        inside = sum(share * rows for share, rows in self._running.values())
        if self._made + inside <= 0:
            return None
        spent = time.monotonic() - self._began
        return (self.planned - self.accepted - self.rejected - inside) * spent / (self._made + inside)

    def now(self) -> Now:
        """All numbers at one moment."""
        with self._lock:
            pending = self.planned - self.accepted - self.rejected
            return Now(
                self.planned, self.accepted, pending, dict(self.reasons), self._shards, self.photos, self.faces,
                self.rate, self.eta, copy.deepcopy(self._seconds),
            )  # fmt: skip

    def record(self, event: str, message: str = "", **facts: Any) -> None:
        """One line in the run's log."""
        if self.log is not None:
            self.log.record(event, message, **facts)

    def _show(self) -> None:
        inside = sum(share * rows for share, rows in self._running.values())
        note = f"{self.accepted} accepted, {self.rejected} rejected, {self.rate:.2f} pairs/s"
        self._move("pairs", self.accepted + self.rejected + inside, note)
        if self._live is None and time.monotonic() - self._told > 30:
            self._told = time.monotonic()
            log.info(
                "pairs %d of %d: %s, eta %.0f s",
                self.accepted + self.rejected,
                self.planned,
                note,
                self.eta or 0,
            )

    def _bar(self, name: str, total: int, completed: int = 0) -> None:
        if self._live:
            self._bars[name] = self._live.add_task(name, total=total, completed=completed, note="")

    def _move(self, name: str, completed: float, note: str) -> None:
        if self._live and name in self._bars:
            self._live.update(self._bars[name], completed=completed, note=note)


_current: list[Board] = []


def current() -> Board:
    """The board of the run in this process; a silent one when nobody shows any."""
    return _current[-1] if _current else Board()


class showing:  # noqa: N801 - a context manager, used as a verb
    """Make a board the current one inside the block."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def __enter__(self) -> Board:
        _current.append(self.board)
        return self.board.__enter__()

    def __exit__(self, *exception: object) -> None:
        _current.remove(self.board)
        self.board.__exit__(*exception)
