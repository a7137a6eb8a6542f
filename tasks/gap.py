"""The 2D–3D gap: contours of the projected head against contours that a parser finds in the picture.

Both sides are class maps of one size: what the parser would say of the head (:mod:`tasks.expect`), and what it says of
the picture. A part of the face is a set of classes; its gap is the distance of the two contours, away from whatever
hides them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.geometry.contours import at, contour, grown, trimmed_distance
from models.heads.fit import interocular
from models.networks.classes import FACE, Parsing, among

Array = np.ndarray[Any, np.dtype[Any]]

PARTS: Mapping[str, tuple[Parsing, ...]] = {
    "jaw": FACE,
    "lips": (Parsing.UPPER_LIP, Parsing.LOWER_LIP, Parsing.INNER_MOUTH),
    "eyes": (Parsing.L_EYE, Parsing.R_EYE),
    "nose": (Parsing.NOSE,),
    "brows": (Parsing.L_BROW, Parsing.R_BROW),
}
SIDED = ("eyes", "brows")  # each side is measured by itself
# What lies beyond the jaw. Ears and hair are not its edge.
BEYOND = (Parsing.BACKGROUND, Parsing.NECK, Parsing.NECKLACE, Parsing.CLOTH)
OCCLUDERS = (Parsing.GLASSES, Parsing.HAIR, Parsing.HAT, Parsing.EARRING)
MARGIN = 0.06  # of the inter-ocular distance: so near an occluder a contour may be the occluder's
WINDOW = 0.3  # of the inter-ocular distance: further from the head's part a found part is somebody else's
BELOW_EYES = 0.35  # of the inter-ocular distance: where the jaw's contour begins
FEWEST = 12  # points of a contour that can be measured


@dataclass(frozen=True)
class Gap:
    """Distances in pixels by part; NaN where a part is hidden or was not found."""

    parts: Mapping[str, float]
    iod: float  # pixels between the middles of the eyes

    @property
    def mean(self) -> float:
        """Mean over the parts that were measured; NaN without any."""
        found = [d for d in self.parts.values() if not np.isnan(d)]
        return float(np.mean(found)) if found else float("nan")


def occluded(iod: float, *parsings: Array) -> Array:
    """Pixels (R, R) on or near hair, hats, glasses and ear rings, by any of the given class maps."""
    there = np.logical_or.reduce([among(parsing, OCCLUDERS) for parsing in parsings])
    return grown(there, MARGIN * iod)


def contour_gap(expected: Array, seen: Array, landmarks: Array, hidden: Array) -> Gap:
    """Measure one picture.

    Args:
        expected: class map of the projected head, uint8 (R, R).
        seen: class map of the picture, uint8 (R, R).
        landmarks: the shape's own 68 points, pixels, (68, 2): only for scale and for where the eyes are.
        hidden: pixels whose contours do not count, bool (R, R).
    """
    out: dict[str, float] = {}
    for part in PARTS:
        head, found = part_contours(part, expected, seen, landmarks, hidden)
        sides = [(head, found)]
        if part in SIDED:  # an eye that was not found says nothing of the other one
            a, b = _is_left(head, landmarks), _is_left(found, landmarks)
            sides = [(head[a], found[b]), (head[~a], found[~b])]
        away = [trimmed_distance(*side) for side in sides if min(map(len, side)) >= FEWEST]
        out[part] = float(np.mean(away)) if away else float("nan")
    return Gap(out, interocular(landmarks))


def part_contours(
    part: str, expected: Array, seen: Array, landmarks: Array, hidden: Array
) -> tuple[Array, Array]:
    """What can be compared of a part's contours on the head and in the picture, each (n, 2) pixels."""
    reach = WINDOW * interocular(landmarks)
    on_head = among(expected, PARTS[part])
    head, found = contour(on_head), contour(among(seen, PARTS[part]) & grown(on_head, reach))
    # Where the window cuts, there is an edge that nobody saw.
    found = found[at(grown(on_head, reach - 2), found)]
    if part == "jaw":
        head, found = _jaw(head, expected, landmarks), _jaw(found, seen, landmarks)
    return head[~at(hidden, head)], found[~at(hidden, found)]


def _axis(landmarks: Array) -> tuple[Array, Array]:
    """The middle between the eyes, and the unit direction from there to the chin."""
    eyes = (landmarks[36:42].mean(axis=0) + landmarks[42:48].mean(axis=0)) / 2
    down = landmarks[8] - eyes
    return eyes, down / np.linalg.norm(down)


def _is_left(points: Array, landmarks: Array) -> Array:
    """Which points lie on the image-left side of the line from the eyes to the chin."""
    eyes, down = _axis(landmarks)
    return np.asarray((points - eyes) @ np.array([down[1], -down[0]]) < 0)


def _jaw(points: Array, classes: Array, landmarks: Array) -> Array:
    """The points of a face's outline that border on what lies beyond the jaw, below the eyes."""
    eyes, down = _axis(landmarks)
    low = (points - eyes) @ down > BELOW_EYES * interocular(landmarks)
    beyond = grown(among(classes, BEYOND), 1.5)
    return np.asarray(points[at(beyond, points) & low])
