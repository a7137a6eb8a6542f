"""The licence ledger: what users of the project, or of a dataset made with it, must know of every file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assets.registry import Entry, Ledger


@dataclass(frozen=True)
class LicenceLine:
    """One row of the ledger as people read it: entries of one kind, licence, package and attribution."""

    kind: str
    names: tuple[str, ...]
    licence: str
    source: str
    attribution: str
    ships: bool
    commercial: bool
    note: str


def licence_lines(book: Ledger, names: Iterable[str] | None = None) -> tuple[LicenceLine, ...]:
    """The ledger folded to one line per origin; with ``names``, only the assets that something was made with.

    Raises:
        AssetError: a name that the ledger does not have.
    """
    entries = book.entries() if names is None else tuple(book.entry(n) for n in sorted(set(names)))
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        package = entry.source.partition(":")[0]
        key = (
            entry.kind,
            entry.licence,
            package,
            entry.attribution,
            str(entry.fetched),
            str(entry.commercial),
        )
        groups.setdefault(key, []).append(entry)
    return tuple(
        LicenceLine(
            kind=group[0].kind,
            names=tuple(e.name for e in group),
            licence=group[0].licence,
            source=package,
            attribution=group[0].attribution,
            ships=not group[0].fetched,
            commercial=group[0].commercial,
            note=" ".join(dict.fromkeys(e.note for e in group if e.note)),
        )
        for (_, _, package, *_), group in sorted(groups.items())
    )


def restrictions(book: Ledger, names: Iterable[str]) -> tuple[str, ...]:
    """One sentence for each used asset that limits what may be done with the result, none if none does."""
    return tuple(
        f"{line.kind} {', '.join(line.names)}: {line.licence}. {line.note}".strip()
        for line in licence_lines(book, names)
        if not line.commercial
    )
