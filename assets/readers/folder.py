"""Plain folders and archives of pictures, with a ledger of their own where they bring one.

``photos.json`` (or ``ledger.json``, as ours) in the root says what may be done with the pictures: a list of rows, or an
object with ``entries`` and defaults for all of them. A row names its picture by ``file`` or ``path`` and may say
``licence``, ``attribution``, ``source``, ``identity``. What no row speaks of is under no known licence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from assets.readers.photo_set import Photo, pictures
from assets.readers.tree import PhotoSetError, Tree

KIND, TITLE = "folder", "a plain collection of pictures"
LEDGERS = ("photos.json", "ledger.json")
MOST_LEDGER = 256_000_000  # bytes: half a million rows
# Ours first, then how others spell the same.
NAMES = {
    "licence": ("licence", "license"),
    "attribution": ("attribution", "author", "by"),
    "origin": ("origin", "source", "url"),
    "identity": ("identity", "person"),
}


def recognises(tree: Tree) -> bool:
    """Anything with pictures in it."""
    return next(pictures(tree), None) is not None


def read(tree: Tree) -> Iterator[Photo]:
    """Every picture, with what the ledger says of it."""
    ledger = next((name for name in LEDGERS if name in tree.files), None)
    defaults, rows = _ledger(tree, ledger) if ledger else ({}, {})
    for name, where in pictures(tree):
        yield Photo(where, name, **{**defaults, **rows.get(name, rows.get(name.rpartition("/")[2], {}))})


def _ledger(tree: Tree, name: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Defaults, and labels by file name."""
    try:
        data = tree.read(name)
        if len(data) > MOST_LEDGER:
            raise ValueError(f"{len(data)} bytes, at most {MOST_LEDGER} are read")
        told = json.loads(data)
        body = told if isinstance(told, dict) else {"entries": told}
        entries = body.get("entries", body.get("photos", []))
        rows = {}
        for row in entries:
            rows[str(row.get("file") or row["path"])] = _labels(row)
        # A ledger of ours names its files from the folder above.
        rows |= {path.rpartition("/")[2]: row for path, row in rows.items() if path not in tree.files}
        return _labels(body), rows
    except PhotoSetError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = (
            f"{tree.root}/{name} is no ledger of photographs ({type(error).__name__}: {error}): a list of "
            'rows with "file" and "licence" is expected, or {"licence": ..., "entries": [...]}; correct it, or take it '
            "out of the folder."
        )
        raise PhotoSetError(msg) from error


def _labels(row: dict[str, Any]) -> dict[str, str]:
    found = {}
    for ours, theirs in NAMES.items():
        value = next((row[key] for key in theirs if isinstance(row.get(key), (str, int))), "")
        if value != "":
            found[ours] = str(value)
    if "origin" in found and row.get("package"):
        found["origin"] = f"{row['package']}: {found['origin']}"
    return found
