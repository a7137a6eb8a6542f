"""Mouth, nose and eyes must be seen where the landmarks place them; what covers one of them is refused.

The landmark model draws a mouth through a hand, and the parser, to which a hand is skin, finds no lips there. So the
two contradict each other exactly where an occluder of the colour of skin does harm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.networks.classes import Parsing
from storage.reject import Reason, Reject
from tasks.parse import hull

Array = np.ndarray[Any, np.dtype[Any]]

LIPS = (Parsing.UPPER_LIP, Parsing.LOWER_LIP, Parsing.INNER_MOUTH)
EYES, BROWS = (Parsing.L_EYE, Parsing.R_EYE), (Parsing.L_BROW, Parsing.R_BROW)
# Landmarks of brows, eyes, lips and nostrils: skin there may have any colour.
FEATURES = ((17, 22), (22, 27), (36, 42), (42, 48), (48, 60), (31, 36))
MIN_LIPS, MIN_NOSE = (
    0.62,
    0.75,
)  # of their landmark hulls that are parsed as such; bare faces have 0.72 and 0.86
MIN_EYE, MISSED_EYE = 0.4, 0.05  # an eye that is seen, and one that is not


def covered_part(parsing: Array, points: Array) -> Reject | None:
    """A key part that the landmarks place and the parser does not find, as a Reject(occluded); None for a bare face.

    Args:
        parsing: classes (R, R).
        points: iBUG-68 landmarks (68, 2) in pixels.
    """
    size = len(parsing)
    for part, classes, (first, last), least in (
        ("mouth", LIPS, (48, 60), MIN_LIPS),
        ("nose", (Parsing.NOSE,), (27, 36), MIN_NOSE),
    ):
        seen = share(parsing, classes, hull(points[first:last], size))
        if seen < least:
            return Reject(
                Reason.OCCLUDED,
                f"{seen:.2f} of the {part} is seen where the landmarks place it, at least {least} is needed",
            )
    sides = []
    for eye, brow in (((36, 42), (17, 22)), ((42, 48), (22, 27))):
        place, arch = hull(points[slice(*eye)], size), hull(points[slice(*brow)], size)
        eye_seen = share(parsing, (*EYES, Parsing.GLASSES), place)
        brow_seen = share(parsing, (*BROWS, Parsing.GLASSES), arch)
        sides.append(
            (eye_seen, max(eye_seen, brow_seen), share(parsing, (Parsing.SKIN, Parsing.NOSE), place))
        )
    for (_, either, skin), (other, _, _) in (sides, sides[::-1]):
        # Hair over an eye is parsed as hair and stays; skin where an eye and its brow must be is a hand.
        if either < MISSED_EYE and skin > 0.5 and other > MIN_EYE:
            return Reject(
                Reason.OCCLUDED, "skin without an eye and a brow is seen where the landmarks place them"
            )
    return None


def features(points: Array, size: int) -> Array:
    """Brows, eyes, lips and nostrils by the landmarks, bool (R, R)."""
    marked: Array = np.logical_or.reduce([hull(points[first:last], size) for first, last in FEATURES])
    return marked


def share(parsing: Array, classes: tuple[Parsing, ...], where: Array) -> float:
    """How much of a mask (R, R) is parsed as one of some classes; 1 for an empty mask."""
    return float(np.isin(parsing[where], classes).mean()) if where.any() else 1.0
