"""Hair that hangs behind a turned face: between profile and far hair one sees more hair, not the background.

A head that turns moves its profile away from the hair beside it. The gap shows the inside of that hair, which no
photograph of the front has seen; filled like a background it is pale and smooth, and reads as a second cheek.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float

from models.geometry.fill import push_pull
from models.geometry.hair import core

Array = np.ndarray

REACH = 0.16  # of the side: wider than this, a gap in a row shows what is behind the person
SHADE = 0.72  # of the hair's brightness: its inside lies in the head's shadow
RAGGED = 7 / 256  # of the side: what is finer than this in the gap's outline is the grid of rows
UNDER = 5 / 256  # of the side by which the curtain goes on under the soft edges of face and hair


def gap(face: Bool[Array, "R R"], hair: Bool[Array, "R R"]) -> Bool[Array, "R R"]:
    """Pixels of neither that lie in their row between face on one side and hair on the other, at most REACH apart."""
    size = len(face)
    kind = np.where(face, 1, np.where(hair, 2, 0))
    at = np.arange(size)[None]
    before = np.maximum.accumulate(np.where(kind > 0, at, -1), axis=1)
    after = np.minimum.accumulate(np.where(kind > 0, at, size)[:, ::-1], axis=1)[:, ::-1]
    inside = (kind == 0) & (before >= 0) & (after < size) & (after - before - 1 <= REACH * size)
    ends = np.take_along_axis(kind, np.maximum(before, 0), 1) + np.take_along_axis(
        kind, np.minimum(after, size - 1), 1
    )
    found = (inside & (ends == 3)).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, round(RAGGED * size)) | 1,) * 2)
    return (cv2.morphologyEx(found, cv2.MORPH_CLOSE, disc) > 0) & (kind == 0)


def hang(
    behind: Float[Array, "R R 3"],
    colour: Float[Array, "R R 3"],
    face: Bool[Array, "R R"],
    hair: Bool[Array, "R R"],
    detail: Float[Array, "R R 3"],
) -> tuple[Float[Array, "R R 3"], Bool[Array, "R R"]]:
    """What is behind the head, with the far hair's inside in the gap beside the profile.

    Args:
        behind: the picture without the head.
        colour: of the hair, where ``hair`` is.
        face: what the head's face covers.
        hair: what its hair covers.
        detail: of strands (:func:`models.geometry.hair.strands`).

    Returns:
        The picture, and the gap that it filled.
    """
    empty = gap(face, hair)
    if not empty.any():
        return behind, empty
    inside = SHADE * (push_pull(colour, core(hair) if core(hair).any() else hair) + detail)
    side = max(3, round(UNDER * len(face))) | 1
    under = cv2.dilate(empty.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    share = (empty | (under & (face | hair))).astype(np.float32)
    return behind + share[..., None] * (inside - behind), empty
