"""The plan: every pair that a store will hold, decided before anything is computed."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import StoreError
from storage.files import canonical_json
from storage.matching import match
from storage.poses import YAW_EDGES, cycle, draw_poses
from storage.untrusted import check_parquet

SPLITS = {"train": 0.9, "val": 0.05, "test": 0.05}
_MAX_PAIRS = 10**8  # eight digits of key
_BLOCK = 10_000  # rows hashed at a time


@dataclass(frozen=True)
class PlanRow:
    """One planned pair. All chance in it comes from ``(seed, index, stage name, stage version)``."""

    key: str  # fixed width, no dots: "00000042"
    index: int  # position in the plan
    shard: int
    seed: int
    source: str  # annotated face: "<first 16 hex of the photo's sha256>-<face number>"
    head: str  # head model name
    texture: str  # texture name
    split: str  # "train" | "val" | "test", disjoint by photo, and by person where photos are labelled
    yaw: float = 0.0  # planned, degrees: the photo's own and the turn
    turn: float = 0.0  # degrees by which the photo's head is turned; 0 leaves the photo as it is


@dataclass(frozen=True)
class SourceRef:
    """What the plan must know of an annotated face."""

    id: str  # PlanRow.source
    yaw: float  # degrees, camera.py's sign
    photo: str  # decides the split: who the photo shows where that is labelled, else its content hash


PLAN_COLUMNS = pa.schema(
    [
        (f.name, {"int": pa.int64(), "float": pa.float64(), "str": pa.string()}[str(f.type)])
        for f in fields(PlanRow)
    ]
)


@dataclass(frozen=True)
class Plan:
    """All rows, in order of index; the rows of a shard are neighbours and share one head."""

    rows: tuple[PlanRow, ...]

    def __post_init__(self) -> None:
        heads: dict[int, str] = {}
        last = -1
        for i, row in enumerate(self.rows):
            if row.index != i or row.key != f"{i:08d}":
                raise StoreError(
                    f"plan row {i} has index {row.index} and key '{row.key}'; number rows from 0 with keys "
                    "of eight digits."
                )
            if row.shard not in (last, last + 1):
                raise StoreError(
                    f"plan row {row.key} is in shard {row.shard} after shard {last}; shards must follow each "
                    "other from 0."
                )
            last = row.shard
            if heads.setdefault(row.shard, row.head) != row.head:
                raise StoreError(
                    f"plan row {row.key}: shard {row.shard} has the heads '{heads[row.shard]}' and "
                    f"'{row.head}'; one shard takes one head."
                )

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the rows' content; the same whichever library version wrote the file."""
        digest, comma = sha256(b"["), b""
        for at in range(0, len(self.rows), _BLOCK):  # one JSON text of 10 million rows would take gigabytes
            block = [list(vars(row).values()) for row in self.rows[at : at + _BLOCK]]
            digest.update(comma + canonical_json(block)[1:-1])
            comma = b","
        digest.update(b"]")
        return digest.hexdigest()

    @cached_property
    def shards(self) -> Mapping[int, tuple[PlanRow, ...]]:
        """Rows by shard."""
        found: dict[int, list[PlanRow]] = {}
        for row in self.rows:
            found.setdefault(row.shard, []).append(row)
        return {shard: tuple(rows) for shard, rows in found.items()}

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, key: str) -> PlanRow:
        """The row of ``key``, or a StoreError that says which keys there are."""
        if not (len(key) == 8 and key.isascii() and key.isdigit() and int(key) < len(self.rows)):
            raise StoreError(
                f"the plan has no sample '{key}'; its keys run from 00000000 to {len(self.rows) - 1:08d}."
            )
        return self.rows[int(key)]

    def to_parquet(self) -> bytes:
        """The file's bytes: the same for the same rows and the same pyarrow version."""
        columns = [[getattr(row, name) for row in self.rows] for name in PLAN_COLUMNS.names]
        table = pa.table(
            [pa.array(c, f.type) for c, f in zip(columns, PLAN_COLUMNS, strict=True)], schema=PLAN_COLUMNS
        )
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd", write_page_checksum=True, row_group_size=1 << 20)
        return buffer.getvalue()

    @staticmethod
    def from_parquet(source: Path | bytes) -> Plan:
        """Inverse of :meth:`to_parquet`.

        Raises:
            StoreError: the file lacks a column; plans without poses are of store format 1.
        """
        data = source if isinstance(source, bytes) else source.read_bytes()
        with pq.ParquetFile(io.BytesIO(data)) as file:
            check_parquet(file, len(data), "plan.parquet")
            there = file.schema_arrow.names
        if missing := [name for name in PLAN_COLUMNS.names if name not in there]:
            raise StoreError(
                f"the plan has no column '{missing[0]}', this version needs {', '.join(PLAN_COLUMNS.names)}; it "
                "was written by an older facepairs: read it with that version, or plan a new store."
            )
        table = pq.read_table(io.BytesIO(data), schema=PLAN_COLUMNS)
        columns = [table.column(name).to_pylist() for name in PLAN_COLUMNS.names]
        for n, column in enumerate(columns):
            if PLAN_COLUMNS.names[n] != "key" and PLAN_COLUMNS.types[n] == pa.string():
                one: dict[str, str] = {}  # rows share their names: half of a plan's memory
                columns[n] = [one.setdefault(text, text) for text in column]
        return Plan(tuple(map(PlanRow, *columns)))


def split_of(photo: str, splits: Mapping[str, float] = SPLITS) -> str:
    """The split of a photo: by a hash of its content or of its person's label, so it never changes, and no photo and no
    labelled person is in two splits."""
    at = int.from_bytes(sha256(f"split:{photo}".encode()).digest()[:8], "big") / 2**64 * sum(splits.values())
    for name, share in splits.items():
        at -= share
        if at < 0:
            return name
    return list(splits)[-1]


def _in_order(
    weights: np.ndarray,
    sources: Sequence[SourceRef],
    ordered: Sequence[SourceRef],
    textures: Sequence[str],
    skins: Sequence[str],
) -> np.ndarray:
    """The table with its rows and columns sorted as the plan's sources and textures are."""
    if weights.shape != (len(sources), len(textures)) or not (
        np.isfinite(weights).all() and (weights >= 0).all()
    ):
        raise StoreError(
            f"weights of {len(sources)} sources x {len(textures)} textures, finite and >= 0, expected, got a table of "
            f"shape {weights.shape}; compute it with tasks.appearance.compatibility."
        )
    row = {source.id: i for i, source in enumerate(sources)}
    column = {name: j for j, name in enumerate(textures)}
    return weights[np.ix_([row[s.id] for s in ordered], [column[name] for name in skins])]


def _shards(
    names: Sequence[str], pairs: int, size: int, weights: Mapping[str, float] | None
) -> Iterator[tuple[int, range]]:
    """Head and rows of each shard. Heads take turns so that each is always about as far as its weight says."""
    share = np.array([1.0 if weights is None else weights.get(name, 0.0) for name in names])
    if not (np.isfinite(share).all() and (share > 0).all()):
        raise StoreError(
            f"a weight above 0 for each of the heads {', '.join(names)} expected, got {share.tolist()}; leave a head "
            "out instead of giving it no weight."
        )
    share = share / share.sum()
    wanted = np.floor(share * pairs).astype(int)
    rest = np.argsort(-(share * pairs - wanted), kind="stable")[: pairs - int(wanted.sum())]
    wanted[rest] += 1
    made = np.zeros(len(names), int)
    at = 0
    while at < pairs:
        behind = np.where(made < wanted, made / np.maximum(wanted, 1), np.inf)
        h = int(np.argmin(behind))
        count = min(size, int(wanted[h] - made[h]))
        yield h, range(at, at + count)
        made[h] += count
        at += count


def draw_plan(
    sources: Sequence[SourceRef],
    heads: Sequence[str],
    textures: Sequence[str],
    pairs: int,
    seed: int,
    shard_size: int = 250,
    splits: Mapping[str, float] = SPLITS,
    yaw_edges: Sequence[float] = YAW_EDGES,
    weights: np.ndarray | None = None,
    head_weights: Mapping[str, float] | None = None,
) -> Plan:
    """Draw a plan of ``pairs`` rows, whatever the order of ``sources`` and ``textures``.

    Textures are used as evenly as possible; heads are given out by whole shards, because a shard has one head.
    ``yaw_edges`` (degrees of absolute yaw) balance the poses, by turning photographs where a collection lacks large
    ones (paper, limitations; :func:`storage.poses.draw_poses`); without them every photograph is used as it is, equally
    often.
    ``weights[i, j] >= 0`` says how well texture ``j`` suits source ``i``, both in the order given; a weight of 0 is
    never drawn, unless a source has no other (see :func:`storage.matching.match`).
    ``head_weights`` says how many pairs each head gets in proportion, equally many without it; heads take turns by
    shards, and which source or texture a row has does not depend on its head.

    Raises:
        StoreError: nothing to draw from, or numbers out of range.
    """
    for name, items in (("source", sources), ("head", heads), ("texture", textures)):
        if not items:
            raise StoreError(
                f"a plan needs at least one {name}, got none; run `facepairs assets list` or pass "
                "photographs with faces."
            )
    if not 0 < pairs <= _MAX_PAIRS or shard_size < 1 or seed < 0:
        raise StoreError(
            f"pairs in 1..{_MAX_PAIRS}, shard_size >= 1 and seed >= 0 expected, got {pairs}, {shard_size}, "
            f"{seed}."
        )
    ordered, names, skins = sorted(sources, key=lambda s: s.id), sorted(set(heads)), sorted(set(textures))
    if len({s.id for s in ordered}) != len(ordered):
        raise StoreError("two sources have the same id; give every annotated face once.")
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)]
    source, turn = draw_poses([s.yaw for s in ordered], pairs, yaw_edges, streams[0])
    if weights is None:
        texture = cycle(len(skins), pairs, streams[2])
    else:
        texture = match(_in_order(weights, sources, ordered, textures, skins), source, streams[2])

    rows: list[PlanRow] = []
    for shard, (h, block) in enumerate(_shards(names, pairs, shard_size, head_weights)):
        for i in block:
            ref = ordered[int(source[i])]
            rows.append(
                PlanRow(
                    f"{i:08d}",
                    i,
                    shard,
                    seed,
                    ref.id,
                    names[h],
                    skins[int(texture[i])],
                    split_of(ref.photo, splits),
                    round(ref.yaw + float(turn[i]), 2),
                    float(turn[i]),
                )
            )
    return Plan(tuple(rows))
