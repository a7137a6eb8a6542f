"""Every place where the making or the retry of a small store may die, be cut off or be refused, one after another.

Tests want every case to survive; ``python -m benchmarks.run faults`` counts them.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.gc import collect
from storage.generation import generations, latest, pinned_commits, publish, read_generation
from storage.retry import rejected_keys, retry_shard
from storage.store import Sample, Store
from storage.verify import verify_store
from tests.storage.dying import AFTER, BEFORE, KILLED, count_calls, die_at, refused_at
from tests.storage.toy_store import (
    CONFIG,
    flip_bit,
    run,
    start,
    synthesise,
    toy_create,
    toy_fields,
    toy_meta,
    toy_outcomes,
    toy_plan,
)  # fmt: skip

PAIRS = 3  # two heads, so two shards; one pair is rejected
Call = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Case:
    """One fault, and what went wrong after it; ``error`` is empty when nothing did."""

    where: str
    error: str = ""


def make(path: Path, told: Path) -> None:
    """What a user's command does; each thing that was reported done is noted in ``told``, outside the store."""
    store = toy_create(path, toy_plan(PAIRS, shard_size=PAIRS))
    for shard in store.pending():
        store.write_shard(shard, toy_outcomes(store, shard))
        _note(told, str(shard))
    publish(store)
    _note(told, "published")


def mend(path: Path, told: Path) -> None:
    """A retry of every rejected sample, published, and the leftovers collected."""
    store = Store.open(path)
    for shard, keys in rejected_keys(store, ["gap"]).items():
        retry_shard(store, shard, [Sample(k, toy_fields(k, 5), toy_meta(k, 5)) for k in keys], CONFIG)
        _note(told, f"retried {shard}")
    publish(store)
    _note(told, "published again")
    collect(store, dry_run=False)


def _note(told: Path, what: str) -> None:
    fd = os.open(told, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    os.write(fd, f"{what}\n".encode())
    os.close(fd)


def kept(path: Path, told: Path) -> str:
    """What is missing of that which was reported done, or not whole of that which is there."""
    said = told.read_text().splitlines() if told.exists() else []
    if not (path / "store.json").exists():
        return f"reported {said}, and there is no store" if said else ""
    report = verify_store(path, deep=True)
    if not report.ok:
        return str(report.problems[0])
    counts, store = report.counts, Store.open(path)
    assert counts is not None
    if counts.planned != counts.committed + counts.rejected + counts.pending:
        return f"the count equation: {counts}"
    commits = store.commits()
    for name in generations(path):
        pinned_commits(store, read_generation(path, name))  # every generation stays readable
    published = latest(path)
    number = published.number if published else 0
    fine = {
        **{str(shard): shard in commits for shard in store.plan.shards},
        **{f"retried {s}": s in commits and bool(commits[s].retried) for s in store.plan.shards},
        "published": number >= 1,
        "published again": number >= 2,
    }
    return next((f"'{one}' was reported, and it is not so" for one in said if not fine[one]), "")


class Sweep:
    """All places of one call, ``make`` or ``mend``, in a folder of its own.

    Args:
        call: what is disturbed.
        folder: an empty folder.
    """

    def __init__(self, call: Call, folder: Path) -> None:
        self.call, self.folder = call, folder
        self._published = folder / "published" / "store"
        self._published.parent.mkdir()
        make(self._published, folder / "ignored")
        path, told = self._place("calm")
        assert run(count_calls, call, (path, told), folder / "calls") == 0
        self.calls = (folder / "calls").read_text().split()
        self.hash = _hash(path)

    def killed(self, power_cut: bool = False) -> Iterator[Case]:
        """Dead before the first call that changes the disk, and after each; with ``power_cut`` the disk forgets, too.

        Dead after one call and dead before the next is one state of the disk.
        """
        for number, when in [(0, BEFORE), *((n, AFTER) for n in range(len(self.calls)))]:
            where = f"{when} call {number}, {self.calls[number]}"
            path, told = self._place(f"{when}{number}{power_cut}")
            code = run(die_at, self.call, (path, told), number, when, power_cut)
            yield self._goes_on(path, told, where, "" if code == KILLED else f"exit code {code}")

    def full(self) -> Iterator[Case]:
        """The disk is full from each of the calls on."""
        for number, name in enumerate(self.calls):
            path, told = self._place(f"full{number}")
            code = run(refused_at, self.call, (path, told), number, errno.ENOSPC)
            where = f"full from call {number}, {name}, on"
            yield self._goes_on(path, told, where, "" if code in (0, 1) else f"exit code {code}")

    def _place(self, name: str) -> tuple[Path, Path]:
        """A store that the call has not met yet, and the file beside it for what the call reports."""
        folder = self.folder / name
        folder.mkdir()
        if self.call is mend:
            shutil.copytree(self._published, folder / "store")
        return folder / "store", folder / "told"

    def _goes_on(self, path: Path, told: Path, where: str, error: str) -> Case:
        """What was reported is there, and the same call again ends as if nothing had happened."""
        error = error or kept(path, told)
        if not error:
            self.call(path, told)
            collect(store := Store.open(path), dry_run=False)
            left = [p.name for p in (*path.rglob(".*.tmp"), *(path / "tmp").iterdir())]
            report = verify_store(store, deep=True)
            error = str(report.problems[0]) if report.problems else f"left {left}" if left else ""
            if _hash(path) != self.hash:
                error = "another generation than the undisturbed one"
        shutil.rmtree(path.parent)
        return Case(where, error)


def random_kills(folder: Path, kills: int, seed: int = 11) -> Iterator[Case]:
    """Writers of 14 pairs killed at random moments, each on the store that the one before left, until it is full."""
    synthesise(folder / "calm")
    rng, path, done = random.Random(seed), folder / "store", 0
    for number in range(kills):
        process = start(synthesise, path)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.join()
        error = kept(path, folder / "told")
        if (path / "LATEST").exists():  # done: the next one begins anew
            synthesise(path)
            if _hash(path) != _hash(folder / "calm"):
                error = error or "another generation than the undisturbed one"
            path, done = folder / f"store{number}", done + 1
        yield Case(f"kill {number}", error)
    synthesise(path)
    yield Case("the end", "" if _hash(path) == _hash(folder / "calm") else "another generation")


def damage(store: Store, times: int, cut: bool, seed: int = 3) -> Iterator[Case]:
    """A random bit flipped, or a file cut at a random byte, anywhere in a store; an error where verify names it not."""
    rng = random.Random(seed)
    files = sorted(p for p in store.root.rglob("*") if p.is_file() and p.stat().st_size)
    for _ in range(times):
        path = rng.choice(files)
        position, bit = rng.randrange(path.stat().st_size), rng.randrange(8)
        where = f"{path.relative_to(store.root)}, byte {position}"
        whole = path.read_bytes() if cut else b""
        os.truncate(path, position) if cut else flip_bit(path, position, bit)
        report = verify_store(store.root, deep=True)
        path.write_bytes(whole) if cut else flip_bit(path, position, bit)
        named = any(path.name in str(problem) for problem in report.problems)
        yield Case(where, "" if named else "not found" if report.ok else "not named")


def _hash(path: Path) -> str:
    found = latest(path)
    return found.hash if found else ""
