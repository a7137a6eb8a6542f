from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import harness, table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"


def test_every_test_that_the_fault_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text())
    assert len(named) > 20
    for path, function in named:
        assert f"def {function}" in (ROOT / path).read_text(), f"{path}::{function}"


def test_only_some_benchmarks_go_into_a_page(tmp_path: Path) -> None:
    for name in ("one", "two"):
        harness.save(name, [harness.row(f"row of {name}", 2.0)], folder=tmp_path)
    page = tmp_path / "page.md"
    asked = ["--results", str(tmp_path), "--page", str(page), "--only", "two"]
    assert table.main(asked) == 0
    assert "row of two" in page.read_text()
    assert "row of one" not in page.read_text()
    assert table.main([*asked, "--check"]) == 0


def test_the_fault_page_holds_what_was_measured() -> None:
    paths = [harness.RESULTS / f"{name}.json" for name in ("faults", "soak")]
    found = [json.loads(path.read_text()) for path in paths if path.exists()]
    if not found:
        pytest.skip("nothing was measured yet")
    assert table.markdown(found) in PAGE.read_text()
    for told in found:
        for row in told["rows"]:
            if row["unit"] == "survived":
                assert row["ours"] == row["peer"], row["name"]
            if row["unit"] == "rows":
                assert row["ours"] == 0, row["name"]
