from __future__ import annotations

import numpy as np

from flows.eval_tables import Score, against, report, summary, table
from tasks.evalset import Item

NAN = float("nan")


def scores() -> list[Score]:
    items = [Item(f"{n}", "wild", column, kind, 0.0, f"d{n}") for n, (column, kind) in enumerate(
        [("0-5°", "inside"), ("0-5°", "outside"), ("60-90°", "inside"), ("60-90°", "outside")]
    )]  # fmt: skip
    good = [Score("base", item, 1.0 + n, 0.05, 0.1, 99.0, 0.5) for n, item in enumerate(items)]
    fit = [Score("landmark fit of the head model", item, 2.0, 0.1, 0.2, 100.0, 0.1) for item in items[:3]]
    failed = Score("landmark fit of the head model", items[3], NAN, NAN, NAN, NAN, 0.1, "no face")
    return [*good, *fit, failed]


def test_a_table_has_the_means_of_the_successes() -> None:
    lines = table(scores()).splitlines()
    assert lines[0].startswith("| method | 0-5° CD | MNE | CR | 60-90° CD")
    assert lines[2] == "| base | 1.50 | 0.050 | 99.0 | 3.50 | 0.050 | 99.0 | 100.0 |"
    assert (
        lines[3] == "| landmark fit of the head model | 2.00 | 0.100 | 100.0 | 2.00 | 0.100 | 100.0 | 75.0 |"
    )


def test_published_rows_stand_beside_ours_and_are_marked() -> None:
    lines = table(scores(), (4,), ", other data").splitlines()
    (line,) = [line for line in lines if "base+fine+norm" in line]
    assert line.startswith(
        "| *base+fine+norm, published, table 4, other data* | *1.79* | *0.058* | *99.5* | *5.26*"
    )
    assert len([line for line in lines if "published" in line]) == 6
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def test_all_published_tables_are_there() -> None:
    for number, methods, columns in ((1, 14, 4), (2, 14, 3), (3, 14, 3), (4, 6, 4)):
        names = ("0-5°", "5-30°", "30-60°", "60-90°") if columns == 4 else ("0°", "30°", "60°")
        mine = [Score("ours", Item(c, "t", c, "", 0.0, c), 1, 1, 1, 1, 1) for c in names]
        lines = [line for line in table(mine, (number,)).splitlines() if "published" in line]
        assert len(lines) == methods
        # DF2Net has no valid result at 60° of the lab.
        assert sum("*-*" in line for line in lines) == (number == 2)


def test_ratios_are_over_images_where_both_succeed() -> None:
    lines = against(scores(), "landmark fit of the head model").splitlines()
    assert "| base | inside | 0.50 | 0.50 | 1 | 1.50 | 0.50 | 1 |" in lines
    assert "| base | outside | 1.00 | 0.50 | 1 | - | - | 0 |" in lines


def test_the_report_says_what_is_what() -> None:
    text = report("toys", scores(), "landmark fit of the head model", "facepairs evaluate toys")
    assert "other data" in text
    assert "no comparison" in text
    assert "Heads outside it" in text
    assert "| landmark fit of the head model | 0.100 | 1 of 4 | no face |" in text
    found = summary(scores())
    assert found["base/cd"] == 2.5
    assert np.isclose(found["landmark fit of the head model/cd"], 2.0)
