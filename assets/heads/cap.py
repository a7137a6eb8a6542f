"""Latex caps on scanned heads: vertices above the brows whose colour is not that of the face."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

FROM_BROWS = 0.12  # of the outer eye distance above the brows: lower, a dark brow or a shadow would count
UNLIKE = 18.0  # Lab distance from the face's median skin, lightness counted half
FACE = 0.55  # of the outer eye distance around the nose's root and base: what is surely face


def cap_vertices(
    points: Float[np.ndarray, "v 3"], colour: UInt8[np.ndarray, "v 3"], marks: Float[np.ndarray, "68 3"]
) -> Bool[np.ndarray, " v"]:
    """Vertices that wear the cap, or hair that comes out from under it.

    Args:
        points: y up, z to the viewer, any unit.
        colour: sRGB of the vertices.
        marks: iBUG-68.
    """
    span = float(np.linalg.norm(marks[45] - marks[36]))
    lab = cv2.cvtColor(colour[None].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0]
    cheeks = (np.linalg.norm(points - marks[30], axis=1) < FACE * span) & (
        points[:, 1] < marks[36:48, 1].min()
    )
    skin = np.median(lab[cheeks], axis=0)
    unlike = np.linalg.norm((lab - skin) * [0.5, 1, 1], axis=1) > UNLIKE
    brows = marks[17:27, 1].max()
    high = points[:, 1] > brows + FROM_BROWS * span
    behind = points[:, 2] < marks[[0, 16], 2].mean()
    return unlike & (high | behind)
