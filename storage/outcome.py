"""What a planned pair can become, and the order in which outcomes reach the tar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from storage.errors import SchemaError, StoreError
from storage.index import COMMITTED, REJECTED, IndexRow
from storage.plan import PlanRow
from storage.reject import Reason
from storage.schema import Array, Schema

Encoded = tuple[IndexRow, Mapping[str, bytes]]


@dataclass(frozen=True)
class Sample:
    """A finished pair: arrays by name of the field table, and ``meta`` with exactly ``schema.META_KEYS``."""

    key: str
    fields: Mapping[str, Array]
    meta: Mapping[str, Any]


@dataclass(frozen=True)
class Rejected:
    """A planned pair that is not in the store, and why. Bugs are rejects too, with ``Reason.ERROR``.

    ``detail`` enters the store's bytes: no times, addresses or temporary paths in it.
    """

    key: str
    reason: Reason
    stage: str
    detail: str
    quality: Mapping[str, float] = field(default_factory=dict)


class OutcomeOSError(Exception):
    """Carries an OSError of the caller's generator past the handler for the store's own writes."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def in_key_order(
    shard: int, rows: tuple[PlanRow, ...], outcomes: Iterable[Sample | Rejected], schema: Schema
) -> Iterator[Encoded]:
    """Encoded outcomes in key order; what comes early waits in its encoded, much smaller form.

    Raises:
        StoreError: an outcome is missing, doubled or not planned in this shard.
        SchemaError: a sample does not fit the field table.
    """
    waiting: dict[str, Encoded] = {}
    planned = {row.key: row for row in rows}
    seen: set[str] = set()
    at = 0
    for outcome in guarded(outcomes):
        if outcome.key not in planned or outcome.key in seen:
            what = "came twice" if outcome.key in seen else "is not planned there"
            raise StoreError(
                f"shard {shard}: sample {outcome.key} {what}; give one outcome for each of "
                f"{rows[0].key}..{rows[-1].key}."
            )
        seen.add(outcome.key)
        waiting[outcome.key] = _encode(outcome, planned[outcome.key], schema)
        while at < len(rows) and rows[at].key in waiting:
            yield waiting.pop(rows[at].key)
            at += 1
    if missing := [row.key for row in rows if row.key not in seen]:
        raise StoreError(
            f"shard {shard}: {len(missing)} of {len(rows)} samples have no outcome, first {missing[0]}; give "
            "a Sample or a Rejected for each."
        )


def guarded(outcomes: Iterable[Sample | Rejected]) -> Iterator[Sample | Rejected]:
    """The outcomes, with an OSError of whoever makes them wrapped as :class:`OutcomeOSError`."""
    try:
        yield from outcomes
    except OSError as error:
        raise OutcomeOSError(error) from error


def _encode(outcome: Sample | Rejected, row: PlanRow, schema: Schema) -> Encoded:
    if isinstance(outcome, Rejected):
        if unknown := sorted(set(outcome.quality) - set(schema.quality)):
            raise SchemaError(
                f"sample {row.key} has the quality number '{unknown[0]}', which the store does not know; "
                f"give only {', '.join(schema.quality)}."
            )
        quality = {name: float(value) for name, value in outcome.quality.items()}
        reason = Reason(outcome.reason).value
        # A photo's name in the detail may hold bytes that are no text; they must not cost the shard.
        detail = outcome.detail.encode("utf-8", "backslashreplace").decode()
        return IndexRow(row.key, REJECTED, reason, outcome.stage, detail, {}, quality), {}
    encoded = schema.encode_sample(
        row.key, outcome.fields, {**outcome.meta, "key": row.key, "plan": asdict(row)}
    )
    quality = {name: float(value) for name, value in outcome.meta["quality"].items()}
    return IndexRow(row.key, COMMITTED, quality=quality), encoded
