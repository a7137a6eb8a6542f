"""Rejected samples made again after their cause was fixed; what was committed stays byte for byte as it is.

A retried shard gets a new tar and index, its commit is replaced in one step, and the old commit is kept under
``superseded/`` for as long as a generation pins it, so that every published generation can still be read and compared.
Which samples were made by other settings or code than their shard is said in the commit (``retried``), and enters its
content hash.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from storage import commit as commits
from storage.commit import Commit, commit_path
from storage.crash import crashpoint
from storage.errors import ShardAborted, StoreError
from storage.files import make_folder, read_sealed, seal, sync_folder, write_once, write_replace
from storage.fingerprint import differences, fingerprint
from storage.index import COMMITTED, REJECTED, IndexRow
from storage.layout import SETTINGS, SUPERSEDED, locked
from storage.outcome import Encoded, OutcomeOSError, Rejected, Sample, guarded, in_key_order
from storage.store import Store, Written
from storage.tarshard import check_payload

SAME_ASSETS = (
    "assets"  # of the configuration: heads and textures, which the snapshot holds once for all samples
)


def rejected_keys(store: Store, reasons: Iterable[str]) -> dict[int, list[str]]:
    """Keys that were rejected for one of the reasons, by shard."""
    wanted = set(reasons)
    found: dict[int, list[str]] = {}
    for shard, commit in store.commits().items():
        if wanted & set(commit.reasons):
            found[shard] = [row.key for row in store.index_rows(shard) if row.reason in wanted]
    return found


def check_retry(store: Store, config: Mapping[str, Any], *, allow_mixed: bool = False) -> str:
    """The fingerprint that retried samples will carry.

    Raises:
        StoreError: it is another one and ``allow_mixed`` was not given, or heads or textures differ.
    """
    mark, own = fingerprint(config), store.description["config"]
    if mark == store.description["fingerprint"]:
        return mark
    if own.get(SAME_ASSETS) != config.get(SAME_ASSETS):
        changed = differences(own.get(SAME_ASSETS, {}), config.get(SAME_ASSETS, {}), 1)
        raise StoreError(
            f"{store.root}: a retry keeps heads and textures as the snapshot has them, but {changed}; plan a new store."
        )
    if not allow_mixed:
        raise StoreError(
            f"{store.root}: retried samples would be made by other settings or code ({differences(own, config)}); "
            "that is what a retry is for, but say so with --allow-mixed."
        )
    return mark


def retry_shard(
    store: Store,
    shard: int,
    outcomes: Iterable[Sample | Rejected],
    config: Mapping[str, Any],
    info: Mapping[str, Any] | None = None,
) -> Written:
    """Replace the outcomes of some rejected samples of a committed shard. Safe to call again and to be killed in.

    Args:
        store: the store.
        shard: a committed shard.
        outcomes: a new outcome for each sample to replace, in any order.
        config: what made them (see :func:`storage.fingerprint.fingerprint`).
        info: timings and notes for the commit file; they enter no hash.

    Returns:
        "committed" with the new commit; "same" when nothing changed; "lost" when another retry was first.

    Raises:
        StoreError: the shard is pending, or an outcome is for a sample that was not rejected.
        ShardAborted: the operating system refused a write; the shard stays as it was.
    """
    before = store.committed(shard)
    if before is None:
        raise StoreError(f"shard {shard} is pending; type 'facepairs run {store.root}' to make it first.")
    kept = store.index_rows(shard)
    mark, started = fingerprint(config), time.time()
    try:
        with commits.attempt_folder(store.root, shard, before.tar.bytes * 2) as folder:
            fresh: dict[str, Encoded] = {}
            rejects = {row.key for row in kept if row.status == REJECTED}
            planned = tuple(row for row in store.plan.shards[shard] if row.key in rejects)
            given = {outcome.key: outcome for outcome in guarded(outcomes)}
            if strange := sorted(set(given) - rejects):
                raise StoreError(
                    f"shard {shard}: sample {strange[0]} was not rejected; only rejects are retried."
                )
            chosen = tuple(row for row in planned if row.key in given)
            for row, data in in_key_order(shard, chosen, given.values(), store.schema):
                fresh[row.key] = (row, data)
            with (store.root / before.tar.name).open("rb") as old:
                rows = _merged(store, shard, kept, fresh, old.fileno())
                tar, idx, done = commits.write_attempt(folder, rows, store.schema)
            after = commits.new_commit(
                shard,
                before.plan,
                before.fingerprint,
                tar,
                idx,
                done,
                folder,
                started,
                {**before.info, "retries": [*before.info.get("retries", ()), dict(info or {})]},
            )
            after = replace(after, retried={**before.retried, **dict.fromkeys(sorted(fresh), mark)})
            if (after.tar.sha256, after.index.sha256) == (before.tar.sha256, before.index.sha256):
                return Written("same", before)
            if mark != store.description["fingerprint"]:
                keep_settings(store.root, config)
            return _swap(store, folder, before, after)
    except OutcomeOSError as error:
        raise error.cause from None
    except OSError as error:
        raise ShardAborted(
            f"shard {shard}: {error.strerror or error} while writing {error.filename or store.root}; the shard stays "
            "as it was: remove the cause and run the same command again."
        ) from error


def _merged(
    store: Store, shard: int, kept: list[IndexRow], fresh: Mapping[str, Encoded], fd: int
) -> Iterator[Encoded]:
    """Rows in key order: the fresh ones, and of the others their stored bytes, checked."""
    for row in kept:
        if row.key in fresh:
            yield fresh[row.key]
            continue
        data: dict[str, bytes] = {}
        for name, member in row.members.items() if row.status == COMMITTED else ():
            data[name] = os.pread(fd, member.length, member.offset)
            check_payload(data[name], member.crc32, row.key, name, shard)
        yield replace(row, members={}), data


def _swap(store: Store, folder: Path, before: Commit, after: Commit) -> Written:
    """Name the files, keep the old commit, and put the new one in its place if it is still the old one's."""
    root, target = store.root, (store.root / after.tar.name).parent
    try:
        (folder / "shard.tar").rename(root / after.tar.name)
        (folder / "shard.idx.parquet").rename(root / after.index.name)
        sync_folder(target)
        crashpoint("retry_named")
        with locked(root):
            now = store.committed(after.shard)
            if now is None or now.content != before.content:
                commits.remove_files(root, after)
                return Written("lost", now or before)
            make_folder(root / SUPERSEDED)
            write_once(_superseded_path(root, before), seal(before.body()))
            crashpoint("retry_superseded")
            write_replace(commit_path(root, after.shard), seal(after.body()), "retry_temp", "retry_replaced")
    except OSError:
        with suppress(OSError):
            if commits.read_commit(root, after.shard).attempt != after.attempt:
                commits.remove_files(root, after)
        raise
    return Written("committed", after)


def _superseded_path(root: Path, commit: Commit) -> Path:
    return root / SUPERSEDED / f"{commit.shard:06d}-{commit.attempt}.json"


def keep_settings(root: Path, config: Mapping[str, Any]) -> None:
    """Keep a configuration other than the store's own, under its fingerprint."""
    make_folder(root / SETTINGS)
    write_once(root / SETTINGS / f"{fingerprint(config)}.json", seal(config))


def settings_of(store: Store, mark: str) -> Mapping[str, Any] | None:
    """The configuration with a fingerprint; None when the store never kept it.

    Raises:
        CorruptStore: its file was damaged.
    """
    if mark == store.description["fingerprint"]:
        own: Mapping[str, Any] = store.description["config"]
        return own
    path = store.root / SETTINGS / f"{mark}.json"
    return read_sealed(path) if path.exists() else None
