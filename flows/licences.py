"""The licence ledger of a store: what it was made from, what may be done with it, and who was told to ignore that."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from assets.registry import ledger
from assets.terms import Verdict, verdict
from flows.credits import credits_page
from storage.errors import StoreError
from storage.files import read_sealed, seal, write_replace
from storage.layout import PERMISSIONS, locked
from storage.store import Store
from tasks.source_table import SourceRow, SourceTable

LICENCES, SOURCES = "licences.json", "sources.parquet"  # of a store's snapshot
CREDITS = "LICENCES.md"
FLAG = "--despite-licences"
NAMED = 20  # authors that the ledger names itself; of more, the source table does
Action = Literal["publish", "export"]


class LicenceError(StoreError):
    """The ledger forbids it; one sentence with the reason and, where there is one, the way out."""


def photo_ledger(rows: Iterable[SourceRow]) -> list[dict[str, Any]]:
    """Photographs folded to one row per licence and collection; each photograph counts once.

    Licence, author, origin and hash of every single one are in the store's source table.
    """
    groups: dict[tuple[str, str], dict[str, SourceRow]] = {}
    for row in rows:
        groups.setdefault((row.licence, row.collection), {})[row.sha256] = row
    folded = []
    for (licence, collection), photos in sorted(groups.items()):
        one = next(iter(photos.values()))
        authors = sorted({row.attribution for row in photos.values() if row.attribution})
        folded.append({
            "name": one.photo if len(photos) == 1 else collection or "photographs",
            "kind": "photo", "licence": licence or "not stated",
            "attribution": "; ".join(authors) if len(authors) <= NAMED else f"{len(authors)} authors, see {SOURCES}",
            "source": (one.origin if len(photos) == 1 else "") or collection, "count": len(photos),
            "sha256": one.sha256 if len(photos) == 1 else "", "commercial": True,
        })  # fmt: skip
    return folded


def known_licence(row: SourceRow) -> SourceRow:
    """The row with the licence of this installation's ledger, when its photograph is one of those that ship."""
    if row.licence:
        return row
    return _with_entry(row, {entry.sha256: entry for entry in ledger().entries("photo")})


def store_ledger(store: Store) -> list[dict[str, Any]]:
    """Everything that a store was made from: heads, textures, weights and photographs.

    Returns:
        ``name, kind, licence, attribution, source, sha256, count, commercial`` per row. Stores of versions before the
        ledger named photographs get them from their source table, and what else is missing from this installation.
    """
    known = ledger().entries_by_name
    hashes = {**store.config.get("assets", {}), **store.config.get("weights", {})}
    rows = json.loads(store.snapshot(LICENCES)) if LICENCES in store.description["snapshot"] else []
    for row in rows:
        entry = known.get(row["name"])
        row.setdefault("commercial", entry.commercial if entry else True)
        row.setdefault("source", entry.source if entry else "")
        row.setdefault("sha256", hashes.get(row["name"], ""))
        row.setdefault("count", 1)
    if not any(row["kind"] == "photo" for row in rows) and SOURCES in store.description["snapshot"]:
        store.snapshot(SOURCES)  # its hash
        used = {row.source for row in store.plan.rows}
        shipped = {entry.sha256: entry for entry in ledger().entries("photo")}
        table = SourceTable.read(store.root / "snapshot" / SOURCES)
        rows += photo_ledger(_with_entry(row, shipped) for row in table.usable if row.id in used)
    if not any(row["kind"] == "photo" for row in rows):  # every store has some, and nobody said whose
        rows += photo_ledger([SourceRow("", "photographs", "")])
    return rows


def store_verdict(store: Store) -> Verdict:
    """What may be done with a store, and because of which files."""
    return verdict(store_ledger(store))


def clear(store: Store, action: Action, *, target: str = "", despite: str = "") -> Verdict:
    """Let a store be published or exported, or refuse. To be called before anything is written.

    Args:
        store: the store.
        action: what is about to be done.
        target: where to, for the record.
        despite: why it is done although the ledger forbids it (``--despite-licences``); kept in the store.

    Returns:
        The verdict.

    Raises:
        LicenceError: the ledger forbids publication, and ``despite`` is empty or cannot help.
    """
    found = store_verdict(store)
    if found.never:
        msg = f"{store.root} cannot be passed on: it {found.line}"
        raise LicenceError(msg)
    if not found.publish and not despite.strip():
        msg = (
            f"{store.root} cannot be passed on: it {found.line} Type 'facepairs licences {store.root}' for the whole "
            f'ledger; with a permission of theirs, give it as {FLAG} "WHO PERMITS IT", which the store keeps.'
        )
        raise LicenceError(msg)
    if action == "publish" or not found.publish:
        _record(store, action, target, "" if found.publish else despite.strip(), found)
    return found


def permissions(store: Store) -> list[dict[str, Any]]:
    """Every publication, and every export that went against the ledger, oldest first."""
    path = store.root / PERMISSIONS
    return list(read_sealed(path)["permissions"]) if path.is_file() else []


def mark_public(store: Store, despite: str = "") -> Verdict:
    """Mark a store as public and write the page of credits that must go with it.

    Raises:
        LicenceError: see :func:`clear`.
    """
    found = clear(store, "publish", target=str(store.root), despite=despite)
    page = credits_page(store.root.name, store_ledger(store), found, permissions(store))
    write_replace(store.root / CREDITS, page.encode())
    return found


def inherited(store: Store) -> dict[str, Any]:
    """The verdict as a model trained on the store carries it, in its configuration and card."""
    found = store_verdict(store)
    return {**found.as_dict(), "permissions": permissions(store)}


def _record(store: Store, action: Action, target: str, despite: str, found: Verdict) -> None:
    told = {
        "action": action,
        "target": target,
        "despite": despite,
        "forbidden_by": list(found.against_publishing),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with locked(store.root):
        write_replace(store.root / PERMISSIONS, seal({"permissions": [*permissions(store), told]}))


def _with_entry(row: SourceRow, shipped: dict[str, Any]) -> SourceRow:
    entry = shipped.get(row.sha256)
    if row.licence or entry is None:
        return row
    return row.labelled(licence=entry.licence, attribution=entry.attribution, origin=entry.source)
