"""Runs stages over the rows of a shard: sub-batches, rejects, fields dropped when done.

A chain is checked when it is made. Each stage goes through the whole shard before the next one starts, so a run
page shows stages and not sub-batches. Which rows share a sub-batch follows from the plan alone, so bytes do not
depend on who runs what (DESIGN §5).
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assets.registry import AssetError
from storage.plan import PlanRow
from storage.reject import Reason, Reject
from tasks.contract import Array, Batch, ChainError, Field, Gives, Stage, check_chain

Load = Callable[[str], Mapping[str, Array]]  # source id -> the source's arrays, without batch axis
Emit = Callable[[dict[str, Any]], None]

# Not a row's fault: the machine or the code is broken, and every further row would end the same way.
FATAL = (ImportError, NameError, SyntaxError, MemoryError, OSError, ChainError, AssetError)


_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


class ErrorStreakError(RuntimeError):
    """Too many consecutive rows raised: a bug, so the run stops instead of filling the store with it."""


@dataclass(frozen=True)
class Made:
    """A row that went through: its kept fields, without batch axis."""

    row: PlanRow
    fields: Mapping[str, Array]


@dataclass(frozen=True)
class Refused:
    """A row that ended early: the stage that refused it, and why."""

    row: PlanRow
    stage: str
    reject: Reject


@dataclass(frozen=True)
class Trace:
    """Every field of one row as far as it went, and its end."""

    outcome: Made | Refused
    fields: Mapping[str, Array]
    stages: tuple[str, ...]  # names of the stages that ran, in order


@dataclass
class _Group:
    """One sub-batch on its way: live rows, their stacked fields, and the rows that ended."""

    planned: tuple[PlanRow, ...]
    rows: list[PlanRow]
    fields: dict[str, Array]
    ended: dict[str, Refused] = field(default_factory=dict)


def _silent(event: dict[str, Any]) -> None:
    """The default listener."""


def _require(giver: str, spec: Field, array: Array, rows: int, letters: dict[str, int]) -> None:
    """An array must be as declared; letters of shapes are bound by the first array that has them.

    Raises:
        ChainError: names giver, field, expected and got.
    """
    sides = zip(spec.shape, array.shape[1:], strict=False)
    wanted = (rows, *(letters.setdefault(s, n) if isinstance(s, str) else s for s, n in sides))
    if str(array.dtype) != spec.dtype or array.shape != wanted or array.ndim != len(spec.shape) + 1:
        msg = (
            f"{giver} gave '{spec.name}' as {array.dtype} {array.shape}, expected {spec.dtype} {wanted} (declared "
            f"{spec.shape} after the batch axis). Change the declaration or what is returned."
        )
        raise ChainError(msg)


@dataclass(frozen=True)
class Chain:
    """Stages in order, the fields that sources bring, and the fields that leave the chain.

    Raises:
        ChainError: at construction, when the stages do not fit together or nobody gives a kept field.
    """

    stages: tuple[Stage, ...]
    sources: tuple[Field, ...]
    keep: tuple[str, ...]
    batch: int = 8  # rows of a sub-batch; in the fingerprint: networks may round differently by batch
    streak: int = 12  # exceptions in consecutive rows that stop the run

    def __post_init__(self) -> None:
        check_chain(self.stages, self.sources)
        known = {f.name for f in self.sources} | {f.name for stage in self.stages for f in stage.gives}
        for name in self.keep:
            if name not in known:
                msg = (
                    f"the chain keeps field '{name}', which no stage gives; known: "
                    f"{', '.join(sorted(known))}. "
                    f"Take it out of 'keep' or add the stage that gives it."
                )
                raise ChainError(msg)

    @property
    def versions(self) -> dict[str, int]:
        """Stage name to version, in order: part of the fingerprint."""
        return {stage.name: stage.version for stage in self.stages}

    def run(self, rows: Sequence[PlanRow], load: Load, emit: Emit = _silent) -> Iterator[Made | Refused]:
        """Make the pairs of one shard: exactly one outcome per row, in row order.

        Args:
            rows: the planned rows of one shard, in plan order.
            load: gives the arrays of a source by its id.
            emit: told of the start and end of each stage: ``{"stage", "at", "rows", "seconds", "rejects"}``.

        Raises:
            ErrorStreakError: more than ``streak`` consecutive rows raised in one stage.
            ChainError: a stage returned something else than it declares.
        """
        letters: dict[str, int] = {}
        starts = range(0, len(rows), self.batch)
        groups = [self._group(rows[i : i + self.batch], load, letters) for i in starts]
        last_need = self._last_need()
        for k, stage in enumerate(self.stages):
            self._run_stage(stage, groups, letters, emit)
            for group in groups:
                group.fields = {n: a for n, a in group.fields.items() if last_need.get(n, -1) > k}
        groups.reverse()
        while groups:  # freed one by one: what is written need not stay in memory
            yield from self._outcomes(groups.pop())

    def trace(self, rows: Sequence[PlanRow], keys: Collection[str], load: Load) -> Iterator[Trace]:
        """Make some rows again and keep every field of them; in row order.

        Their whole sub-batches run, so the fields are those of the store to the last bit. ``rows`` are all planned
        rows of one shard, in plan order.

        Raises:
            KeyError: a key is not in ``rows``.
        """
        strange = sorted(set(keys) - {row.key for row in rows})
        if strange:
            msg = f"row {strange[0]} is not among the {len(rows)} rows given; pass the planned rows of its shard."
            raise KeyError(msg)
        for start in range(0, len(rows), self.batch):
            some = rows[start : start + self.batch]
            if any(row.key in keys for row in some):
                letters: dict[str, int] = {}
                yield from self._trace_group(self._group(some, load, letters), keys, letters)

    def _trace_group(self, group: _Group, keys: Collection[str], letters: dict[str, int]) -> Iterator[Trace]:
        """Traces of the wanted rows of one sub-batch."""
        fields: dict[str, dict[str, Array]] = {row.key: {} for row in group.planned if row.key in keys}
        ran: dict[str, list[str]] = {key: [] for key in fields}

        def note(stage: str) -> None:
            for i, row in enumerate(group.rows):
                if row.key in fields:
                    fields[row.key].update({name: array[i] for name, array in group.fields.items()})
                    if stage:
                        ran[row.key].append(stage)

        for stage in self.stages:
            note(stage.name)
            self._run_stage(stage, [group], letters, _silent)
        note("")
        for outcome in self._outcomes(group):
            if outcome.row.key in fields:
                yield Trace(outcome, fields[outcome.row.key], tuple(ran[outcome.row.key]))

    def _last_need(self) -> dict[str, int]:
        """Position of the last stage that needs each field; kept fields outlive the chain."""
        last = {need.name: k for k, stage in enumerate(self.stages) for need in stage.needs}
        return last | dict.fromkeys(self.keep, len(self.stages))

    def _group(self, rows: Sequence[PlanRow], load: Load, letters: dict[str, int]) -> _Group:
        """Sub-batch with the sources' fields stacked along axis 0."""
        arrays = [load(row.source) for row in rows]
        for row, loaded in zip(rows, arrays, strict=True):
            missing = [f.name for f in self.sources if f.name not in loaded]
            if missing:
                msg = (
                    f"source {row.source} (row {row.key}) has no field {', '.join(missing)}; it was "
                    f"annotated by other code: delete the annotation cache and run again."
                )
                raise ChainError(msg)
        fields = {f.name: np.stack([loaded[f.name] for loaded in arrays]) for f in self.sources}
        for spec in self.sources:
            _require("the sources", spec, fields[spec.name], len(rows), letters)
        return _Group(tuple(rows), list(rows), fields)

    def _run_stage(self, stage: Stage, groups: Sequence[_Group], letters: dict[str, int], emit: Emit) -> None:
        """One stage over all sub-batches, with its start and end told."""
        live = sum(len(group.rows) for group in groups)
        emit({"stage": stage.name, "at": "start", "rows": live})
        started, streak, reasons = time.perf_counter(), 0, Counter[str]()
        for group in groups:
            if not group.rows:
                continue
            before = list(group.rows)
            gives, rejects = self._apply(stage, Batch(tuple(before), group.fields), letters)
            for i, row in enumerate(before):
                reject = rejects.get(i)
                error = reject is not None and reject.reason is Reason.ERROR
                streak = streak + 1 if error else 0
                if reject is None:
                    continue
                reasons[reject.reason.value] += 1
                group.ended[row.key] = Refused(row, stage.name, reject)
                if streak >= self.streak:
                    msg = (
                        f"stage '{stage.name}' raised in {streak} consecutive rows, the last one {row.key}: "
                        f"{reject.detail} Fix the stage, then type the same command to go on."
                    )
                    raise ErrorStreakError(msg)
            alive = [i for i in range(len(before)) if i not in rejects]
            group.rows = [before[i] for i in alive]
            group.fields = {name: a[alive] for name, a in {**group.fields, **gives}.items()}
        seconds = time.perf_counter() - started
        emit({"stage": stage.name, "at": "end", "rows": live, "seconds": seconds, "rejects": dict(reasons)})

    def _apply(
        self, stage: Stage, batch: Batch, letters: dict[str, int]
    ) -> tuple[dict[str, Array], dict[int, Reject]]:
        """The stage on one sub-batch; if it raises, on each row alone, so that one bad row costs one row."""
        try:
            return self._checked(stage, batch, stage(batch), letters)
        except FATAL:
            raise
        except Exception:
            parts: list[dict[str, Array] | None] = []
            rejects: dict[int, Reject] = {}
            for i, row in enumerate(batch.rows):
                one = Batch((row,), {name: array[i : i + 1] for name, array in batch.fields.items()})
                try:
                    given, refused = self._checked(stage, one, stage(one), letters)
                except FATAL:
                    raise
                except Exception as error:
                    # Details are stored, so equal runs must word them equally: no memory addresses.
                    said = _ADDRESS.sub("0x…", str(error))
                    detail = f"{type(error).__name__} in stage '{stage.name}': {said}"
                    rejects[i] = Reject(Reason.ERROR, detail)
                    parts.append(None)
                else:
                    parts.append(given)
                    if 0 in refused:
                        rejects[i] = refused[0]
        return self._stacked(stage, parts), rejects

    @staticmethod
    def _stacked(stage: Stage, parts: Sequence[dict[str, Array] | None]) -> dict[str, Array]:
        """Single-row results back to one batch; rows that raised hold zeros, as rejected rows do."""
        good = next((part for part in parts if part is not None), None)
        if good is None:
            return {f.name: np.zeros((len(parts), 0), f.dtype) for f in stage.gives}
        blank = {name: np.zeros_like(array) for name, array in good.items()}
        return {name: np.concatenate([(part or blank)[name] for part in parts]) for name in good}

    @staticmethod
    def _checked(
        stage: Stage, batch: Batch, gives: Gives, letters: dict[str, int]
    ) -> tuple[dict[str, Array], dict[int, Reject]]:
        """Hold a stage to its declaration: names, dtypes, shapes, and the same size for the same letter."""
        declared = {f.name: f for f in stage.gives}
        if set(gives.fields) != set(declared):
            msg = (
                f"stage '{stage.name}' returned fields {sorted(gives.fields)}, but declares "
                f"{sorted(declared)}. Change its 'gives' or what it returns."
            )
            raise ChainError(msg)
        for name, spec in declared.items():
            _require(f"stage '{stage.name}'", spec, gives.fields[name], len(batch), letters)
        stray = [i for i in gives.rejects if not 0 <= i < len(batch)]
        if stray:
            msg = f"stage '{stage.name}' rejected position {stray[0]} of {len(batch)} rows; fix the index."
            raise ChainError(msg)
        return dict(gives.fields), dict(gives.rejects)

    def _outcomes(self, group: _Group) -> Iterator[Made | Refused]:
        """Outcomes of one sub-batch in plan order."""
        live = {row.key: i for i, row in enumerate(group.rows)}
        for row in group.planned:
            if row.key in live:
                yield Made(row, {name: group.fields[name][live[row.key]] for name in self.keep})
            else:
                yield group.ended[row.key]
