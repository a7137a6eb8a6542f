from __future__ import annotations

import json

import pytest

from benchmarks import harness, scale_page


def test_each_table_has_its_place_in_the_page() -> None:
    page = scale_page.PAGE.read_text()
    for name in scale_page.TABLES:
        merged = scale_page.merge(page, name, "| a | table |")
        assert "| a | table |" in merged
        assert scale_page.merge(merged, name, "| a | table |") == merged


def test_results_become_tables() -> None:
    rows = [harness.row("CPU of a pair", 240.0)]
    rows += [
        harness.row(f"{n} pairs, 2 workers: {what}", v, unit=u)
        for n in (1, 2)
        for what, v, u in (("time", 3.0, "h"),)
    ]
    assert scale_page.by_workers(harness.document("scale", rows)).splitlines()[:3] == [
        "| run | time, h |", "|---|---:|", "| 1 pairs, 2 workers | 3 |",
    ]  # fmt: skip
    rated = harness.row("dask", 19.0, 10.0, "rows/s", higher_is_better=True, peer_name="1 worker")
    assert "| dask (1.90 × 1 worker) | 19 | rows/s |  |" in scale_page.plain(
        harness.document("workers", [rated])
    )


def test_a_missing_result_says_how_to_measure(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "scale.md"
    page.write_text("".join(f"<!-- {name}: begin -->\n<!-- {name}: end -->\n" for name in scale_page.TABLES))
    monkeypatch.setattr(scale_page, "PAGE", page)
    monkeypatch.setattr(scale_page, "RESULTS", tmp_path)
    (tmp_path / "costs.json").write_text(
        json.dumps(harness.document("costs", [harness.row("256²: bytes", 660, unit="kB")]))
    )
    scale_page.main()
    assert "Not measured yet (workers_dask): `python -m benchmarks.run workers`" in page.read_text()
    assert "| 256²: bytes | 660 | kB |" in page.read_text()
