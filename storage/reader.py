"""Random reads from a published generation, and an order of samples that no number of workers or GPUs changes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from storage import index
from storage.errors import CorruptStore, StoreError
from storage.generation import Generation, latest, pinned_commits, read_generation
from storage.layout import StoredFile, read_checked
from storage.store import Store
from storage.tarshard import CHECKSUM, check_payload

_MAX_OPEN = 256  # shards held open per process; the usual limit of open files is 1024
_NEAR = 1.25  # fields that fill this much of their span are cheaper to read at once, with what lies between


class PairReader:
    """The committed samples of one generation, by position; map-style, so any ``DataLoader`` takes it.

    Args:
        store: a store, its folder, or the URL of a remote one, whose tars are fetched when they are first read.
        split: "train", "val", "test", or None for all.
        fields: what to read and decode, such as ``("image", "sdf_index", "sdf_value")``; None for every array.
            ``"meta"`` may be among them. Fields that are not asked for cost nothing.
        generation: file name of a generation; None for the latest.
        check: compare the CRC of every field that is read.

    Raises:
        StoreError: nothing is published, or a field is unknown.
        CorruptStore: the generation, a commit or an index is not what was published.
    """

    def __init__(
        self,
        store: Store | Path | str,
        split: str | None = None,
        fields: Sequence[str] | None = None,
        generation: str | None = None,
        check: bool = True,
    ) -> None:
        store = store if isinstance(store, Store) else Store.open(store)
        self.root, self.schema, self.check = store.root, store.schema, check
        self.generation = _pinned(store, generation)
        self.fields = tuple(fields) if fields is not None else tuple(f.name for f in store.schema.fields)
        for name in self.fields:
            self.schema.extension(name)  # an unknown field is an error that lists the known ones
        keys: list[str] = []
        parts: list[np.ndarray[Any, np.dtype[np.int64]]] = []
        self._tars: dict[int, StoredFile] = {}
        self._fetch = store.tars
        names = self.schema.names
        columns = [f"{name}.{what}" for name in names for what in ("offset", "length", CHECKSUM)]
        for shard, commit in pinned_commits(store, self.generation).items():
            if shard not in store.plan.shards:
                raise CorruptStore(
                    f"{self.generation.name} pins shard {shard}, which the plan has not; do not use it."
                )
            self._tars[shard] = commit.tar
            if self._fetch is None:
                whole_tar(self.root, commit.tar)
            table = index.read_table(read_checked(self.root, commit.index), self.schema, commit.index.name)
            status = table.column("status").to_pylist()
            planned = store.plan.shards[shard]  # the index has the plan's rows in the plan's order
            if table.column("key").to_pylist() != [row.key for row in planned]:
                raise CorruptStore(
                    f"{commit.index.name}: its rows are not those planned; run `facepairs verify`."
                )
            wanted = [
                i
                for i, row in enumerate(planned)
                if status[i] == index.COMMITTED and split in (None, row.split)
            ]
            picked = table.take(pa.array(wanted, pa.int64()))  # typed: it may be empty
            keys += picked.column("key").to_pylist()
            if any(picked.column(c).null_count for c in columns):
                raise CorruptStore(
                    f"{commit.index.name}: a committed sample lacks a field; run `facepairs verify`."
                )
            where = np.stack([picked.column(c).to_numpy().astype(np.int64) for c in columns], axis=1)
            parts.append(np.insert(where, 0, shard, axis=1))
        self.keys = tuple(keys)
        positions = np.concatenate(parts)
        self._shard = positions[:, 0].tolist()
        wanted_columns = [names.index(name) for name in self.fields]
        self._where = positions[:, 1:].reshape(len(keys), len(names), 3)[
            :, wanted_columns
        ]  # offset, length, CRC
        self._fds: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def raw(self, i: int) -> dict[str, memoryview]:
        """The stored bytes of the fields, one read when they are neighbours in the tar; not decoded.

        Raises:
            CorruptStore: the bytes are short, or (with ``check``) not those committed.
        """
        shard = self._shard[i]
        rows = self._where[i].tolist()
        fd = self._fd(shard)
        start, end = min(row[0] for row in rows), max(row[0] + row[1] for row in rows)
        if end - start <= _NEAR * sum(row[1] for row in rows):
            whole = memoryview(os.pread(fd, end - start, start))
            parts = [whole[offset - start : offset - start + length] for offset, length, _ in rows]
        else:
            parts = [memoryview(os.pread(fd, length, offset)) for offset, length, _ in rows]
        for name, part, (_, length, crc) in zip(self.fields, parts, rows, strict=True):
            if len(part) != length:
                raise CorruptStore(
                    f"shard {shard}, sample {self.keys[i]}, field '{name}': {length} bytes expected, got "
                    f"{len(part)}; run `facepairs verify`."
                )
            if self.check:
                check_payload(part, crc, self.keys[i], name, shard)
        return dict(zip(self.fields, parts, strict=True))

    def crc(self, i: int, field: str) -> int:
        """CRC-32 of a field of sample ``i`` as committed."""
        return int(self._where[i, self.fields.index(field), 2])

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Decoded fields of sample ``i`` and its ``key``."""
        data = self.raw(i)
        return {"key": self.keys[i], **{n: self.schema.decode_field(n, d) for n, d in data.items()}}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_fds": {}}

    def _fd(self, shard: int) -> int:
        """A descriptor of this process: after a fork the child opens its own."""
        mine = (os.getpid(), shard)
        fd = self._fds.get(mine)
        if fd is None:
            while len(self._fds) >= _MAX_OPEN:
                os.close(self._fds.pop(next(iter(self._fds))))
            tar = self._tars[shard]
            path = self.root / tar.name if self._fetch is None else self._fetch(tar)
            fd = self._fds[mine] = os.open(path, os.O_RDONLY)
        return fd

    def close(self) -> None:
        """Give back the open files."""
        while self._fds:
            os.close(self._fds.popitem()[1])


def whole_tar(root: Path, tar: StoredFile) -> Path:
    """The path of a tar that is there and as long as was committed; its bytes are checked as they are read.

    Raises:
        CorruptStore: it is missing, or a copy of the store broke off in it.
    """
    path = root / tar.name
    found = path.stat().st_size if path.exists() else None
    if found != tar.bytes:
        got = "no file" if found is None else f"{found} bytes"
        raise CorruptStore(f"{tar.name}: {tar.bytes} bytes expected, {got} found; run `facepairs verify`.")
    return path


def _pinned(store: Store, name: str | None) -> Generation:
    found = latest(store.root) if name is None else read_generation(store.root, name)
    if found is None:
        raise StoreError(
            f"{store.root} has no published generation; run `facepairs synthesize` to its end first."
        )
    return found


@dataclass(frozen=True)
class EpochOrder:
    """Positions of one epoch for one rank: a function of (seed, epoch) alone, dealt out to the ranks one by one.

    The global order is the same for every ``world``, so step ``n`` of a run sees the same samples on 1 and on 8 GPUs.
    A ``DataLoader`` deals positions out to its workers, so their number changes nothing either.

    Args:
        length: samples in the dataset.
        seed: of the run.
        epoch: which pass; :meth:`next` gives the following one.
        rank, world: of this process.
        start: samples that all ranks together have used of this epoch: where to go on after an interruption.
        even: leave out the last ``length % world`` samples, so that every rank takes as many steps (DDP needs that);
            otherwise every sample comes exactly once, and some ranks have one more.
    """

    length: int
    seed: int
    epoch: int = 0
    rank: int = 0
    world: int = 1
    start: int = 0
    even: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.rank < self.world and 0 <= self.start <= self.length):
            raise StoreError(
                f"rank {self.rank} of {self.world} and start {self.start} of {self.length} do not fit; "
                "expected rank < world and start <= length."
            )

    def __len__(self) -> int:
        left = self.length - self.start
        return left // self.world if self.even else -(-(left - self.rank) // self.world)

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)[self.start :]
        yield from order[self.rank :: self.world][: len(self)].tolist()

    def next(self) -> EpochOrder:
        """The following epoch from its beginning."""
        return replace(self, epoch=self.epoch + 1, start=0)
