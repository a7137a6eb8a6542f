from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import pytest

from tasks.source_table import SourceRow, SourceTable

ROWS = (
    SourceRow("bb-00", "b.png", "bb", yaw=12.5, iod=80.0, score=0.99),
    SourceRow("aa", "a.png", "aa", "no_face", "no face found in 300x400 px"),
    SourceRow("bb-00", "again/b.png", "bb", yaw=12.5),
)


def test_rows_are_ordered_and_a_copy_counts_once() -> None:
    table = SourceTable.collect(ROWS)
    assert [(r.id, r.photo) for r in table.rows] == [("aa", "a.png"), ("bb-00", "again/b.png")]
    assert table.rows == SourceTable.collect(reversed(ROWS)).rows
    assert [r.id for r in table.usable] == ["bb-00"]


def test_parquet_round_trip(tmp_path: Path) -> None:
    table = SourceTable.collect(ROWS[:2])
    table.write(tmp_path / "sources.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["sources.parquet"]
    read = SourceTable.read(tmp_path / "sources.parquet")
    for a, b in zip(table.rows, read.rows, strict=True):
        for f in fields(SourceRow):
            want, got = getattr(a, f.name), getattr(b, f.name)
            if isinstance(want, float):
                assert math.isnan(got) if math.isnan(want) else got == pytest.approx(want)
            else:
                assert got == want


def test_an_empty_table_reads_back_empty(tmp_path: Path) -> None:
    SourceTable(()).write(tmp_path / "none.parquet")
    assert SourceTable.read(tmp_path / "none.parquet").rows == ()
