"""What a stage is: a frozen dataclass with a name, a version, the fields it needs and gives, and one verb.

A stage takes a :class:`Batch` (one sub-batch of live plan rows with stacked arrays) and returns :class:`Gives`: new
fields, and a :class:`Reject` for every row that has no pair in it. A reject is a value; an exception is a bug.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from storage.plan import PlanRow
from storage.reject import Reason, Reject

__all__ = ["Batch", "ChainError", "Field", "Gives", "Reason", "Reject", "Stage", "check_chain"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Field:
    """Name, dtype, shape after the batch axis and frame of one array. Letters in ``shape`` are bound per chain."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    frame: str = ""


@dataclass(frozen=True)
class Batch:
    """Live rows of one sub-batch, with every field stacked along axis 0 in row order."""

    rows: tuple[PlanRow, ...]
    fields: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.fields[name]

    def __len__(self) -> int:
        return len(self.rows)

    def rng(self, i: int, stage: Stage) -> np.random.Generator:
        """The only source of chance: depends on (plan seed, row index, stage name, stage version) and nothing else."""
        row = self.rows[i]
        key = (row.index, zlib.crc32(stage.name.encode()), stage.version)
        return np.random.default_rng(np.random.SeedSequence(row.seed, spawn_key=key))


@dataclass(frozen=True)
class Gives:
    """What a stage made: one array per field of ``gives`` (rejected rows hold zeros), and its rejects by position."""

    fields: Mapping[str, Array]
    rejects: Mapping[int, Reject] = field(default_factory=dict)


@runtime_checkable
class Stage(Protocol):
    """A step of the chain: a frozen dataclass that defines one verb and calls it from ``__call__``."""

    name: ClassVar[str]
    version: ClassVar[int]
    needs: ClassVar[tuple[Field, ...]]
    gives: ClassVar[tuple[Field, ...]]

    def __call__(self, batch: Batch) -> Gives:
        """Make the new fields of a sub-batch, or say row by row why there are none."""
        ...


class ChainError(ValueError):
    """The stages of a chain do not fit together."""


def check_chain(stages: Sequence[Stage], sources: Sequence[Field]) -> None:
    """Check, before anything runs, that every needed field is given earlier with the same dtype, shape and frame.

    Raises:
        ChainError: one sentence with stage, field, expected, got and the fix.
    """
    known: dict[str, tuple[Field, str]] = {f.name: (f, "sources") for f in sources}
    for stage in stages:
        for need in stage.needs:
            if need.name not in known:
                msg = (
                    f"stage '{stage.name}' needs field '{need.name}', which no earlier stage gives; "
                    f"known here: {', '.join(sorted(known))}. Put the stage that gives it before '{stage.name}'."
                )
                raise ChainError(msg)
            have, giver = known[need.name]
            if (have.dtype, have.shape, have.frame) != (need.dtype, need.shape, need.frame):
                msg = (
                    f"stage '{stage.name}' needs field '{need.name}' as {need.dtype} {need.shape} in frame "
                    f"'{need.frame}', but '{giver}' gives {have.dtype} {have.shape} in frame '{have.frame}'. "
                    f"Change one of the two declarations and the code behind it."
                )
                raise ChainError(msg)
        known.update({f.name: (f, stage.name) for f in stage.gives})
