"""Write every result of ``benchmarks/results`` into ``docs/benchmarks.md``, between two markers.

Run as ``python benchmarks/table.py``; ``--check`` changes nothing and fails when the page is out of date. With
``--only faults soak --page docs/faults.md`` it writes those into another page.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
INTRO = """# Benchmarks

Each table is one run, ours and the peer side by side on the same machine. Ratio is how many times better ours
is. Run one again with `python benchmarks/bench_<name>.py`, then `python benchmarks/table.py`.
"""


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def markdown(documents: list[dict[str, Any]]) -> str:
    """One section per benchmark, in the order of their names."""
    parts: list[str] = []
    for doc in sorted(documents, key=lambda d: d["benchmark"]):
        where = doc["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in sorted(doc["versions"].items()))
        parts += [
            f"## {doc['benchmark']}",
            "",
            f"{doc['date'][:10]}, commit {doc['commit'][:7]}, {where['cpu']}, {where['threads']} of "
            f"{where['cores']} cores, Python {where['python']}; {versions}.",
            "",
            "| what | ours | peer | unit | ratio | peer is | note |",
            "|---|---:|---:|---|---:|---|---|",
        ]
        for r in doc["rows"]:
            ratio = "–" if r["ratio"] is None else f"{_number(r['ratio'])}×"
            cells = [r["name"], _number(r["ours"]), _number(r["peer"]), r["unit"], ratio]
            cells += [r.get("peer_name", ""), r.get("note", "")]
            parts.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def merge(page: str, table: str) -> str:
    """The page with everything between the markers replaced; the markers are appended when it has none."""
    if BEGIN not in page or END not in page:
        page = page.rstrip() + f"\n\n{BEGIN}\n{END}\n"
    head, rest = page.split(BEGIN, 1)
    return f"{head}{BEGIN}\n\n{table}\n{END}{rest.split(END, 1)[1]}"


def main(argv: list[str] | None = None) -> int:
    """Write or check the page; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", nargs="+", help="names of benchmarks; all without it")
    args = parser.parse_args(argv)
    paths = [p for p in sorted(args.results.glob("*.json")) if args.only is None or p.stem in args.only]
    documents = [json.loads(path.read_text()) for path in paths]
    if not documents:
        print(
            f"{args.results} holds no results: run python benchmarks/bench_<name>.py first.", file=sys.stderr
        )
        return 1
    old = args.page.read_text() if args.page.exists() else INTRO
    new = merge(old, markdown(documents))
    if args.check:
        if new != old:
            print(f"{args.page} is out of date: run python benchmarks/table.py.", file=sys.stderr)
        return int(new != old)
    args.page.parent.mkdir(parents=True, exist_ok=True)
    args.page.write_text(new)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
