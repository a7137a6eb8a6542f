"""Scale, rotation and translation between two frames, and the best one for corresponding points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Similarity:
    """``target = scale * rotation @ source + translation``."""

    scale: float
    rotation: Float[np.ndarray, "3 3"]  # right-handed, det +1
    translation: Float[np.ndarray, " 3"]

    def __call__(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Source points in the target's frame."""
        return self.turn(points) + self.translation

    @property
    def inverse(self) -> Similarity:
        """From the target's frame to the source's."""
        back = self.rotation.T
        return Similarity(1 / self.scale, back, -back @ self.translation / self.scale)

    def turn(self, moves: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Displacements of source points in the target's frame: turned and scaled, not shifted."""
        return self.scale * moves @ self.rotation.T

    def back(self, moves: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Displacements before :meth:`turn`."""
        return moves @ self.rotation / self.scale

    @staticmethod
    def between(
        source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "n 3"], scale: float | None = None
    ) -> Similarity:
        """Least squares (Umeyama 1991); ``scale`` holds the scale at a value."""
        a, b = source - source.mean(0), target - target.mean(0)
        u, d, vt = np.linalg.svd(b.T @ a)
        sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
        rotation = (u * sign) @ vt
        if scale is None:
            scale = float((d * sign).sum() / (a * a).sum())
        return Similarity(scale, rotation, target.mean(0) - scale * rotation @ source.mean(0))

    def nudged(self, turn: Float[np.ndarray, " 3"], move: Float[np.ndarray, " 3"], grow: float) -> Similarity:
        """This one followed by a small rotation about the target axes, a growth by exp(grow), and a move."""
        angle = float(np.linalg.norm(turn))
        x, y, z = turn / max(angle, 1e-12)
        K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        R = np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K
        factor = float(np.exp(grow))
        return Similarity(self.scale * factor, R @ self.rotation, factor * R @ self.translation + move)
