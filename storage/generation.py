"""Generations: what training pins. Immutable, and published by one atomic replace of ``LATEST``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage import index
from storage.commit import Commit, superseded
from storage.errors import CorruptStore, StoreError
from storage.files import (
    canonical_json,
    read_sealed,
    seal,
    sha256_bytes,
    sha256_file,
    write_once,
    write_replace,
)
from storage.layout import LATEST, locked
from storage.store import Counts, Store
from storage.untrusted import count_of, plain_name, saying


@dataclass(frozen=True)
class Generation:
    """A published state of a store.

    ``hash`` depends on the bytes of the data alone: an interrupted and resumed run reaches the same one as an
    undisturbed run.
    """

    number: int
    hash: str
    plan: str
    fingerprints: tuple[str, ...]
    commits: Mapping[str, str]  # six-digit shard -> Commit.content
    totals: Mapping[str, int]
    reasons: Mapping[str, int]

    @property
    def name(self) -> str:
        """File name under ``manifests/``."""
        return f"gen-{self.number:06d}.json"


def publish(
    store: Store,
    *,
    allow_pending: bool = False,
    allow_mixed: bool = False,
    reject_budget: float = 0.9,
    error_budget: float = 0.01,
) -> Generation:
    """Publish what is committed now; with nothing new, return the generation that is already there.

    Args:
        store: the store.
        allow_pending: publish although shards are missing.
        allow_mixed: publish although shards were made with different settings, code or weights.
        reject_budget: largest allowed share of rejected samples among those made.
        error_budget: largest allowed share of samples rejected because of a bug (``Reason.ERROR``).

    Raises:
        StoreError: the count equation does not hold, a budget is exceeded or the operating system refused a write;
            ``LATEST`` stays as it was.
    """
    try:
        with locked(store.root):
            return _publish(store, allow_pending, allow_mixed, reject_budget, error_budget)
    except OSError as error:
        raise StoreError(
            f"{store.root}: {error.strerror or error} while publishing; every shard is kept: remove the cause and run "
            "the same command again."
        ) from error


def _publish(
    store: Store, allow_pending: bool, allow_mixed: bool, reject_budget: float, error_budget: float
) -> Generation:
    found = store.commits()
    counts = store.counts()
    if not found:
        raise StoreError(f"{store.root} has no committed shard; run the synthesis first.")
    if counts.pending and not allow_pending:
        raise StoreError(
            f"{store.root}: {counts.pending} of {counts.planned} samples are pending; run the same command "
            "again, or publish with allow_pending=True."
        )
    marks = tuple(sorted(set().union(*(c.fingerprints for c in found.values()))))
    before = latest(store.root)
    mark = sha256_bytes(canonical_json(body := _body(store, found, counts, marks)))
    if before is not None and before.hash == mark:
        return before
    if len(marks) > 1 and not allow_mixed:
        raise StoreError(
            f"{store.root}: its shards have {len(marks)} fingerprints ({', '.join(m[:12] for m in marks)}); "
            "remake the older ones, or publish with --allow-mixed."
        )
    for shard, commit in found.items():
        rows = store.index_rows(shard)
        told, reasons = index.count(rows)
        keys = [row.key for row in rows] == [row.key for row in store.plan.shards[shard]]
        said = {"planned": commit.planned, "committed": commit.committed, "rejected": commit.rejected}
        if (
            not keys
            or told != said
            or reasons != dict(commit.reasons)
            or said["planned"] != said["committed"] + said["rejected"]
        ):
            raise CorruptStore(
                f"shard {shard}: its index counts {told}, its commit {said}, and the plan has "
                f"{len(store.plan.shards[shard])}; run `facepairs verify`."
            )
    _check_budget(counts, counts.rejected, reject_budget, "rejected", "raise --reject-budget")
    _check_budget(
        counts,
        counts.reasons.get("error", 0),
        error_budget,
        "lost to errors",
        f"make them again with `facepairs retry {store.root} --reason error`",
    )

    number = before.number if before else 0
    while True:
        number += 1
        path = store.root / "manifests" / f"gen-{number:06d}.json"
        sealed = seal({**body, "number": number, "hash": mark})
        # An equal file is what a run left that died before it could replace LATEST.
        if write_once(path, sealed, crash_done="generation_linked") or path.read_bytes() == sealed:
            break
    pointer = seal({"generation": path.name, "hash": mark, "sha256": sha256_bytes(sealed)})
    write_replace(store.root / LATEST, pointer, "latest_temp", "latest_replaced")
    return read_generation(store.root, path.name)


def _body(
    store: Store, found: Mapping[int, Commit], counts: Counts, marks: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "plan": store.plan.hash,
        "fingerprints": list(marks),
        "commits": {f"{shard:06d}": commit.content for shard, commit in found.items()},
        "totals": {
            "planned": counts.planned, "committed": counts.committed, "rejected": counts.rejected,
            "pending": counts.pending, "shards": counts.shards, "shards_done": counts.shards_done,
        },
        "reasons": dict(counts.reasons),
    }  # fmt: skip


def generations(root: Path) -> list[str]:
    """File names of all published generations, oldest first."""
    return [path.name for path in sorted((root / "manifests").glob("gen-*.json"))]


def pinned_commits(store: Store, generation: Generation) -> dict[int, Commit]:
    """The commits that a generation pins, by shard, also those that a retry has replaced since.

    Raises:
        CorruptStore: one is gone; names it.
    """
    there = {commit.content: commit for commit in (*superseded(store.root), *store.commits().values())}
    for shard, content in generation.commits.items():
        if content not in there:
            raise CorruptStore(
                f"shard {int(shard)} is not the one that {generation.name} pins; run `facepairs verify`."
            )
    return {int(shard): there[content] for shard, content in generation.commits.items()}


def _check_budget(counts: Counts, n: int, budget: float, what: str, remedy: str) -> None:
    made = counts.committed + counts.rejected
    if n > budget * made:
        worst = ", ".join(f"{k} {v}" for k, v in sorted(counts.reasons.items(), key=lambda kv: -kv[1])[:3])
        raise StoreError(
            f"{n} of {made} samples were {what} ({n / made:.0%}, at most {budget:.0%} allowed; {worst}); "
            f"look at `facepairs why`, or {remedy}."
        )


def read_generation(root: Path, name: str) -> Generation:
    """A generation by its file name, checked against its own hash.

    Raises:
        StoreError: there is none of that name.
        CorruptStore: it was damaged.
    """
    try:
        body = read_sealed(root / "manifests" / name)
    except FileNotFoundError as error:
        raise StoreError(f"{root} has no generation '{name}'; see the folder manifests.") from error
    data = {k: v for k, v in body.items() if k not in {"number", "hash"}}
    if sha256_bytes(canonical_json(data)) != body.get("hash"):
        raise CorruptStore(f"manifests/{name}: its hash is not that of its content; restore it from a copy.")
    with saying(f"manifests/{name}"):
        generation = Generation(**{**body, "fingerprints": tuple(body["fingerprints"])})
        count_of(generation.number, name)
        if not all(isinstance(t, dict) for t in (generation.commits, generation.totals, generation.reasons)):
            raise TypeError("tables of commits, totals and reasons expected")
        for number in (
            *map(int, generation.commits),
            *generation.totals.values(),
            *generation.reasons.values(),
        ):
            count_of(number, name)
        return generation


def latest(root: Path) -> Generation | None:
    """The published generation, or None before the first.

    Raises:
        CorruptStore: ``LATEST`` or its generation was damaged.
    """
    try:
        pointer = read_sealed(root / LATEST)
    except FileNotFoundError:
        return None
    with saying(LATEST):
        path = root / "manifests" / plain_name(pointer["generation"], LATEST)
        wanted = str(pointer["sha256"])
    if not path.is_file() or sha256_file(path) != wanted:
        raise CorruptStore(
            f"{LATEST} points to {pointer['generation']}, which is missing or damaged; restore it from a "
            "copy or publish again."
        )
    return read_generation(root, path.name)
