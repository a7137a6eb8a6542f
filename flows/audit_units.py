"""The work of an audit in units that are done once: sub-batches of pairs, photographs, rejected rows.

A finished unit is one Parquet file below ``STORE/audit``, written whole or not at all, so a stopped audit goes on
where it was. Its name carries what it depends on; a unit of another state of the store is never read.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.config import SynthesizeError
from models.heads.linear import LinearHead
from storage.files import write_replace
from storage.index import COMMITTED, IndexRow
from storage.plan import PlanRow
from storage.store import Store
from tasks.audit_look import NEEDS, STORED, look_at_pair, look_at_photo, picture
from tasks.chain import Chain
from tasks.observe import Observer

if TYPE_CHECKING:
    from tasks.recipe import Recipe

EXAMPLES = 2  # rejected rows shown per reason
SIDE = 160  # pixels of each of their pictures
Notes = list[dict[str, Any]]


@dataclass(frozen=True)
class Unit:
    """A piece of work: ``kind`` is "pairs" (rows of one sub-batch), "photo" or "reject" (one row)."""

    kind: str
    rows: tuple[PlanRow, ...]

    @property
    def name(self) -> str:
        """Stem of its file."""
        row = self.rows[0]
        return f"photo-{row.head}-{row.source}" if self.kind == "photo" else f"{self.kind}-{row.key}"


@dataclass(frozen=True)
class Examiner:
    """Does units of one store.

    Attributes:
        store: the store.
        recipe: what made it.
        heads: head models by name.
        observer: the observers.
        folder: where finished units are.
    """

    store: Store
    recipe: Recipe
    heads: Callable[[str], LinearHead]
    observer: Observer
    folder: Path

    def do(self, unit: Unit) -> Notes:
        """The notes of a unit: read when it is done, else made and kept."""
        path = self.folder / f"{unit.name}.parquet"
        if path.exists():
            return pq.read_table(path).to_pylist()
        notes = {"pairs": self._pairs, "photo": self._photo, "reject": self._reject}[unit.kind](unit)
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(notes), buffer, compression="zstd")
        write_replace(path, buffer.getvalue())
        return notes

    def is_done(self, unit: Unit) -> bool:
        """Whether its file is there."""
        return (self.folder / f"{unit.name}.parquet").exists()

    def _pairs(self, unit: Unit) -> Notes:
        head = unit.rows[0].head
        accepted = {row.key for row in unit.rows if self.store.why(row.key)["status"] == COMMITTED}
        chain = _until_complete(self.recipe.chain(head))
        notes = []
        for trace in chain.trace(unit.rows, accepted, partial(self.recipe.load, head=head)):
            key = trace.outcome.row.key
            stored = self.store.read(key, STORED)
            seen = look_at_pair(trace.fields, stored, self.heads(head), self.observer)
            notes.append({"key": key, **seen})
        return notes

    def _photo(self, unit: Unit) -> Notes:
        row = unit.rows[0]
        given = self.recipe.load(row.source, row.head)
        return [
            {
                "source": row.source,
                "head": row.head,
                **look_at_photo(given, self.heads(row.head), self.observer),
            }
        ]

    def _reject(self, unit: Unit) -> Notes:
        row = unit.rows[0]
        load = partial(self.recipe.load, head=row.head)
        trace = next(iter(self.recipe.chain(row.head).trace([row], [row.key], load)))
        told = self.store.why(row.key)
        shown = self.recipe.pictures(trace)
        tiles = [cv2.resize(tile, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for tile in shown.values()]
        strip = np.concatenate(tiles, axis=1)
        return [
            {"key": row.key, **{n: told[n] for n in ("reason", "stage", "detail")}, "picture": picture(strip)}
        ]


def draw_units(store: Store, pairs: int) -> tuple[list[Unit], list[Unit], list[Unit]]:
    """Units of pairs, of their photographs, and of example rejects: the same for the same store and number.

    Whole sub-batches are drawn until they hold ``pairs`` accepted pairs: a row is made again with its sub-batch. A
    larger sample contains the smaller one.
    """
    index = {row.key: row for shard in store.commits() for row in store.index_rows(shard)}
    batch = int(store.description["config"]["settings"]["batch"])
    groups = [
        planned[i : i + batch]
        for shard, planned in store.plan.shards.items()
        if planned[0].key in index
        for i in range(0, len(planned), batch)
    ]
    chosen: list[Unit] = []
    count = 0
    for g in np.random.default_rng(0).permutation(len(groups)):
        accepted = sum(index[row.key].status == COMMITTED for row in groups[g])
        if count >= pairs:
            break
        if accepted:
            chosen.append(Unit("pairs", groups[g]))
            count += accepted
    photos = {
        (row.head, row.source): row
        for unit in chosen
        for row in unit.rows
        if index[row.key].status == COMMITTED
    }
    return chosen, [Unit("photo", (row,)) for _, row in sorted(photos.items())], list(_rejects(store, index))


def _rejects(store: Store, index: Mapping[str, IndexRow]) -> Iterator[Unit]:
    found: dict[str, int] = defaultdict(int)
    for row in store.plan.rows:
        told = index.get(row.key)
        if told is not None and told.status != COMMITTED and found[told.reason] < EXAMPLES:
            found[told.reason] += 1
            yield Unit("reject", (row,))


def _until_complete(chain: Chain) -> Chain:
    """The chain up to the stage that gives the completed render.

    Raises:
        SynthesizeError: no stage does, or a field that the audit needs is given by none.
    """
    for k, stage in enumerate(chain.stages):
        if any(field.name == "completed" for field in stage.gives):
            first = Chain(chain.stages[: k + 1], chain.sources, (), chain.batch, chain.streak)
            given = {f.name for f in chain.sources} | {f.name for s in first.stages for f in s.gives}
            if set(NEEDS) <= given:
                return first
    msg = (
        f"the store's recipe has no stage that gives 'completed' after {', '.join(NEEDS)}: the audit compares with "
        "that picture, so it cannot be made of this store."
    )
    raise SynthesizeError(msg)
