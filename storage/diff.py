"""What changed between two generations of a store: samples, their bytes, rejects, settings and code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage import index
from storage.commit import Commit
from storage.errors import StoreError
from storage.fingerprint import differences
from storage.generation import Generation, generations, latest, pinned_commits, read_generation
from storage.index import COMMITTED, IndexRow
from storage.layout import read_checked
from storage.retry import settings_of
from storage.store import Store


@dataclass(frozen=True)
class RowChange:
    """One sample that is not the same in both generations."""

    key: str
    before: str  # "committed", "pending", or the reason of the reject
    after: str
    fields: tuple[str, ...]  # whose bytes differ, where both have it


@dataclass(frozen=True)
class Difference:
    """Two generations compared. Bytes are those of the tars."""

    before: str
    after: str
    same: bool
    shards: tuple[int, ...]  # whose content differs
    rows: tuple[RowChange, ...]
    totals: Mapping[str, tuple[int, int]]
    reasons: Mapping[str, tuple[int, int]]
    bytes: tuple[int, int]
    settings: Mapping[
        str, str
    ]  # fingerprint that only the later one has -> what in it differs from the store's own


def find_generation(store: Store, name: str) -> Generation:
    """A generation by number ("3"), name ("gen-000003", with or without ".json"), or "latest".

    Raises:
        StoreError: there is none of that name; lists those there are.
    """
    if name == "latest":
        if (found := latest(store.root)) is not None:
            return found
    else:
        file = (
            f"gen-{int(name):06d}.json"
            if name.isascii() and name.isdigit()
            else f"{name.removesuffix('.json')}.json"
        )
        if file in generations(store.root):
            return read_generation(store.root, file)
    there = (
        ", ".join(generations(store.root)) or f"none yet; type `facepairs run {store.root}` to publish one"
    )
    raise StoreError(f"{store.root} has no generation '{name}'; it has {there}.")


def compare(store: Store, before: Generation, after: Generation) -> Difference:
    """Compare two generations; only shards that differ are opened.

    Raises:
        CorruptStore: a commit or an index that one of them pins is gone or damaged.
    """
    old, new = pinned_commits(store, before), pinned_commits(store, after)
    shards = tuple(
        shard
        for shard in sorted(old.keys() | new.keys())
        if before.commits.get(f"{shard:06d}") != after.commits.get(f"{shard:06d}")
    )
    rows = tuple(
        change for shard in shards for change in _changes(store, shard, old.get(shard), new.get(shard))
    )
    own: Mapping[str, Any] = store.description["config"]
    fresh = set(after.fingerprints) - set(before.fingerprints)
    return Difference(
        before.name, after.name, before.hash == after.hash, shards, rows,
        _pairs(before.totals, after.totals), _pairs(before.reasons, after.reasons),
        (_bytes(old), _bytes(new)),
        {mark: _told(own, settings_of(store, mark)) for mark in sorted(fresh)},
    )  # fmt: skip


def _told(own: Mapping[str, Any], other: Mapping[str, Any] | None) -> str:
    return (
        "its settings were not kept"
        if other is None
        else differences(own, other, 12) or "the store's own settings"
    )


def _pairs(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    return {name: (before.get(name, 0), after.get(name, 0)) for name in sorted(before.keys() | after.keys())}


def _bytes(commits: Mapping[int, Commit]) -> int:
    return sum(commit.tar.bytes for commit in commits.values())


def _changes(store: Store, shard: int, old: Commit | None, new: Commit | None) -> list[RowChange]:
    before, after = _rows(store, old), _rows(store, new)
    found = []
    for planned in store.plan.shards[shard]:
        a, b = before.get(planned.key), after.get(planned.key)
        told = _status(a), _status(b)
        fields = tuple(
            sorted(name for name in _marks(a) if _marks(b).get(name, _marks(a)[name]) != _marks(a)[name])
        )
        if told[0] != told[1] or fields or (a and b and a.detail != b.detail):
            found.append(RowChange(planned.key, *told, fields))
    return found


def _rows(store: Store, commit: Commit | None) -> dict[str, IndexRow]:
    if commit is None:
        return {}
    rows = index.from_parquet(read_checked(store.root, commit.index), store.schema, commit.index.name)
    return {row.key: row for row in rows}


def _status(row: IndexRow | None) -> str:
    return "pending" if row is None else row.status if row.status == COMMITTED else row.reason


def _marks(row: IndexRow | None) -> dict[str, tuple[int, int]]:
    """Length and CRC of each field."""
    return {name: (m.length, m.crc32) for name, m in row.members.items()} if row else {}
