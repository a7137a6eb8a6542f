"""What a network is told of the head model fitted to an image's landmarks: its depth and normals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy import ndimage

from models.geometry.camera import pixel_to_cube
from models.geometry.maps import decode_normals, front_back_maps
from models.geometry.normals import vertex_normals
from models.heads.fit import fit_landmarks
from models.heads.linear import LinearHead
from models.networks.face_landmarker import FaceLandmarker

CHANNELS = 5  # depth, normal, coverage
WHOLE = 0.99  # coverage from which a pixel's depth is the head's alone
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


def told(maps: Float[np.ndarray, "R R 5"]) -> Float[np.ndarray, "5 R R"]:
    """Maps as a network is told them: pixels beside the head have the depth of the nearest one on it."""
    covered = maps[..., 4] > WHOLE
    out = maps.transpose(2, 0, 1).copy()
    if covered.any():
        rows, columns = ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True)
        out[0] = maps[rows, columns, 0]
    return out


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
