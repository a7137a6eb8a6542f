"""How a photo's light changes over the face: what no light at infinity can explain.

Near lamps, a hat brim or hair above the forehead light two spots with the same normal differently. The rest of the
photo's skin over the lit render is taken, in the logarithm, as a quadratic of the position in the image, for
R, G, B: too stiff to copy a beard, an eye socket or a cheekbone of the person in the photo, and stiff enough that a
robust fit can decide it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from models.geometry.light import LUMINANCE

RIDGE = 0.02  # of the mean square of a term, against none
KEEP = 0.9  # share of the pixels that each refit trusts
REFITS = 3
FLOOR = 0.01  # linear light added to both sides of the ratio, so that black noise does not decide it
REACH = 1.2  # of twice the pixels' spread: beyond it the field stays as it is there
LOWEST, HIGHEST = -0.8, 0.6  # logarithm of the gain
GRID = 64  # side on which the field is evaluated; it is far smoother


@dataclass(frozen=True, eq=False)
class Falloff:
    """A gain on linear light over the image. Positions are (column, row) in sides of the image, 0..1."""

    coefficients: Float[np.ndarray, "6 3"]
    middle: Float[np.ndarray, " 2"]
    spread: Float[np.ndarray, " 2"]

    def gain(self, size: int) -> Float[np.ndarray, "size size 3"]:
        """The gain at each pixel centre, float32, between exp(``LOWEST``) and exp(``HIGHEST``)."""
        ticks = (np.arange(GRID) + 0.5) / GRID
        grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)
        field = np.exp(np.clip(self._terms(grid) @ self.coefficients, LOWEST, HIGHEST)).astype(np.float32)
        return np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR))

    def _terms(self, where: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 6"]:
        x, y = np.moveaxis(np.clip((where - self.middle) / self.spread, -REACH, REACH), -1, 0)
        return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def estimate_falloff(
    photo: Float[np.ndarray, "n 3"], lit: Float[np.ndarray, "n 3"], where: Float[np.ndarray, "n 2"]
) -> Falloff:
    """The field that takes a lit render's skin to the photo's.

    Args:
        photo: linear light of skin pixels.
        lit: linear light of the render at the same pixels.
        where: their (column, row) in sides of the image, 0..1.

    Raises:
        ValueError: fewer than 32 pixels.
    """
    if len(photo) < 32:
        msg = f"estimate_falloff expects at least 32 pixels, got {len(photo)}; reject this photo."
        raise ValueError(msg)
    spread = np.maximum(2 * where.std(axis=0), 1e-3)
    flat = Falloff(np.zeros((6, 3)), where.mean(axis=0), spread)
    terms = flat._terms(where)
    ratio = np.log((np.maximum(photo, 0) + FLOOR) / (np.maximum(lit, 0) + FLOOR)).astype(np.float64)
    kept = np.ones(len(photo), dtype=bool)
    coefficients = flat.coefficients
    for _ in range(REFITS):
        rows = terms[kept]
        pull = np.diag([0.0] + [RIDGE * len(rows)] * 5)
        coefficients = np.linalg.solve(rows.T @ rows + pull, rows.T @ ratio[kept])
        residual = np.abs((terms @ coefficients - ratio) @ LUMINANCE)
        kept = residual <= np.quantile(residual, KEEP)
    return Falloff(coefficients, flat.middle, flat.spread)
