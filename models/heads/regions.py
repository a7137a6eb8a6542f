"""What each part of a head is called, the same for every head model."""

from __future__ import annotations

from enum import IntEnum


class Region(IntEnum):
    """Region of a vertex or triangle; 0 is used for pixels that no head covers."""

    BACKGROUND = 0
    SKIN = 1  # face skin: forehead, cheeks, chin, up to the jaw line; not neck, ears or scalp
    NOSE = 2
    BROWS = 3
    EYES = 4  # the eyeball patch between the lids
    LIPS = 5
    INNER_MOUTH = 6  # the mouth bag
    EARS = 7
    NECK = 8
    SCALP = 9


FACE = (Region.SKIN, Region.NOSE, Region.BROWS, Region.EYES, Region.LIPS, Region.INNER_MOUTH)
HOLES = (
    Region.EYES,
    Region.INNER_MOUTH,
)  # what a skin-only render cannot show, and the completion network paints
