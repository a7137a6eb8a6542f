"""The 19 face-parsing classes in the official CelebAMask-HQ order (facts §5.2)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, UInt8


class Parsing(IntEnum):
    """Class ids as every mask of the project stores them. ``L_`` is the side at image left of the nose."""

    BACKGROUND = 0
    SKIN = 1
    NOSE = 2
    GLASSES = 3
    L_EYE = 4
    R_EYE = 5
    L_BROW = 6
    R_BROW = 7
    L_EAR = 8
    R_EAR = 9
    INNER_MOUTH = 10
    UPPER_LIP = 11
    LOWER_LIP = 12
    HAIR = 13
    HAT = 14
    EARRING = 15
    NECKLACE = 16
    NECK = 17
    CLOTH = 18


# What counts as face. Glasses stay in front of the new face, so they are not in it.
FACE = (
    Parsing.SKIN, Parsing.NOSE, Parsing.L_EYE, Parsing.R_EYE, Parsing.L_BROW, Parsing.R_BROW,
    Parsing.INNER_MOUTH, Parsing.UPPER_LIP, Parsing.LOWER_LIP,
)  # fmt: skip


def among(labels: UInt8[np.ndarray, "*n"], wanted: Iterable[int]) -> Bool[np.ndarray, "*n"]:
    """Which labels, of parsing or of a head's regions, are among the wanted: by a table, in one pass."""
    table = np.zeros(256, bool)
    table[list(wanted)] = True
    return table[labels]
