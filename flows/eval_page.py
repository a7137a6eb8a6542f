"""The report of an evaluation as one page."""

from __future__ import annotations

import html


def page(text: str) -> str:
    """``index.html``: the report's Markdown tables as HTML, and the sheet; nothing in it loads from elsewhere."""
    body, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not all(set(cell) <= {"-"} and len(cell) > 2 for cell in cells):
                rows.append(cells)
            continue
        if rows:
            lines = [_line(cells, "td" if n else "th") for n, cells in enumerate(rows)]
            body.append(f"<table>{''.join(lines)}</table>")
            rows = []
        level = len(line) - len(line.lstrip("#"))
        if level:
            body.append(f"<h{level}>{_inline(line[level:].strip())}</h{level}>")
        elif line:
            body.append(f"<p>{_inline(line)}</p>")
    return PAGE.replace("BODY", "\n".join(body))


def _line(cells: list[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in cells) + "</tr>"


def _inline(text: str) -> str:
    escaped = html.escape(text)
    if len(escaped) > 2 and escaped.startswith("*") and escaped.endswith("*"):
        return f"<i>{escaped[1:-1]}</i>"
    return escaped.replace("`", "")


PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>facepairs: evaluation</title><style>
body { font: 14px system-ui, sans-serif; margin: 2em; } table { border-collapse: collapse; margin: 1em 0; }
td, th { border: 1px solid #ccc; padding: 3px 8px; text-align: right; }
td:first-child, th:first-child { text-align: left; }
i { color: #666; } img { max-width: 100%; }
</style></head><body>
BODY
<h2>Pictures</h2>
<p>Per image: the truth and the scale of errors, then surface and error of each row.</p>
<img src="sheet.jpg" alt="all rows">
</body></html>
"""
