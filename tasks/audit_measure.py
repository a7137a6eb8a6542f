"""From what was looked at to numbers: one row per audited pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.heads.fit import interocular
from models.heads.linear import LinearHead
from models.heads.rows import JAW, LANDMARKS
from tasks.audit_look import Shape, shape_of_row, unpacked
from tasks.expect import Posed, add_votes, expected_classes, first_votes, posed
from tasks.gap import PARTS, Gap, contour_gap, occluded

Array = np.ndarray[Any, np.dtype[Any]]

FOLDS = 2  # a render is never measured against contours that it voted for
POOLED = 2.0  # renders' worth of votes
SETS = ("photo", "pair", "render")
COPIED = (
    "seam_energy", "seam_energy_photo", "seam_step", "seam_step_photo", "ita", "spread", "spread_mm",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Looked:
    """A pair that was looked at: its plan, its shape, and the notes."""

    key: str
    source: str
    head: str
    texture: str
    shape: Shape
    notes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What the observers say of a head whose picture agrees with it, from plain renders."""

    votes: Array  # of the parser, by vertex and kind (:mod:`tasks.expect`)
    by_texture: Mapping[str, Array]  # the part of them that each texture's renders gave
    shift: Array  # of the landmark network, by point: inter-ocular distances in the upright face, (68, 2)

    def votes_of(self, texture: str) -> Array:
        """Votes for a head with this texture: brows are where the texture has them, not where most have them.

        All textures together count as ``POOLED`` renders, so that a texture seen once does not decide alone.
        """
        if texture not in self.by_texture:
            return self.votes
        pooled = POOLED * self.votes / np.maximum(self.votes.sum(axis=1, keepdims=True), 1e-9)
        return np.asarray(pooled + self.by_texture[texture])


def calibrate(
    pairs: Sequence[Looked], heads: Callable[[str], LinearHead], size: int
) -> dict[tuple[str, int], Calibration]:
    """Calibration by head and fold: fold ``k`` comes from the plain renders of all pairs but its own."""
    votes: dict[tuple[str, int], dict[str, Array]] = {}
    shifts: dict[tuple[str, int], list[Array]] = {}
    for n, pair in enumerate(pairs):
        head = heads(pair.head)
        stand = stand_of(pair.shape, head, size)
        points = np.array(pair.notes["render_points"]).reshape(-1, 2)
        away = (points - stand.landmarks) / interocular(stand.landmarks) if len(points) else None
        for fold in (fold for fold in range(FOLDS) if fold != n % FOLDS):
            ballot = votes.setdefault((pair.head, fold), {})
            blank = np.zeros_like(first_votes(head))
            add_votes(
                ballot.setdefault(pair.texture, blank), head, stand, unpacked(pair.notes["render_classes"])
            )
            shifts.setdefault((pair.head, fold), [])
            if away is not None:
                shifts[pair.head, fold].append(away @ _upright(stand.roll))
    out: dict[tuple[str, int], Calibration] = {}
    for name in {pair.head for pair in pairs}:
        for fold in range(FOLDS):
            ballot, moved = votes.get((name, fold), {}), shifts.get((name, fold), [])
            mean = np.mean(moved, axis=0) if moved else np.zeros((LANDMARKS, 2))
            pooled = sum(ballot.values(), first_votes(heads(name)))
            out[name, fold] = Calibration(pooled, ballot, mean)
    return out


def measure(
    pairs: Sequence[Looked],
    known: Mapping[tuple[str, int], Calibration],
    photos: Mapping[tuple[str, str], Mapping[str, Any]],
    heads: Callable[[str], LinearHead],
    size: int,
    tell: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """One row per pair: gaps (pixels) and landmark errors (inter-ocular distances) of pair, render and photo.

    Args:
        pairs: in a fixed order, which decides the folds.
        known: of :func:`calibrate` for the same pairs.
        photos: notes by head and source.
        heads: head models by name.
        size: side of the pictures.
        tell: is told how many pairs are done.
    """
    of_photo: dict[tuple[str, str], dict[str, float]] = {}
    rows = []
    for n, pair in enumerate(pairs):
        head = heads(pair.head)
        own = known[pair.head, n % FOLDS]
        stand = stand_of(pair.shape, head, size)
        seen, plain = unpacked(pair.notes["pair_classes"]), unpacked(pair.notes["render_classes"])
        hidden = occluded(interocular(stand.landmarks), seen, unpacked(pair.notes["semantic"]))
        expected = expected_classes(own.votes_of(pair.texture), head, stand)
        row: dict[str, Any] = {
            "key": pair.key, "source": pair.source, "head": pair.head, "texture": pair.texture,
            "iod": interocular(stand.landmarks),
        }  # fmt: skip
        for name, classes in (("pair", seen), ("render", plain)):
            gap = contour_gap(expected, classes, stand.landmarks, hidden)
            row |= _numbers(name, pair.notes, gap, stand, own.shift)
        which = (pair.head, pair.source)
        if which not in of_photo:
            of_photo[which] = _photo(photos[which], own, head, size)
        rows.append(row | of_photo[which] | {name: pair.notes[name] for name in COPIED})
        tell(n + 1)
    return rows


def _photo(notes: Mapping[str, Any], own: Calibration, head: LinearHead, size: int) -> dict[str, float]:
    stand = stand_of(shape_of_row(notes), head, size)
    seen = unpacked(notes["photo_classes"])
    iod = interocular(stand.landmarks)
    gap = contour_gap(expected_classes(own.votes, head, stand), seen, stand.landmarks, occluded(iod, seen))
    return _numbers("photo", notes, gap, stand, own.shift) | {"photo_iod": iod}


def _numbers(name: str, notes: Mapping[str, Any], gap: Gap, stand: Posed, shift: Array) -> dict[str, float]:
    points = np.array(notes[f"{name}_points"]).reshape(-1, 2)
    error = float("nan")
    if len(points):
        expected = stand.landmarks + gap.iod * shift @ _upright(stand.roll).T
        error = float(np.linalg.norm(points[JAW:] - expected[JAW:], axis=1).mean() / gap.iod)
    return {
        **{f"{name}_{part}": gap.parts[part] for part in PARTS},
        f"{name}_gap": gap.mean,
        f"{name}_score": float(notes[f"{name}_score"]),
        f"{name}_landmarks": error,
    }


def stand_of(shape: Shape, head: LinearHead, size: int) -> Posed:
    """A noted shape, projected into a picture of side ``size``."""
    return posed(head, shape.camera, shape.identity, shape.expression, size)


def _upright(roll: float) -> Array:
    """Turn (2, 2) that takes image vectors, as rows, to the upright face; ``roll`` in degrees, anticlockwise."""
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    return np.array([[c, s], [-s, c]])
