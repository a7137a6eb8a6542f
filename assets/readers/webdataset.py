"""WebDataset shards: tars whose members share a key up to the first dot of their base names, a picture and its labels.

Labels come from the ``.json`` of a sample where it has one; ``LABELS`` says which of its keys are understood. The tars
are read in place, member by member.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from assets.readers.members import read_place
from assets.readers.photo_set import Photo, pictures
from assets.readers.tree import Tree

KIND, TITLE = "webdataset", "WebDataset shards"
MAX_LABELS = 1 << 16  # bytes of one sample's JSON
LABELS = {
    "identity": ("identity", "identity_id", "person_id", "subject_id", "celeb_id"),
    "licence": ("licence", "license", "LICENSE"),
    "attribution": ("attribution", "author", "credit"),
    "origin": ("origin", "source", "url"),
}


def recognises(tree: Tree) -> bool:
    """Pictures that lie in tars, and nowhere else."""
    found = False
    for _, where in pictures(tree):
        if not where.startswith("tar:"):
            return False
        found = True
    return found


def read(tree: Tree) -> Iterator[Photo]:
    """Every picture, with the labels of its sample."""
    for name, where in pictures(tree):
        folder, _, base = name.rpartition("/")
        sidecar = tree.files.get(f"{folder}/{base.partition('.')[0]}.json".lstrip("/"), "")
        labels = _labels(sidecar, tree) if sidecar else {}
        yield Photo(where, name, **labels, collection=tree.root.name)


def labels_of(told: dict[str, Any]) -> dict[str, str]:
    """The labels among the keys of a sample."""
    found = {}
    for ours, theirs in LABELS.items():
        value = next((told[key] for key in theirs if isinstance(told.get(key), (str, int))), "")
        if value != "":
            found[ours] = str(value)
    return found


def _labels(where: str, tree: Tree) -> dict[str, str]:
    size = int(where.split(":", 3)[2]) if where.startswith("tar:") else 0
    if size > MAX_LABELS:
        tree.left_out["label files that are too long"] += 1
        return {}
    try:
        told = json.loads(read_place(where))
        return labels_of(told) if isinstance(told, dict) else {}
    except (OSError, ValueError, RecursionError):
        tree.left_out["label files that are damaged"] += 1
        return {}
