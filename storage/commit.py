"""The commit of a shard: eight steps, first writer wins, and an alarm when two attempts disagree.

1. an attempt folder of its own on the store's file system, held by a lock, after a look at the free space;
2. tar written and hashed, fsync, index fsync, and the tar read again and checked against the index;
3. both moved to names that only this attempt has, folder fsync;
4. commit file linked if absent, folder fsync; the loser compares bytes;
5. what no commit names is garbage (:mod:`storage.gc`);
6. publish (:mod:`storage.generation`);
7. resume = plan - commits (:meth:`storage.store.Store.pending`);
8. any OSError aborts the shard, cleans up, and rejects no sample.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage import index
from storage.crash import crashpoint
from storage.errors import CorruptStore, DeterminismAlarm, ShardAborted
from storage.files import (
    canonical_json,
    read_sealed,
    seal,
    sha256_bytes,
    sha256_file,
    sync_folder,
    write_once,
)
from storage.index import IndexRow
from storage.layout import SUPERSEDED, StoredFile, locked
from storage.schema import Schema
from storage.tarshard import TarWriter, scan
from storage.untrusted import count_of, plain_name, saying

LOCK = "lock"


@dataclass(frozen=True)
class Commit:
    """The only mark that a shard is done."""

    shard: int
    plan: str  # plan hash
    fingerprint: str
    tar: StoredFile
    index: StoredFile
    planned: int
    committed: int
    rejected: int
    reasons: Mapping[str, int]
    attempt: str
    host: str
    started: float  # seconds since 1970
    ended: float
    info: Mapping[str, Any]  # timings and whatever the flow wants to remember; never part of any hash
    retried: Mapping[str, str] = field(
        default_factory=dict
    )  # key -> fingerprint that made it (storage.retry)

    @property
    def content(self) -> str:
        """SHA-256 of what the commit says about the data, without attempt, host, names and times."""
        said = [
            self.shard, self.plan, self.fingerprint, self.tar.bytes, self.tar.sha256, self.index.bytes,
            self.index.sha256, self.planned, self.committed, self.rejected, self.reasons,
            *([self.retried] if self.retried else ()),
        ]  # fmt: skip
        return sha256_bytes(canonical_json(said))

    def body(self) -> dict[str, Any]:
        """The JSON form."""
        plain = dict(vars(self))
        plain |= {"tar": vars(self.tar), "index": vars(self.index), "reasons": dict(self.reasons)}
        # Absent where nothing was retried, as in commits that were written before there were retries.
        return plain if self.retried else {k: v for k, v in plain.items() if k != "retried"}

    @property
    def fingerprints(self) -> set[str]:
        """Of everything that made samples of this shard."""
        return {self.fingerprint, *self.retried.values()}

    def made_by(self, key: str) -> str:
        """Fingerprint of what made a sample."""
        return self.retried.get(key, self.fingerprint)


def commit_path(root: Path, shard: int) -> Path:
    """Where the commit of a shard is, if it is done."""
    return root / "commits" / f"{shard:06d}.json"


def read_commit(root: Path, shard: int) -> Commit:
    """The commit of a shard.

    Raises:
        FileNotFoundError: the shard is pending.
        CorruptStore: the file was damaged.
    """
    path = commit_path(root, shard)
    commit = _read(path)
    if commit.shard != shard:
        raise CorruptStore(
            f"commits/{path.name}: it is the commit of shard {commit.shard}; restore the right file or "
            "delete it."
        )
    return commit


def superseded(root: Path) -> list[Commit]:
    """Commits that a retry replaced (:mod:`storage.retry`), by shard and attempt.

    Raises:
        CorruptStore: one was damaged.
    """
    return [_read(path) for path in sorted((root / SUPERSEDED).glob("*.json"))]


def _read(path: Path) -> Commit:
    body, where = read_sealed(path), f"{path.parent.name}/{path.name}"
    with saying(where):
        body |= {"tar": StoredFile(**body["tar"]), "index": StoredFile(**body["index"])}
        commit = Commit(**body)
        for number in (
            commit.shard,
            commit.planned,
            commit.committed,
            commit.rejected,
            *commit.reasons.values(),
        ):
            count_of(number, where)
        plain_name(commit.attempt, where)
        if not all(isinstance(text, str) for text in (*commit.fingerprints, commit.plan, *commit.retried)):
            raise TypeError("text expected for plan and fingerprints")
        return commit


@contextmanager
def attempt_folder(root: Path, shard: int, need: int) -> Iterator[Path]:
    """A locked folder under ``tmp/`` for one attempt; removed afterwards, whatever happened.

    The lock, not a date, tells :mod:`storage.gc` that the attempt is alive.

    Raises:
        ShardAborted: less free space than the shard may take, or the file system refuses.
    """
    free = shutil.disk_usage(root).free
    if free < need:
        raise ShardAborted(
            f"shard {shard}: up to {need / 1e6:.0f} MB needed at {root}, {free / 1e6:.0f} MB free; free some "
            "space and run the same command again."
        )
    folder = root / "tmp" / f"{shard:06d}-{uuid.uuid4().hex}"
    folder.parent.mkdir(exist_ok=True)
    with locked(folder.parent):  # so that the garbage collector never sees a folder without its lock
        folder.mkdir()
        fd = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
        fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        crashpoint("attempt_made")
        yield folder
    finally:
        os.close(fd)
        # After the link the shard is committed: a folder that cannot be removed is garbage, not a failure.
        shutil.rmtree(folder, ignore_errors=True)


def write_attempt(
    folder: Path, rows: Iterator[tuple[IndexRow, Mapping[str, bytes]]], schema: Schema
) -> tuple[StoredFile, StoredFile, list[IndexRow]]:
    """Steps 1 and 2: tar and index in the attempt's folder, on the disk and checked.

    ``rows`` come in key order with the encoded fields of committed samples; their ``members`` are filled in here.
    """
    done: list[IndexRow] = []
    tar_path, index_path = folder / "shard.tar", folder / "shard.idx.parquet"
    with TarWriter(tar_path) as tar:
        crashpoint("tar_started")
        for row, encoded in rows:
            members = {
                name: tar.add(f"{row.key}.{schema.extension(name)}", encoded[name])
                for name in (schema.names if row.status == index.COMMITTED else ())
            }
            done.append(
                IndexRow(row.key, row.status, row.reason, row.stage, row.detail, members, row.quality)
            )
            if len(done) == 1:
                crashpoint("tar_written")
        digest = tar.close()
    crashpoint("tar_synced")
    data = index.to_parquet(done, schema)
    with index_path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    crashpoint("index_synced")
    _check_attempt(tar_path, digest, index_path, data, done, schema)
    crashpoint("attempt_checked")
    return (
        StoredFile(tar_path.name, tar.bytes, digest),
        StoredFile(index_path.name, len(data), sha256_bytes(data)),
        done,
    )


def _check_attempt(
    tar: Path, digest: str, idx: Path, data: bytes, rows: Sequence[IndexRow], schema: Schema
) -> None:
    wanted = [row.members[name] for row in rows if row.members for name in schema.names]
    if list(scan(tar)) != wanted or sha256_file(tar) != digest or idx.read_bytes() != data:
        raise ShardAborted(
            f"{tar}: the bytes read back are not those written; check the disk and run the same command "
            "again."
        )


def link_commit(root: Path, folder: Path, commit: Commit) -> tuple[str, Commit]:
    """Steps 3 and 4: give the files their names and try to be the first.

    Returns:
        ``("committed", ours)``; ``("duplicate", theirs)`` when another attempt was first with equal bytes; or
        ``("lost", theirs)`` when it was first with another fingerprint.

    Raises:
        DeterminismAlarm: another attempt was first and, with equal fingerprints, its bytes differ.
    """
    try:
        if _name_and_link(root, folder, commit):
            return "committed", commit
    except OSError:
        # A full disk needs its space back, but a commit that did get its name needs its files.
        with suppress(OSError, CorruptStore):
            path = commit_path(root, commit.shard)
            if not path.exists() or read_commit(root, commit.shard).attempt != commit.attempt:
                remove_files(root, commit)
        raise
    first = read_commit(root, commit.shard)
    if first.fingerprint == commit.fingerprint and first.content != commit.content:
        alarm = {"shard": commit.shard, "first": first.body(), "second": commit.body()}
        write_once(root / "alarms" / f"{commit.shard:06d}-{commit.attempt}.json", seal(alarm))
        raise DeterminismAlarm(
            f"shard {commit.shard}: two attempts with one plan and fingerprint made different bytes "
            f"({first.tar.name} and {commit.tar.name}, both kept); compare them and bump the version of the "
            "stage that differs."
        )
    remove_files(root, commit)
    return ("duplicate" if first.content == commit.content else "lost"), first


def _name_and_link(root: Path, folder: Path, commit: Commit) -> bool:
    target = (root / commit.tar.name).parent
    target.mkdir(parents=True, exist_ok=True)
    (folder / "shard.tar").rename(root / commit.tar.name)
    crashpoint("tar_moved")
    (folder / "shard.idx.parquet").rename(root / commit.index.name)
    crashpoint("index_moved")
    sync_folder(target)
    sync_folder(target.parent)
    crashpoint("shards_synced")
    path = commit_path(root, commit.shard)
    if not write_once(path, seal(commit.body()), "commit_temp", "commit_linked"):
        return False
    crashpoint("commit_synced")
    return True


def remove_files(root: Path, commit: Commit) -> None:
    """Remove what a commit names, as far as the system lets us."""
    for name in (commit.tar.name, commit.index.name):
        with suppress(OSError):
            (root / name).unlink()


def new_commit(
    shard: int, plan: str, fingerprint: str, tar: StoredFile, idx: StoredFile, rows: Sequence[IndexRow],
    folder: Path, started: float, info: Mapping[str, Any],
) -> Commit:  # fmt: skip
    """The commit of an attempt, with the names that its files will have."""
    counts, reasons = index.count(rows)
    attempt = folder.name.split("-")[1]
    base = f"shards/{shard // 1000:03d}/{shard:06d}-{attempt}"
    return Commit(
        shard, plan, fingerprint,
        StoredFile(f"{base}.tar", tar.bytes, tar.sha256),
        StoredFile(f"{base}.idx.parquet", idx.bytes, idx.sha256),
        counts["planned"], counts["committed"], counts["rejected"], reasons,
        attempt, socket.gethostname(), started, time.time(), dict(info),
    )  # fmt: skip
