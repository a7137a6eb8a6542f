from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import bench_big_store


@pytest.mark.slow
def test_two_thousand_rows_are_planned_interrupted_resumed_and_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    from prefect.settings import PREFECT_API_URL, temporary_settings

    # Other tests of this process may share a server.
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        measured = bench_big_store.run(tmp_path, rows=2000, photos=16)
    assert (measured["planned"], measured["committed"], measured["rejected"], measured["pending"]) == (
        2000,
        1800,
        200,
        0,
    )
    assert measured["ok"]
    assert (measured["state"], measured["result"]["state"]) == ("Cancelled", "Completed")
    assert (
        4 <= measured["kept"] < 8
    )  # of 8 shards: those in hand at the half are finished, and no others begun
    assert measured["answers"].failed == 0
    names = {row.name for row in bench_big_store.rows_of(measured)}
    assert {"the server answers a page, median", "parent, resident, second half, most"} <= names
