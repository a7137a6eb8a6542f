"""The one camera of the project, and the frames it connects.

Frames (the glossary in ``docs/frames.md`` draws them):

* **head**: millimetres, x to the subject's left (image right when frontal), y up, z to the viewer, origin in the middle
  of the mean head.
* **cube**: the network's ``[-1, 1]^3``, x right, y up, z to the viewer, orthographic. One unit is ``1 / scale`` mm.
* **pixel**: continuous image coordinates, u right, v down, in ``[0, size]``. The centre of pixel ``(row i, column j)``
  is ``(j + 0.5, i + 0.5)``. The square image spans x, y in ``[-1, 1]``.

A voxel grid of side ``n`` uses the same rule as pixels: the centre of voxel ``i`` is ``(2 i + 1) / n - 1``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


def pixel_to_cube(pixels: Float[np.ndarray, "*n 2"], size: int) -> Float[np.ndarray, "*n 2"]:
    """Pixel coordinates (u right, v down) to cube x, y (y up)."""
    return np.stack([2 * pixels[..., 0] / size - 1, 1 - 2 * pixels[..., 1] / size], axis=-1)


def cube_to_pixel(points: Float[np.ndarray, "*n d"], size: int) -> Float[np.ndarray, "*n 2"]:
    """Cube points (x, y[, z]) to pixel coordinates (u right, v down); z is dropped."""
    return np.stack([(points[..., 0] + 1) * size / 2, (1 - points[..., 1]) * size / 2], axis=-1)


def voxel_centres(n: int) -> Float[np.ndarray, " n"]:
    """Cube coordinate of the centre of each of ``n`` voxels (or pixels) along one axis."""
    return (2 * np.arange(n) + 1) / n - 1


@dataclass(frozen=True)
class ScaledOrtho:
    """Scaled orthographic pose: ``cube = scale * rotation @ head + (tx, ty, 0)`` (facts §1.4, §8.2).

    The head's origin therefore lies at cube depth 0, which keeps the whole head inside the cube for faces that take
    50–90 % of the crop.
    """

    scale: float  # cube units per millimetre
    rotation: Float[np.ndarray, "3 3"]  # head -> cube, right-handed, det +1
    translation: Float[np.ndarray, " 2"]  # cube units

    @property
    def mm_per_unit(self) -> float:
        """Millimetres in one cube unit."""
        return 1.0 / self.scale

    def to_cube(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Head-frame millimetres to cube units."""
        posed = self.scale * points @ self.rotation.T
        posed[..., :2] += self.translation
        return posed

    def to_pixel(self, points: Float[np.ndarray, "*n 3"], size: int) -> Float[np.ndarray, "*n 2"]:
        """Head-frame millimetres to pixels of a square image of the given size."""
        return cube_to_pixel(self.to_cube(points), size)

    @property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch, roll in degrees: positive yaw looks to image right, positive pitch up, positive roll turns the
        head anticlockwise in the image.
        """
        R = self.rotation
        yaw = np.degrees(np.arctan2(R[0, 2], np.hypot(R[1, 2], R[2, 2])))
        pitch = np.degrees(np.arctan2(R[1, 2], R[2, 2]))
        roll = np.degrees(np.arctan2(-R[0, 1], R[0, 0]))
        return float(yaw), float(pitch), float(roll)
