"""Write the tables of ``docs/scale.md`` from the result files, each between its markers.

Run as ``python -m benchmarks.scale_page``; a table whose result is not there says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "scale.md"
# Tables by the results that they are made of.
TABLES = {
    "workers": ("workers_processes", "workers_dask"),
    "scale": ("scale",),
    "big_store": ("big_store",),
    "costs": ("costs",),
}


def number(value: float) -> str:
    """Three digits, or thousands."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def told(result: dict[str, Any]) -> str:
    """When and on what it was measured."""
    machine = result["machine"]
    load = f"load {machine['load_before']:g} when it ended"
    return f"{result['date'][:10]}, {machine['cpu']}, {machine['cores']} cores, {load}."


def plain(result: dict[str, Any]) -> str:
    """A line for each row."""
    lines = ["| what | measured | unit | note |", "|---|---:|---|---|"]
    for row in result["rows"]:
        name = (
            row["name"]
            if row["ratio"] is None
            else f"{row['name']} ({row['ratio']:.2f} × {row['peer_name']})"
        )
        lines.append(f"| {name} | {number(row['ours'])} | {row['unit']} | {row['note']} |")
    return "\n".join([*lines, "", told(result)])


def by_workers(result: dict[str, Any]) -> str:
    """A line for each number of pairs and workers, a column for each quantity."""
    cells: dict[str, dict[str, str]] = {}
    inputs = []
    for row in result["rows"]:
        where, sign, what = row["name"].partition(": ")
        if sign:
            cells.setdefault(where, {})[f"{what}, {row['unit']}"] = number(row["ours"])
        else:
            inputs.append(f"{row['name']} {number(row['ours'])} {row['unit']}")
    columns = list(next(iter(cells.values())))
    lines = ["| " + " | ".join(["run", *columns]) + " |", "|---" + "|---:" * len(columns) + "|"]
    lines += ["| " + " | ".join([where, *row.values()]) + " |" for where, row in cells.items()]
    return "\n".join([*lines, "", f"From {', '.join(inputs)}."])


def merge(page: str, name: str, table: str) -> str:
    """The page with what is between the markers of a table replaced."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, rest = page.split(begin, 1)
    return f"{head}{begin}\n\n{table}\n\n{end}{rest.split(end, 1)[1]}"


def main() -> None:
    """Write the page."""
    page = PAGE.read_text()
    for name, files in TABLES.items():
        parts = []
        for file in files:
            path = RESULTS / f"{file}.json"
            if path.exists():
                result = json.loads(path.read_text())
                parts.append(by_workers(result) if name == "scale" else plain(result))
            else:
                parts.append(f"Not measured yet ({file}): `python -m benchmarks.run {name}`.")
        page = merge(page, name, "\n\n".join(parts))
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
