"""A synthesis that is killed while it works: workers, the flow and its server, as often as asked.

:func:`survive` types the command, kills, types it again where the flow itself was the victim, and says what the disk
says: which attempts were in vain, how long it took until one was at work again, what is lost or there twice.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flows.server import answers
from storage.generation import latest
from storage.store import Store
from storage.verify import verify_store

WORKER, FLOW, SERVER = "worker", "flow", "server"
VICTIMS = (WORKER, FLOW, SERVER)
_MODULES = {WORKER: "flows.worker", SERVER: "flows.serve"}
_LOOK = 0.05  # seconds between looks at the attempts


class NotSurvivedError(RuntimeError):
    """The run did not end as an undisturbed one; the message has its last words."""


@dataclass
class Kill:
    """One kill, in seconds since the first command; ``recovery`` until an attempt was begun again, None if none was."""

    victim: str
    at: float
    recovery: float | None = None


@dataclass
class Told:
    """What became of a run."""

    kills: list[Kill] = field(default_factory=list)
    commands: int = 0  # times that it was typed
    seconds: float = 0.0  # from the first command to the end
    useful: float = 0.0  # seconds of attempts that were committed
    vain: float = 0.0  # seconds of attempts that were not
    accepted: int = 0  # pairs on disk at the end
    rows: int = 0  # of committed shards: accepted and rejected
    hash: str = ""  # of the generation; empty when the time was up before the end
    lost: int = 0
    duplicated: int = 0
    problems: int = 0  # that a deep verify found


def children(pid: int) -> dict[int, str]:
    """Command lines of the children of a process, by their ids (Linux)."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:  # it ended meanwhile
                continue
            if parent == pid:
                found[int(entry.name)] = line
    return found


def accounts(store: Store) -> tuple[int, int]:
    """(lost, duplicated) rows, counted anew from plan and indices: each planned row must be in exactly one place."""
    seen: Counter[str] = Counter()
    done = store.commits()
    for shard, rows in store.plan.shards.items():
        seen.update(row.key for row in (store.index_rows(shard) if shard in done else rows))
    planned = {row.key for row in store.plan.rows}
    return len(planned - set(seen)), sum(seen.values()) - len(planned & set(seen))


class Attempts:
    """Follows who works on a store by the folders of its attempts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: dict[str, list[float]] = {}  # folder -> first and last moment at work

    def look(self, now: float) -> None:
        """Note the folders that changed since the last look; those of the dead stay, and do not change."""
        for folder in (self.root / "tmp").glob("*-*"):
            if folder.name in self._seen:
                if _alive(folder):
                    self._seen[folder.name][1] = now
            elif _alive(folder):
                self._seen[folder.name] = [now, now]

    def begun_after(self, at: float) -> float | None:
        """When the first attempt after a moment began."""
        return min((first for first, _ in self._seen.values() if first > at), default=None)

    def spent(self, committed: set[str]) -> tuple[float, float]:
        """Seconds of the attempts that were committed, and of the others."""
        spans = {name: last - first for name, (first, last) in self._seen.items()}
        useful = sum(span for name, span in spans.items() if name in committed)
        return useful, sum(spans.values()) - useful


def _alive(folder: Path) -> bool:
    """Whether its maker lives: the kernel lists who holds the lock. Asking for the lock could take it from a maker."""
    try:
        number = (folder / "lock").stat().st_ino
    except FileNotFoundError:
        return False
    return any(
        line.split()[5].endswith(f":{number}") for line in Path("/proc/locks").read_text().splitlines()
    )


class Killer:
    """Types a command, kills, and types it again until it ends or the time is up.

    Args:
        command, environment: what is typed.
        root: the store that it fills.
        url: of a run server that this process keeps up (:func:`flows.keeper.keeping`); without one the command starts
            and keeps its own.
    """

    def __init__(
        self, command: Sequence[str], environment: dict[str, str], root: Path, url: str = ""
    ) -> None:
        self.command, self.root, self.url = list(command), root, url
        self.environment = environment | ({"PREFECT_API_URL": url} if url else {})
        self.log = root.with_name(f"{root.name}.log")
        self.told = Told()
        self._attempts = Attempts(root)
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self, kills: Iterable[tuple[float, str]], *, limit: float | None = None, patience: float = 900.0
    ) -> Told:
        """Kill at the given seconds since the first shard was begun; a victim that is not there is waited for.

        Args:
            kills: seconds and victim, in order.
            limit: seconds after which the run is stopped where it is, as by Ctrl-C; None runs to the end.
            patience: seconds that all may take without a limit.

        Raises:
            NotSurvivedError: the command failed without having been killed, or did not end.
        """
        began, first = time.monotonic(), None
        rest = iter(kills)
        due = next(rest, None)
        self._type()
        try:
            while True:
                now = time.monotonic()
                self._attempts.look(now)
                first = first or self._attempts.begun_after(0)
                if due and first and now - first >= due[0] and self._kill(due[1], now - began):
                    due = next(rest, None)
                assert self._process is not None
                code = self._process.poll()
                if code == 0:
                    break
                if code is not None:
                    if code != -signal.SIGKILL:
                        raise NotSurvivedError(f"exit code {code}: {self.log.read_text()[-2000:]}")
                    self._type()
                if limit is not None and first and now - first > limit:
                    break
                if limit is None and now - began > patience:
                    raise NotSurvivedError(f"not done after {patience:.0f} s: {self.log.read_text()[-2000:]}")
                time.sleep(_LOOK)
        finally:
            self._stop()
        return self._account(began, first or began)

    def _type(self) -> None:
        while self.url and not answers(self.url):
            time.sleep(_LOOK)
        self.told.commands += 1
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)

    def _kill(self, victim: str, at: float) -> bool:
        """Whether there was one to kill."""
        assert self._process is not None
        if victim == FLOW:
            found = [self._process.pid]
        else:
            keeper = os.getpid() if victim == SERVER and self.url else self._process.pid
            found = [pid for pid, line in children(keeper).items() if _MODULES[victim] in line]
        if not found or self._process.poll() is not None:
            return False
        # Of several workers, the one whose turn it is.
        os.kill(found[len(self.told.kills) % len(found)], signal.SIGKILL)
        self.told.kills.append(Kill(victim, at))
        return True

    def _stop(self) -> None:
        """End what still runs: politely, since the shards in hand are finished then, and then not."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(120)
            except subprocess.TimeoutExpired:
                for pid in (*children(self._process.pid), self._process.pid):
                    os.kill(pid, signal.SIGKILL)
                self._process.wait()

    def _account(self, began: float, first: float) -> Told:
        told, store = self.told, Store.open(self.root)
        done = store.commits()
        told.seconds = time.monotonic() - first
        told.useful, told.vain = self._attempts.spent({f"{s:06d}-{c.attempt}" for s, c in done.items()})
        told.accepted = sum(commit.committed for commit in done.values())
        told.rows = sum(commit.planned for commit in done.values())
        told.lost, told.duplicated = accounts(store)
        told.problems = len(verify_store(store, deep=True).problems)
        published = latest(self.root)
        told.hash = published.hash if published else ""
        for kill in told.kills:
            begun = self._attempts.begun_after(began + kill.at)
            kill.recovery = None if begun is None else begun - began - kill.at
        return told


def turns(every: float, victims: Sequence[str] = VICTIMS) -> Iterable[tuple[float, str]]:
    """A kill every so many seconds, the victims in turn, without end."""
    return ((every * n, victim) for n, victim in enumerate(itertools.cycle(victims), 1))
