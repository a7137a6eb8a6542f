"""The page that goes with a published store: verdict, credits and ledger, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assets.terms import Verdict


def credits_page(
    name: str, rows: Sequence[dict[str, Any]], found: Verdict, permitted: Sequence[dict[str, Any]]
) -> str:
    """Markdown: what may be done with the store, who must be named, and every ledger row.

    Args:
        name: of the store.
        rows: its ledger (:func:`flows.licences.store_ledger`).
        found: the verdict over them.
        permitted: the record of what was done against the ledger.
    """
    lines = [f"# Licences of {name}", "", f"This store {found.line}", ""]
    for one in permitted:
        if one["despite"]:
            lines += [f"Against the ledger, on {one['at']}, for {one['action']}: {one['despite']}", ""]
    if found.attribution:
        lines += ["## Credits", "", *(f"- {credit}" for credit in found.attribution), ""]
    lines += ["## Ledger", "", "| kind | what | licence | by | from | SHA-256 |", "|---|---|---|---|---|---|"]
    for row in rows:
        what = f"{row['count']} photographs" if row["count"] > 1 else row["name"]
        cells = (row["kind"], what, row["licence"], row["attribution"], row["source"], row["sha256"][:16])
        lines.append(
            "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
        )
    return "\n".join(lines) + "\n"
