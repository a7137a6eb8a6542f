"""Proof from the bytes on disk that every planned sample is committed, rejected with a reason, or pending."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage import generation, index
from storage.commit import Commit, commit_path, superseded
from storage.errors import CorruptStore, StoreError
from storage.files import read_sealed, sha256_file
from storage.fingerprint import fingerprint
from storage.index import IndexRow
from storage.layout import LATEST, PERMISSIONS, SETTINGS, StoredFile, read_checked
from storage.reject import Reason
from storage.schema import META
from storage.store import Counts, Store
from storage.tarshard import check_payload, scan


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, as precisely as it can be named."""

    file: str  # relative to the store
    message: str
    shard: int | None = None
    key: str = ""
    field: str = ""

    def __str__(self) -> str:
        shard = "" if self.shard is None else f"shard {self.shard}"
        where = ", ".join(filter(None, (shard, self.key, self.field)))
        return f"{self.file}{f' ({where})' if where else ''}: {self.message}"


@dataclass(frozen=True)
class Report:
    """What was found. ``counts`` is None when the store is too damaged to count."""

    problems: tuple[Problem, ...]
    counts: Counts | None
    shards: int  # shards whose files were looked at
    bytes: int  # read from tars and indices
    deep: bool

    @property
    def ok(self) -> bool:
        """Nothing is wrong; pending samples are not wrong."""
        return not self.problems


def verify_store(store: Store | Path | str, deep: bool = False) -> Report:
    """Check a store.

    Always: seals, plan, snapshot, settings of retries, permissions, every commit and index with its SHA-256, names and
    sizes of the tars, the count equation per shard and in total, and the published generation. ``deep`` reads every
    tar, too: SHA-256, structure, the CRC of every field, and that each sample's own meta agrees with plan and index.
    """
    problems: list[Problem] = []
    if not isinstance(store, Store):
        try:
            store = Store.open(store)
        except (StoreError, OSError, ValueError, KeyError, TypeError) as error:
            return Report((Problem("store.json", str(error)),), None, 0, 0, deep)
    for entry in store.description["snapshot"].values():
        problems += _attempt(entry["name"], lambda e=entry: read_checked(store.root, StoredFile(**e)))
    seen = size = 0
    committed = rejected = pending = 0
    reasons: dict[str, int] = {}
    done: dict[int, Commit] = {}
    for shard, planned in store.plan.shards.items():
        try:
            commit = store.committed(shard)
        except CorruptStore as error:
            problems.append(Problem(f"commits/{shard:06d}.json", str(error), shard))
            continue
        if commit is None:
            pending += len(planned)
            continue
        done[shard] = commit
        seen += 1
        size += commit.index.bytes + (commit.tar.bytes if deep else 0)
        try:
            rows = store.index_rows(shard)
        except StoreError as error:
            problems.append(Problem(commit.index.name, str(error), shard))
            continue
        problems += _check_index(store, commit, rows)
        problems += _check_tar(store, commit, rows, deep)
        told, why = index.count(rows)
        committed, rejected = committed + told["committed"], rejected + told["rejected"]
        for reason, n in why.items():
            reasons[reason] = reasons.get(reason, 0) + n
    if not problems and len(store.plan) != committed + rejected + pending:
        got = f"{committed} committed + {rejected} rejected + {pending} pending"
        problems.append(Problem("plan/plan.parquet", f"{len(store.plan)} samples planned, but {got}."))
    problems += _check_strangers(store)
    problems += _check_superseded(store, deep)
    problems += _check_notes(store)
    problems += _check_generation(store, done)
    counts = Counts(
        len(store.plan), committed, rejected, pending, len(store.plan.shards), len(done), dict(sorted(reasons.items()))
    )  # fmt: skip
    return Report(tuple(problems), counts, seen, size, deep)


def _attempt(file: str, read: object) -> Iterator[Problem]:
    try:
        read()  # type: ignore[operator]
    except StoreError as error:
        yield Problem(file, str(error))


def _check_index(store: Store, commit: Commit, rows: list[IndexRow]) -> Iterator[Problem]:
    planned = [row.key for row in store.plan.shards[commit.shard]]
    if [row.key for row in rows] != planned:
        yield Problem(
            commit.index.name, f"its {len(rows)} samples are not the {len(planned)} planned.", commit.shard
        )
    told, reasons = index.count(rows)
    said = {"planned": commit.planned, "committed": commit.committed, "rejected": commit.rejected}
    if (
        told != said
        or reasons != dict(commit.reasons)
        or told["committed"] + told["rejected"] != told["planned"]
    ):
        yield Problem(commit.index.name, f"it counts {told} {reasons}, its commit says {said}.", commit.shard)
    known = {reason.value for reason in Reason}
    for row in rows:
        whole = set(row.members) == (set(store.schema.names) if row.status == index.COMMITTED else set())
        if not whole or (row.status == index.REJECTED and row.reason not in known):
            message = f"status '{row.status}' with reason '{row.reason}' and {len(row.members)} fields."
            yield Problem(commit.index.name, message, commit.shard, row.key)


def _check_tar(store: Store, commit: Commit, rows: list[IndexRow], deep: bool) -> Iterator[Problem]:
    path = store.root / commit.tar.name
    if not path.exists() or path.stat().st_size != commit.tar.bytes:
        got = f"{path.stat().st_size} bytes" if path.exists() else "no file"
        yield Problem(
            commit.tar.name, f"{commit.tar.bytes} bytes expected, {got} found; {_FIX}", commit.shard
        )
        if not path.exists():
            return
    if not deep:
        return
    named = False
    with path.open("rb") as file:
        for row in rows:
            for name, member in row.members.items():
                file.seek(member.offset)
                data = file.read(member.length)
                try:
                    check_payload(data, member.crc32, row.key, name, commit.shard)
                    problem = _check_meta(store, row, data) if name == META else ""
                except CorruptStore as error:
                    problem = str(error)
                if problem:
                    named = True
                    yield Problem(commit.tar.name, problem, commit.shard, row.key, name)
    wanted = [row.members.get(name) for row in rows if row.members for name in store.schema.names]
    try:
        if list(scan(path)) != wanted and not named:
            named = True
            yield Problem(commit.tar.name, f"its members are not those of the index; {_FIX}", commit.shard)
    except CorruptStore as error:
        named = True
        yield Problem(commit.tar.name, str(error), commit.shard)
    if not named and sha256_file(path) != commit.tar.sha256:
        yield Problem(commit.tar.name, f"its SHA-256 is not {commit.tar.sha256[:12]}; {_FIX}", commit.shard)


def _check_meta(store: Store, row: IndexRow, data: bytes) -> str:
    try:
        meta = json.loads(data)
        planned = store.plan.row(row.key)
        if meta["key"] != row.key or meta["plan"] != vars(planned):
            return "its meta belongs to another plan row."
        named = sorted(meta["quality"])
    except (ValueError, KeyError, TypeError, RecursionError, StoreError):
        return "its meta is not what facepairs writes."
    if named != sorted(row.quality):
        return "its meta and its index row name different quality numbers."
    return ""


def _check_strangers(store: Store) -> Iterator[Problem]:
    for path in sorted((store.root / "commits").glob("*.json")):
        if not (path.stem.isdecimal() and len(path.stem) < 20) or int(path.stem) not in store.plan.shards:
            yield Problem(
                f"commits/{path.name}", "the plan has no such shard; it comes from another store: delete it."
            )
    for path in sorted((store.root / "alarms").glob("*.json")):
        message = "two attempts made different bytes; compare the files that it names, then delete it."
        shard = path.name.split("-")[0]
        known = shard.isdecimal() and len(shard) < 20
        yield Problem(f"alarms/{path.name}", message, int(shard) if known else None)


def _superseded(store: Store) -> list[Commit]:
    try:
        return superseded(store.root)
    except CorruptStore:
        return []  # told by _check_superseded


def _check_superseded(store: Store, deep: bool) -> Iterator[Problem]:
    """What a retry replaced and a generation may still pin."""
    yield from _attempt("superseded", lambda: superseded(store.root))
    for commit in _superseded(store):
        yield from _attempt(commit.index.name, lambda c=commit: read_checked(store.root, c.index))
        path = store.root / commit.tar.name
        if not path.exists() or path.stat().st_size != commit.tar.bytes:
            yield Problem(commit.tar.name, "a generation pins it, and it is gone or short.", commit.shard)
        elif deep and sha256_file(path) != commit.tar.sha256:
            yield Problem(commit.tar.name, f"its SHA-256 is not {commit.tar.sha256[:12]}.", commit.shard)


def _check_notes(store: Store) -> Iterator[Problem]:
    """Settings of retries, and what was permitted."""
    for path in (*sorted((store.root / SETTINGS).glob("*.json")), store.root / PERMISSIONS):
        if path.exists():
            yield from _attempt(
                path.relative_to(store.root).as_posix(), lambda p=path: _check_settings(p, read_sealed(p))
            )


def _check_settings(path: Path, body: dict[str, object]) -> None:
    if path.name != PERMISSIONS and fingerprint(body) != path.stem:
        raise CorruptStore(f"{path.name}: its settings have another fingerprint; restore it from a copy.")


def _check_generation(store: Store, done: dict[int, Commit]) -> Iterator[Problem]:
    for path in sorted((store.root / "manifests").glob("gen-*.json")):
        yield from _attempt(
            f"manifests/{path.name}", lambda p=path: generation.read_generation(store.root, p.name)
        )
    try:
        published = generation.latest(store.root)
    except (StoreError, KeyError) as error:
        yield Problem(LATEST, str(error))
        return
    if published is None:
        return
    replaced = {commit.content for commit in _superseded(store)}
    for name, content in published.commits.items():
        commit = done.get(int(name))
        if content in replaced:
            continue
        if commit is None and not commit_path(store.root, int(name)).exists():
            yield Problem(
                f"manifests/{published.name}",
                f"it lists shard {name}, which has no commit; {_FIX}",
                int(name),
            )
        elif commit is not None and commit.content != content:
            message = f"it pins other bytes than shard {name} has; publish again."
            yield Problem(f"manifests/{published.name}", message, int(name))


_FIX = "forget the shard with `facepairs gc --forget SHARD` and run the synthesis again."
