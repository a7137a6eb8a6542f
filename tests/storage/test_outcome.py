from __future__ import annotations

from collections.abc import Iterator

from storage.outcome import Rejected, Sample, in_key_order
from storage.reject import Reason
from storage.schema import Schema
from tests.storage.toy_store import QUALITY, SIZES, toy_outcome, toy_plan

SCHEMA = Schema(quality=QUALITY, sizes=SIZES)


def test_outcomes_leave_in_key_order_as_soon_as_they_can() -> None:
    rows = toy_plan().shards[1]
    taken: list[str] = []

    def arriving() -> Iterator[Sample | Rejected]:
        for i in (1, 0, 2):
            taken.append(rows[i].key)
            yield toy_outcome(rows[i].key)

    left = in_key_order(1, rows[:3], arriving(), SCHEMA)
    assert next(left)[0].key == rows[0].key
    assert taken == [rows[1].key, rows[0].key]
    assert [row.key for row, _ in left] == [rows[1].key, rows[2].key]


def test_names_that_are_no_text_do_not_cost_the_shard() -> None:
    (row,) = toy_plan().rows[:1]
    reject = Rejected(
        row.key, Reason.UNREADABLE, "sources", b"photo \xff.jpg".decode("utf-8", "surrogateescape")
    )
    (got,) = in_key_order(0, (row,), [reject], SCHEMA)
    assert got[0].detail == "photo \\udcff.jpg"
    got[0].detail.encode()


def test_a_reject_has_no_bytes_and_a_sample_has_all() -> None:
    rows = toy_plan().rows[1:3]
    got = list(in_key_order(0, rows, [toy_outcome(r.key) for r in rows], SCHEMA))
    assert [row.status for row, _ in got] == ["committed", "rejected"]
    assert set(got[0][1]) == set(SCHEMA.names)
    assert got[1][1] == {}
    assert got[1][0].reason == "gap"
