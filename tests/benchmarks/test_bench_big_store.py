from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import bench_big_store


@pytest.mark.slow
def test_a_thousand_rows_are_planned_interrupted_resumed_and_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    from prefect.settings import PREFECT_API_URL, temporary_settings

    # Other tests of this process may share a server.
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        measured = bench_big_store.run(tmp_path, rows=1000, photos=16)
    assert (measured["planned"], measured["committed"], measured["rejected"], measured["pending"]) == (
        1000,
        900,
        100,
        0,
    )
    assert measured["ok"]
    assert (measured["state"], measured["result"]["state"]) == ("Cancelled", "Completed")
    assert 2 <= measured["kept"] <= 4  # shards in hand are finished
    assert measured["answers"].failed == 0
    names = {row.name for row in bench_big_store.rows_of(measured)}
    assert {"the server answers a page, median", "parent, resident, second half, most"} <= names
