from __future__ import annotations

import pytest

from storage import index
from storage.errors import CorruptStore
from storage.index import COMMITTED, REJECTED, IndexRow
from storage.schema import Schema
from storage.tarshard import Member
from tests.storage.toy_store import QUALITY

SCHEMA = Schema(quality=QUALITY)
ROWS = [
    IndexRow(
        "00000000",
        COMMITTED,
        members={
            name: Member(f"00000000.{SCHEMA.extension(name)}", 512 * i, i, 2**32 - 1 - i)
            for i, name in enumerate(SCHEMA.names)
        },
        quality={"gap": 0.5, "seam": 0.25},
    ),
    IndexRow("00000001", REJECTED, "gap", "check", "gap 3.1 px, at most 2 allowed", quality={"gap": 3.5}),
    IndexRow("00000002", REJECTED, "error", "warp", "ValueError: no"),
]


def test_rows_come_back_and_bytes_repeat() -> None:
    data = index.to_parquet(ROWS, SCHEMA)
    assert index.from_parquet(data, SCHEMA, "idx") == ROWS
    assert index.to_parquet(list(ROWS), SCHEMA) == data


def test_an_index_of_rejects_alone_has_the_same_columns() -> None:
    data = index.to_parquet(ROWS[1:], SCHEMA)
    assert index.from_parquet(data, SCHEMA, "idx") == ROWS[1:]
    assert index.read_table(data, SCHEMA, "idx").schema == index.arrow_schema(SCHEMA)


def test_counts() -> None:
    assert index.count(ROWS) == ({"planned": 3, "committed": 1, "rejected": 2}, {"error": 1, "gap": 1})


def test_what_is_no_index_of_this_store_is_refused() -> None:
    with pytest.raises(CorruptStore, match="here: not a readable Parquet index"):
        index.read_table(b"PAR1 nonsense PAR1", SCHEMA, "here")
    with pytest.raises(CorruptStore, match="columns are not those of the store"):
        index.read_table(index.to_parquet(ROWS[1:], SCHEMA), Schema(quality=("other",)), "here")
