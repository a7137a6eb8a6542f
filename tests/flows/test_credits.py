from __future__ import annotations

from assets.terms import verdict
from flows.credits import credits_page

ROW = {
    "kind": "photo",
    "name": "a|b.jpg",
    "licence": "CC-BY-4.0",
    "attribution": "Ann",
    "source": "here",
    "sha256": "0" * 64,
}


def test_the_page_holds_verdict_credits_ledger_and_what_was_overruled() -> None:
    rows = [{**ROW, "count": 1}, {**ROW, "count": 3, "name": "set"}]
    permitted = [
        {"action": "export", "at": "2026-11-26", "despite": "Ann wrote", "target": "x", "forbidden_by": []}
    ]
    page = credits_page("pairs", rows, verdict(rows), permitted)
    assert page.startswith("# Licences of pairs\n\nThis store may be published and used commercially.")
    assert "Against the ledger, on 2026-11-26, for export: Ann wrote" in page
    assert page.count("- Ann (CC-BY-4.0)") == 1
    assert "| photo | a\\|b.jpg | CC-BY-4.0 | Ann | here | 0000000000000000 |" in page
    assert "| photo | 3 photographs |" in page
