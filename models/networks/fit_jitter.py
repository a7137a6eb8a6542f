"""Fitted heads moved by a little, to first order: mistakes of pose that a detector could have made as well.

A store has few photographs, so a network soon knows the detector's mistake on each by heart. A head that is moved at
random has to be corrected by looking.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Jitter:
    """A small motion of the fitted head about the middle of the cube."""

    shift: Float[np.ndarray, " 3"]  # cube units
    turn: Float[np.ndarray, " 3"]  # axis times angle, radians
    grow: float  # relative change of size

    def flow(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """How far points of the head move."""
        return (self.shift + np.cross(self.turn, points) + self.grow * points).astype(np.float32)

    def maps(self, maps: Float[np.ndarray, "R R 5"]) -> Float[np.ndarray, "R R 5"]:
        """Depth, normal and coverage of the moved head."""
        side = len(maps)
        axis = ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)
        x, y = np.meshgrid(axis, -axis)
        moved = self.flow(np.stack([x, y, maps[..., 0]], axis=-1)) * np.float32(side / 2)
        columns, rows = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
        out = cv2.remap(maps, columns - moved[..., 0], rows + moved[..., 1], cv2.INTER_LINEAR)
        covered = out[..., 4:]
        deeper = self.flow(np.stack([x, y, out[..., 0]], axis=-1))[..., 2:]
        normal = out[..., 1:4] + np.cross(self.turn, out[..., 1:4]).astype(np.float32)
        return np.concatenate([out[..., :1] + covered * deeper, normal, covered], axis=-1)


def draw_jitter(
    rng: np.random.Generator, shift: float = 0.012, turn: float = 2.5, grow: float = 0.01
) -> Jitter:
    """A motion of the size of the detector's mistakes.

    Args:
        rng: the only source of chance.
        shift, grow: standard deviations, cube units and relative.
        turn: the same of each angle, degrees.
    """
    return Jitter(rng.normal(0, shift, 3), np.radians(rng.normal(0, turn, 3)), float(rng.normal(0, grow)))
