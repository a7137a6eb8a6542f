from __future__ import annotations

from pathlib import Path

import pytest

from flows import datasheet as sheets
from flows.datasheet import datasheet, write_datasheet
from storage.files import seal
from storage.generation import publish
from tests.storage.toy_store import fill, toy_create

HEADINGS = (
    "Motivation", "Composition", "Collection process", "Preprocessing, cleaning, labelling", "Uses", "Distribution",
    "Maintenance",
)  # fmt: skip


def test_every_question_of_the_field_is_answered_from_the_store(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    assert "Nothing is published yet" in datasheet(store)
    fill(store)
    publish(store)
    text = write_datasheet(store).read_text()
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(HEADINGS)
    assert "14 were planned, 11 are in the store, 3 were rejected" in text
    assert "| image | uint8 (16, 16, 3) | sRGB 0..255 | rgb | yes |" in text
    assert "Rejected in the end: gap 3." in text
    assert "Not audited: type `facepairs audit store`" in text
    assert "gen-000001.json" in text


def test_licences_and_audit_are_told_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = toy_create(tmp_path / "store")
    fill(store)
    rows = [
        {"name": "photographs", "kind": "photo", "licence": "CC-BY-4.0", "attribution": "A. Nyone", "count": 3}
    ]  # fmt: skip
    monkeypatch.setattr(sheets, "store_ledger", lambda store: rows)
    (store.root / "audit").mkdir()
    audit = {
        "pairs": 7,
        "thresholds": [
            {"what": "gap", "value": 0.123, "limit": 0.33, "way": "at most", "met": True},
            {"what": "yield", "value": 0.5, "limit": 0.85, "way": "at least", "met": False},
            {"what": "cost", "value": None, "limit": 1.3, "way": "at most", "met": None},
        ],
        "coverage": {"tone": {"counts": {"light": 3, "dark": 1}}},
    }
    (store.root / "audit" / "audit.json").write_bytes(seal(audit))
    text = datasheet(store)
    assert "- 3 photographs: CC-BY-4.0, A. Nyone" in text
    assert "| gap | 0.123 | at most 0.33 | yes |" in text
    assert "| yield | 0.5 | at least 0.85 | no |" in text
    assert "| cost | not measured | at most 1.3 | open |" in text
    assert "light 75 %, dark 25 %" in text
