from __future__ import annotations

import json

import jsonschema
import pytest

from benchmarks import harness, table


def validate(document: dict) -> None:
    jsonschema.Draft202012Validator(json.loads(harness.SCHEMA.read_text())).validate(document)


def test_saved_results_satisfy_the_schema(tmp_path):
    rows = [harness.row("solve", 2.0, 8.0, peer_name="other"), harness.row("alone", 3.0, unit="pairs/s")]
    path = harness.save("demo", rows, packages=["scipy"], folder=tmp_path)
    document = json.loads(path.read_text())
    validate(document)
    assert document["rows"][0]["ratio"] == 4.0
    assert document["rows"][1]["peer"] is None
    assert "scipy" in document["versions"]


def test_committed_results_satisfy_the_schema():
    paths = sorted(harness.RESULTS.glob("*.json"))
    for path in paths:
        document = json.loads(path.read_text())
        validate(document)
        assert document["benchmark"] == path.stem


@pytest.mark.parametrize("broken", [{"rows": []}, {"commit": "main"}, {"host": "a"}])
def test_schema_refuses_what_it_should(broken):
    document = harness.document("demo", [harness.row("x", 1.0)]) | broken
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


def test_ratio_above_one_always_means_better():
    assert harness.row("time", 1.0, 3.0).ratio == 3.0
    assert harness.row("rate", 3.0, 1.0, "1/s", higher_is_better=True).ratio == 3.0


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match="row 'x'"):
        harness.document("demo", [harness.row("x", float("nan"))])


def test_compare_times_both_sides():
    seen = []
    result = harness.compare("x", lambda: seen.append("o"), lambda: seen.append("p"), peer_name="p", repeat=3)
    assert seen == ["o", "p"] * 4
    assert result.peer is not None


def test_table_replaces_only_what_is_between_the_markers(tmp_path):
    harness.save("demo", [harness.row("solve|it", 2.0, 8.0)], folder=tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"# Mine\n\n{table.BEGIN}\nold\n{table.END}\n\nafter\n")
    args = ["--results", str(tmp_path), "--page", str(page)]
    assert table.main([*args, "--check"]) == 1
    assert table.main(args) == 0
    text = page.read_text()
    assert text.startswith("# Mine")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| solve\\|it | 2 | 8 | ms | 4× |" in text
    assert table.main([*args, "--check"]) == 0
