"""From what was looked at to numbers: one row per audited pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.geometry.camera import ScaledOrtho
from models.heads.fit import interocular
from models.heads.linear import LinearHead
from models.heads.rows import JAW
from tasks.audit_look import Shape, shape_of_row, unpacked
from tasks.expect import Posed, add_votes, expected_classes, first_votes, posed
from tasks.gap import PARTS, contour_gap, occluded

Array = np.ndarray[Any, np.dtype[Any]]

FOLDS = 2  # a render is never measured against contours that it voted for
SETS = ("photo", "pair", "render")
COPIED = (
    "seam_energy", "seam_energy_photo", "seam_step", "seam_step_photo", "ita", "spread", "spread_mm",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Looked:
    """A pair that was looked at: its plan, its shape, what the store says of its pixels, and the notes."""

    key: str
    source: str
    head: str
    texture: str
    shape: Shape
    semantic: Array
    notes: Mapping[str, Any]


def expectations(
    pairs: Sequence[Looked], heads: Callable[[str], LinearHead], size: int
) -> dict[tuple[str, int], Array]:
    """Votes of the plain renders by head and fold: fold ``k`` holds those of all pairs but its own."""
    own: dict[tuple[str, int], Array] = {}
    for n, pair in enumerate(pairs):
        head = heads(pair.head)
        votes = own.setdefault((pair.head, n % FOLDS), np.zeros_like(first_votes(head)))
        add_votes(votes, head, _posed(pair.shape, head, size), unpacked(pair.notes["render_classes"]))
    names = {head for head, _ in own}
    return {
        (name, fold): first_votes(heads(name))
        + sum(votes for (head, other), votes in own.items() if head == name and other != fold)
        for name in names
        for fold in range(FOLDS)
    }


def measure(
    pairs: Sequence[Looked],
    photos: Mapping[tuple[str, str], Mapping[str, Any]],
    heads: Callable[[str], LinearHead],
    size: int,
    tell: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """One row per pair: gaps (pixels) and landmark errors (inter-ocular distances) of pair, render and photo.

    Args:
        pairs: in a fixed order, which decides the folds.
        photos: notes by head and source.
        heads: head models by name.
        size: side of the pictures.
        tell: is told how many pairs are done.
    """
    votes = expectations(pairs, heads, size)
    of_photo: dict[tuple[str, str], dict[str, float]] = {}
    rows = []
    for n, pair in enumerate(pairs):
        head = heads(pair.head)
        own = votes[pair.head, n % FOLDS]
        stand = _posed(pair.shape, head, size)
        seen, plain = unpacked(pair.notes["pair_classes"]), unpacked(pair.notes["render_classes"])
        hidden = occluded(interocular(stand.landmarks), seen, pair.semantic)
        expected = expected_classes(own, head, stand)
        row: dict[str, Any] = {
            "key": pair.key, "source": pair.source, "head": pair.head, "texture": pair.texture,
            "iod": interocular(stand.landmarks),
        }  # fmt: skip
        row |= _numbers("pair", pair.notes, contour_gap(expected, seen, stand.landmarks, hidden).parts, stand)
        row |= _numbers(
            "render", pair.notes, contour_gap(expected, plain, stand.landmarks, hidden).parts, stand
        )
        which = (pair.head, pair.source)
        if which not in of_photo:
            of_photo[which] = _photo(photos[which], own, head, size)
        rows.append(row | of_photo[which] | {name: pair.notes[name] for name in COPIED})
        tell(n + 1)
    return rows


def _photo(notes: Mapping[str, Any], votes: Array, head: LinearHead, size: int) -> dict[str, float]:
    stand = _posed(shape_of_row(notes), head, size)
    seen = unpacked(notes["photo_classes"])
    expected = expected_classes(votes, head, stand)
    iod = interocular(stand.landmarks)
    gap = contour_gap(expected, seen, stand.landmarks, occluded(iod, seen))
    return _numbers("photo", notes, gap.parts, stand) | {"photo_iod": iod}


def _numbers(
    name: str, notes: Mapping[str, Any], parts: Mapping[str, float], stand: Posed
) -> dict[str, float]:
    found = [parts[part] for part in PARTS if not np.isnan(parts[part])]
    points = np.array(notes[f"{name}_points"]).reshape(-1, 2)
    error = float("nan")
    if len(points):
        away = np.linalg.norm(points[JAW:] - stand.landmarks[JAW:], axis=1)
        error = float(away.mean() / interocular(stand.landmarks))
    return {
        **{f"{name}_{part}": parts[part] for part in PARTS},
        f"{name}_gap": float(np.mean(found)) if found else float("nan"),
        f"{name}_score": float(notes[f"{name}_score"]),
        f"{name}_landmarks": error,
    }


def _posed(shape: Shape, head: LinearHead, size: int) -> Posed:
    camera = ScaledOrtho(
        shape.camera.scale,
        shape.camera.rotation.astype(np.float64),
        shape.camera.translation.astype(np.float64),
    )
    return posed(head, camera, shape.identity, shape.expression, size)
