"""A pair store: a folder with a plan, tar shards, one commit per finished shard, and published generations.

Truth is these files. Whatever runs the synthesis may die at any time: the same command again goes on with
``pending() = plan - commits`` and reaches the same bytes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from storage import commit as commits
from storage import index
from storage.commit import Commit
from storage.errors import CorruptStore, ShardAborted, StoreError
from storage.fate import Counts, count, story
from storage.files import make_folder
from storage.fingerprint import differences, fingerprint
from storage.index import IndexRow
from storage.layout import StoredFile, initialise, locked, read_checked, read_description
from storage.outcome import OutcomeOSError, Rejected, Sample, in_key_order
from storage.plan import Plan, PlanRow
from storage.schema import META, PAIR_FIELDS, FieldSpec, Schema
from storage.tarshard import check_payload
from storage.untrusted import saying

__all__ = ["Counts", "Rejected", "Sample", "Store", "Written"]


@dataclass(frozen=True)
class Written:
    """What :meth:`Store.write_shard` did: the commit that holds, and "committed", "duplicate" or "lost"."""

    state: str
    commit: Commit


@dataclass(frozen=True)
class Store:
    """An open store. Make one with :meth:`create` or :meth:`open`."""

    root: Path
    plan: Plan
    schema: Schema
    config: Mapping[str, Any]
    fingerprint: str
    description: Mapping[str, Any]  # body of store.json
    tars: Callable[[StoredFile], Path] | None = None  # of a remote store: fetches a tar (storage.mirror)

    @staticmethod
    def create(
        path: Path | str,
        plan: Plan,
        config: Mapping[str, Any],
        snapshot: Mapping[str, bytes | memoryview] | None = None,
        *,
        quality: Iterable[str] = (),
        sizes: Mapping[str, int] | None = None,
        fields: tuple[FieldSpec, ...] = PAIR_FIELDS,
        allow_mixed: bool = False,
    ) -> Store:
        """Make a store, or open the one that is there if it has the same plan and fingerprint (resume).

        Args:
            path: folder; must be absent, empty, or a store.
            plan: every pair of the store.
            config: plain data that decides the bytes (see :func:`storage.fingerprint.fingerprint`).
            snapshot: small files that make the store readable by itself, such as the head model.
            quality: names of the numbers in every sample's ``meta["quality"]``.
            sizes: bound letters of the field table, such as ``{"R": 256, "N": 32768}``.
            fields: field table.
            allow_mixed: open a store that was begun with another fingerprint; new shards carry the new one.

        Raises:
            StoreError: the folder holds something else, or a store of another plan or fingerprint, or the operating
                system refused a write.
        """
        root = Path(path)
        try:
            make_folder(root)
            with locked(root):
                if not (root / "store.json").exists():
                    schema = Schema(fields, tuple(quality), dict(sizes or {}))
                    initialise(root, plan, config, snapshot or {}, schema)
        except OSError as error:
            raise StoreError(
                f"{root}: {error.strerror or error} while making the store; remove the cause and run the same command "
                "again."
            ) from error
        store = Store.open(root, config, allow_mixed=allow_mixed)
        if store.schema != Schema(fields, tuple(quality), dict(sizes or {})):
            raise StoreError(
                f"{root} was begun with another field table, quality list or sizes; choose a new folder, or "
                "give the same --size and --points as before."
            )
        if store.plan.hash != plan.hash:
            raise StoreError(
                f"{root} was begun with plan {store.plan.hash[:12]}, now plan {plan.hash[:12]} is given; "
                "choose a new folder, or give the same photographs, --pairs and --seed as before."
            )
        return store

    @staticmethod
    def open(
        path: Path | str, config: Mapping[str, Any] | None = None, *, allow_mixed: bool = False
    ) -> Store:
        """Open a store; with ``config`` also check that new shards would match the old ones.

        A URL, as text, opens a remote store for reading through a cache (:func:`storage.mirror.open_mirror`).

        Raises:
            StoreError: there is no store, or its fingerprint is another.
            CorruptStore: store.json or the plan was damaged.
        """
        if "://" in str(path):
            from storage.mirror import open_mirror

            return open_mirror(str(path))
        root = Path(path)
        body, plan = read_description(root)
        with saying("store.json"):
            own, begun, schema = body["config"], str(body["fingerprint"]), Schema.from_table(body["schema"])
            if not isinstance(own, dict):
                raise TypeError("the configuration is no object")
            mark = fingerprint(own if config is None else config)
        if mark != begun and not allow_mixed:
            raise StoreError(
                f"{root} was begun with fingerprint {begun[:12]}, the settings now give "
                f"{mark[:12]} ({differences(own, config or {})}); go back to the old settings, choose a new "
                "folder with --out, or mix both with --allow-mixed."
            )
        return Store(root, plan, schema, own if config is None else config, mark, body)

    def committed(self, shard: int) -> Commit | None:
        """The commit of a shard, or None while it is pending.

        Raises:
            CorruptStore: it was damaged, or belongs to another plan.
        """
        try:
            found = commits.read_commit(self.root, shard)
        except FileNotFoundError:
            return None
        if found.plan != self.plan.hash:
            raise CorruptStore(
                f"commits/{shard:06d}.json is of plan {found.plan[:12]}, the store has "
                f"{self.plan.hash[:12]}; the file comes from another store: delete it."
            )
        return found

    def commits(self) -> dict[int, Commit]:
        """Every commit, by shard."""
        found = ((shard, self.committed(shard)) for shard in self.plan.shards)
        return {shard: commit for shard, commit in found if commit is not None}

    def pending(self) -> list[int]:
        """Shards without a commit: what is left to do."""
        there = {p.name for p in (self.root / "commits").glob("*.json")}
        return [shard for shard in self.plan.shards if f"{shard:06d}.json" not in there]

    def counts(self) -> Counts:
        """The count equation, from the commits."""
        return count(self.plan, self.commits(), self.root)

    def shard_of(self, key: str) -> int:
        """The shard that a sample belongs to."""
        return self.plan.row(key).shard

    def write_shard(
        self, shard: int, outcomes: Iterable[Sample | Rejected], info: Mapping[str, Any] | None = None
    ) -> Written:
        """Write one shard and commit it. Safe to call again, and from several processes at once.

        Args:
            shard: shard of the plan.
            outcomes: exactly one outcome for each planned sample, in any order; encoded as they come.
            info: timings and notes for the commit file; they enter no hash.

        Raises:
            SchemaError: a sample does not fit the field table.
            StoreError: an outcome is missing, doubled or not planned here.
            ShardAborted: the operating system refused a write; the shard stays pending.
            DeterminismAlarm: another attempt made other bytes.
            Whatever ``outcomes`` raises: nothing is committed then.
        """
        if self.tars is not None:
            raise StoreError(
                f"{self.root} mirrors a remote store for reading; pull the store to go on with it."
            )
        started = time.time()
        rows = self._rows(shard)
        need = len(rows) * self.schema.sample_bytes()
        try:
            with commits.attempt_folder(self.root, shard, need) as folder:
                ordered = in_key_order(shard, rows, outcomes, self.schema)
                tar, idx, done = commits.write_attempt(folder, ordered, self.schema)
                mine = commits.new_commit(
                    shard, self.plan.hash, self.fingerprint, tar, idx, done, folder, started, info or {}
                )
                return Written(*commits.link_commit(self.root, folder, mine))
        except OutcomeOSError as error:
            raise error.cause from None
        except OSError as error:
            raise ShardAborted(
                f"shard {shard}: {error.strerror or error} while writing {error.filename or self.root}; the "
                "shard is still pending: remove the cause and run the same command again."
            ) from error

    def _rows(self, shard: int) -> tuple[PlanRow, ...]:
        if shard not in self.plan.shards:
            raise StoreError(f"the plan has no shard {shard}; its shards are 0..{len(self.plan.shards) - 1}.")
        return self.plan.shards[shard]

    def index_rows(self, shard: int) -> list[IndexRow]:
        """The index of a committed shard.

        Raises:
            StoreError: the shard is pending.
            CorruptStore: the index was damaged.
        """
        return self._read_index(self._done(shard))

    def _done(self, shard: int) -> Commit:
        found = self.committed(shard)
        if found is None:
            raise StoreError(f"shard {shard} is pending; run the synthesis again to make it.")
        return found

    def _read_index(self, commit: Commit) -> list[IndexRow]:
        rows = index.from_parquet(read_checked(self.root, commit.index), self.schema, commit.index.name)
        if len(rows) != len(self.plan.shards.get(commit.shard, ())):
            raise CorruptStore(
                f"{commit.index.name}: {len(rows)} rows, not those planned; run `facepairs verify`."
            )
        return rows

    def read(self, key: str, fields: Iterable[str] | None = None) -> dict[str, Any]:
        """Decoded fields of one committed sample, ``meta`` included by default.

        Raises:
            StoreError: the sample is pending or rejected (with the reason).
            CorruptStore: its bytes were damaged; nothing is returned then.
        """
        shard = self.shard_of(key)
        found, row = self._row(key)
        if row.status != index.COMMITTED:
            raise StoreError(
                f"sample {key} was rejected by stage '{row.stage}': {row.reason} ({row.detail}); see "
                f"`facepairs why {key}`."
            )
        out: dict[str, Any] = {}
        with self.tar(found).open("rb") as file:
            for name in (*(f.name for f in self.schema.fields), META) if fields is None else fields:
                self.schema.extension(name)  # an unknown field is an error with the list of fields
                if (member := row.members.get(name)) is None:
                    raise CorruptStore(
                        f"{found.index.name}: sample {key} lacks '{name}'; run `facepairs verify`."
                    )
                data = os.pread(file.fileno(), member.length, member.offset)
                check_payload(data, member.crc32, key, name, shard)
                out[name] = self.schema.decode_field(name, data)
        return out

    def why(self, key: str) -> dict[str, Any]:
        """What became of a planned sample: status, reason, stage, detail, quality, shard and plan row."""
        planned = self.plan.row(key)
        if self.committed(planned.shard) is None:
            return story(planned, None, None)
        return story(planned, *self._row(key))

    def _row(self, key: str) -> tuple[Commit, IndexRow]:
        """Index row of a sample of a committed shard, and that commit."""
        shard = self.shard_of(key)
        commit = self._done(shard)
        if commit.index.name not in self._indices:  # a retry gives a shard another index
            self._indices[commit.index.name] = self._read_index(commit)
        return commit, self._indices[commit.index.name][int(key) - self.plan.shards[shard][0].index]

    @cached_property
    def _indices(self) -> dict[str, list[IndexRow]]:
        return {}

    def tar_paths(self) -> list[Path]:
        """The committed shards in order: what a WebDataset pipeline may read.

        A glob over ``shards/`` would also find the files of dead attempts.
        """
        return [self.tar(c) for c in self.commits().values() if c.committed]

    def tar(self, commit: Commit) -> Path:
        """The tar of a commit; of a remote store it is fetched first."""
        return self.root / commit.tar.name if self.tars is None else self.tars(commit.tar)

    def snapshot(self, name: str) -> bytes:
        """A file of the snapshot, checked."""
        known = self.description["snapshot"]
        if name not in known:
            raise StoreError(
                f"{self.root} has no snapshot '{name}'; it has {', '.join(sorted(known)) or 'none'}."
            )
        return read_checked(self.root, StoredFile(**known[name]))
