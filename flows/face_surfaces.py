"""From a picture to the surfaces of its faces: detect, crop, parse, predict; what is loaded is loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from assets.registry import asset_path, default_head
from models.geometry.camera import ScaledOrtho, pixel_to_cube
from models.geometry.face_part import face_part
from models.geometry.photo_colours import vertex_colours
from models.heads.fit import Fitted, fit_landmarks
from models.heads.linear import LinearHead
from models.heads.regions import FACE
from models.networks.bisenet import FaceParser
from models.networks.hierarchical import Reconstruction
from models.networks.sdf_input import face_mask
from tasks.landmarks import Crop, Landmarks
from tasks.parse import clean


class Reconstructor(Protocol):
    """A trained network that makes surfaces."""

    @property
    def image(self) -> int:
        """Side of the crops that it reads."""
        ...

    def reconstruct(
        self, image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"]
    ) -> Reconstruction:
        """The surface of one crop in its cube."""
        ...


@dataclass(frozen=True, eq=False)
class FaceSurface:
    """One face and its surface."""

    crop: Crop
    semantic: UInt8[np.ndarray, "R R"]
    vertices: Float[np.ndarray, "V 3"]  # cube of the crop
    faces: Int[np.ndarray, "F 3"]  # CCW seen from outside
    fitted: Fitted  # head model at the landmarks: gives the millimetres
    asked: int  # points that networks were asked for

    @property
    def camera(self) -> ScaledOrtho:
        """Pose of the fitted head."""
        return self.fitted.camera

    @property
    def millimetres(self) -> Float[np.ndarray, "V 3"]:
        """Vertices in the camera's frame: x right, y up, z to the viewer, the crop's middle at x = y = 0."""
        return self.vertices * np.float32(self.camera.mm_per_unit)

    @cached_property
    def mask(self) -> Bool[np.ndarray, "R R"]:
        """Pixels of the parsed face."""
        return face_mask(self.semantic)

    @cached_property
    def colours(self) -> UInt8[np.ndarray, "V 3"]:
        """sRGB of the vertices."""
        return vertex_colours(self.crop.photo, self.vertices, self.faces, self.mask)


class FaceSurfaces:
    """Makes the surfaces of all faces of pictures, one at a time: memory is that of one face.

    Args:
        net: trained network.
    """

    def __init__(self, net: Reconstructor) -> None:
        self.net = net
        self.finder = Landmarks(max(net.image, 256))
        self.parser = FaceParser(asset_path("bisenet"))
        self.head: LinearHead = default_head()
        self.is_face = np.isin(self.head.face_region, FACE)

    def of(self, image: UInt8[np.ndarray, "H W 3"]) -> Iterator[FaceSurface | str]:
        """Every face from image left to right: its surface, or one sentence why there is none."""
        for crop in self.finder.find(image):
            yield self._surface(crop) if isinstance(crop, Crop) else crop.detail

    def _surface(self, crop: Crop) -> FaceSurface | str:
        semantic = clean(self.parser.parse(crop.photo[None])[0], crop.landmarks)
        try:
            made = self.net.reconstruct(crop.photo, semantic)
        except ValueError as error:
            return str(error)
        marks = pixel_to_cube(crop.landmarks.astype(np.float64), len(crop.photo))
        # The cube has no scale: millimetres come from the head model fitted to the landmarks.
        fitted = fit_landmarks(self.head, marks)
        head = fitted.camera.to_cube(
            self.head.vertices(fitted.identity, fitted.expression).astype(np.float64)
        )
        vertices, faces = face_part(
            made.vertices, made.faces, face_mask(semantic), head, self.head.faces, self.is_face
        )
        return FaceSurface(crop, semantic, vertices, faces, fitted, made.asked)
