"""Textures of scans that share a topology, moved into the bundled head's atlas: one map serves all of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from assets.atlas import Atlas, sample
from assets.bake import SURFACE, Baked, finish
from assets.heads.correspond import correspond
from models.geometry.closest import closest_points
from models.geometry.light import decode_srgb
from models.geometry.normals import vertex_normals

CLOSE = (1.5, 4.0)  # mm between scan and atlas at which a texel still counts fully, and no more
EYE_REACH = 0.33  # of the outer eye distance: half the width of what is masked around a pixelated eye
SOFT = 0.01  # of the atlas side: width of the mask's border


@dataclass(frozen=True, eq=False)
class AtlasLay:
    """Where each texel of the bundled atlas lies in a scan's texture (v up), and how far it may be trusted."""

    uv: Float[np.ndarray, "S S 2"]
    weight: Float[np.ndarray, "S S"]
    atlas: Atlas

    def texture(
        self,
        image: UInt8[np.ndarray, "h w 3"],
        skins: dict[str, UInt8[np.ndarray, "S S 3"]],
        masked: Float[np.ndarray, "S S"] | None = None,
    ) -> Baked:
        """A scan's texture in the atlas, evenly lit, on the painted skin that suits it.

        Args:
            image: the scan's picture, row 0 is v = 1.
            skins: painted skins in the atlas.
            masked: 1 where the picture is not to be used (pixelated eyes).

        Raises:
            ValueError: too little of the face is left.
        """
        colour = np.zeros((*self.weight.shape, 3), np.float32)
        at = self.weight > 0
        picked = np.clip(sample(_shrunk(image, self.weight.shape[0]), self.uv[at]), 0, 255)
        colour[at] = decode_srgb(np.rint(picked).astype(np.uint8))
        weight = self.weight if masked is None else self.weight * (1 - masked)
        head = self.atlas.head
        normals = self.atlas.on_surface(vertex_normals(head.mean, head.faces))
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
        return finish(colour, weight, normals, self.atlas, skins)

    def displacement(self, relief: Float[np.ndarray, "h w"], size: int) -> Float[np.ndarray, "n n"]:
        """A displacement map in the atlas, zero where the scan says nothing."""
        there = sample(_shrunk(relief, self.weight.shape[0]), self.uv)[..., 0] * self.weight
        return np.asarray(cv2.resize(there, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def lay_atlas(
    atlas: Atlas,
    points: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    marks: Float[np.ndarray, "68 3"],
    uvs: Float[np.ndarray, "t 2"],
    face_uvs: Int[np.ndarray, "f 3"],
) -> AtlasLay:
    """Lay one scan of a topology onto the bundled head.

    Args:
        atlas: the bundled head's.
        points: the scan's vertices, mm.
        faces: triangles; openings may stay open.
        marks: its 68 landmarks.
        uvs: its texture coordinates, v up.
        face_uvs: their indices.
    """
    free = np.ones(len(points), bool)
    free[faces] = False
    at = correspond(points, faces, marks, free, atlas.head)
    surface = np.isin(atlas.region, SURFACE)
    goal = atlas.on_surface(atlas.head.mean)[surface].astype(np.float64)
    triangle, bary, distance = closest_points(goal, at.placed, faces)
    uv = np.zeros((atlas.size, atlas.size, 2), np.float32)
    uv[surface] = (uvs[face_uvs[triangle]] * np.clip(bary, 0, 1)[..., None]).sum(1)
    weight = np.zeros((atlas.size, atlas.size), np.float32)
    weight[surface] = np.clip((CLOSE[1] - distance) / (CLOSE[1] - CLOSE[0]), 0, 1)
    return AtlasLay(uv, weight, atlas)


def eye_mask(atlas: Atlas) -> Float[np.ndarray, "S S"]:
    """1 around both eyes, lids and lashes included, with a soft border; on the bundled mean head."""
    marks = atlas.head.landmarks(atlas.head.mean).astype(np.float64)
    where = atlas.on_surface(atlas.head.mean).astype(np.float64)
    span = float(np.linalg.norm(marks[45] - marks[36]))
    mask: Bool[np.ndarray, "S S"] = np.zeros(atlas.covered.shape, bool)
    for eye in (marks[36:42], marks[42:48]):
        away = (where - eye.mean(0))[..., :2] / (EYE_REACH * span * np.array([1.0, 0.62]))
        mask |= ((away**2).sum(-1) < 1) & atlas.face
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SOFT * atlas.size)


def _shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """A picture averaged down to about twice the atlas, so that no texel skips pixels."""
    factor = image.shape[0] // (2 * side)
    if factor < 2:
        return image
    return np.asarray(cv2.resize(image, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA))
