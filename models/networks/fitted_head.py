"""What a network sees of the head model fitted to an image's landmarks: its depth and normals, its signed distance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import igl
import numpy as np
from jaxtyping import Float, Int, UInt8

from models.geometry.camera import pixel_to_cube
from models.geometry.maps import decode_normals, front_back_maps
from models.geometry.normals import vertex_normals
from models.heads.fit import fit_landmarks
from models.heads.linear import LinearHead
from models.networks.face_landmarker import FaceLandmarker

CHANNELS = 5  # depth, normal, coverage
REACH = 0.06  # distances are clipped here, cube units
WORST = (
    0.25  # rms of the landmarks' residual in inter-ocular distances; beyond, the detector saw something else
)


@dataclass(frozen=True, eq=False)
class Posed:
    """A closed surface in the cube of its image."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]

    def maps(self, side: int) -> Float[np.ndarray, "R R 5"]:
        """Depth, front normal and coverage for every pixel; zeros where no head is."""
        points = self.vertices.astype(np.float32)
        front, _, depth = front_back_maps(points, vertex_normals(points, self.faces), self.faces, side)
        normal = decode_normals(front)
        covered = (front > 0).any(-1)
        return np.concatenate(
            [np.where(covered, depth, 0)[..., None], normal, covered[..., None]], axis=-1
        ).astype(np.float32)

    def moved(self, depth: float) -> Posed:
        """The same surface nearer to the viewer by some cube units."""
        return Posed(self.vertices + np.float64([0, 0, depth]), self.faces)

    def distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Signed distance, positive outside, clipped to ±REACH."""
        found = igl.signed_distance(
            points.astype(np.float64), self.vertices.astype(np.float64), self.faces,
            sign_type=igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL,
        )[0]  # fmt: skip
        return np.clip(found, -REACH, REACH).astype(np.float32)


@dataclass(frozen=True, eq=False)
class HeadFitter:
    """Fits the head model to the largest face of an image."""

    finder: FaceLandmarker
    head: LinearHead

    def __call__(self, image: UInt8[np.ndarray, "R R 3"]) -> Posed | None:
        """The fitted head, or None where no landmarks are found or the head does not meet them."""
        faces = self.finder.find(image)
        if not faces:
            return None
        largest = max(faces, key=lambda face: float(np.ptp(face.points[:, 0])))
        fitted = fit_landmarks(self.head, pixel_to_cube(largest.points.astype(np.float64), len(image)))
        if not fitted.rms < WORST:
            return None
        shape = self.head.vertices(fitted.identity, fitted.expression).astype(np.float64)
        return Posed(fitted.camera.to_cube(shape), self.head.faces)


Fit = Callable[[UInt8[np.ndarray, "R R 3"]], Posed | None]
