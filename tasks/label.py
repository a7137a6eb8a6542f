"""Stage ``label``: what a network learns from the pair, all from the one drawn head (DESIGN §4; facts §1.5, §1.6).

Normal maps and depth share the image's pixels. The semantic mask is composed: inside the face mask the pixel is what
the head says it is, outside what the parsing of the photo said. Signed distances are drawn near the surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from models.geometry.camera import ScaledOrtho, voxel_centres
from models.geometry.maps import front_back_maps
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import EMPTY_DEPTH
from models.geometry.sdf import near_surface_samples
from models.heads.linear import LinearHead
from models.heads.regions import Region
from models.networks.classes import Parsing
from tasks.contract import Batch, Field, Gives

Array = np.ndarray[Any, np.dtype[Any]]

# iBUG-68 inner lips: the line on which upper and lower lip meet, from the subject's right corner to the left one.
LIP_LINE = ((60, 60), (61, 67), (62, 66), (63, 65), (64, 64))

# Class at image left, class at image right (for a frontal face; it stays the subject's side when the head turns).
SIDED = {Region.BROWS: (Parsing.L_BROW, Parsing.R_BROW), Region.EYES: (Parsing.L_EYE, Parsing.R_EYE)}
PLAIN = {Region.NOSE: Parsing.NOSE, Region.INNER_MOUTH: Parsing.INNER_MOUTH}


@dataclass(frozen=True)
class Label:
    """Make the labels of each row.

    Args:
        head: the head model of the vertices.
        points: N, signed distances per pair.
        size: R, side of the image.
    """

    head: LinearHead
    points: int = 32768
    size: int = 256

    name: ClassVar[str] = "label"
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[Field, ...]] = (
        Field("vertices", "float32", ("V", 3), "cube"),
        Field("scale", "float32", (), "cube"),
        Field("rotation", "float32", (3, 3), "cube"),
        Field("translation", "float32", (2,), "cube"),
        Field("region", "uint8", ("R", "R"), "region"),
        Field("face_mask", "bool", ("R", "R"), "pixel"),
        Field("warped_parsing", "uint8", ("R", "R"), "celebamask"),
    )
    gives: ClassVar[tuple[Field, ...]] = (
        Field("normal_front", "uint16", ("R", "R", 3), "normal"),
        Field("normal_back", "uint16", ("R", "R", 3), "normal"),
        Field("depth", "float32", ("R", "R"), "cube"),
        Field("semantic", "uint8", ("R", "R"), "celebamask"),
        Field("sdf_index", "uint8", ("N", 3), "voxel"),
        Field("sdf_value", "float16", ("N",), "cube"),
        Field("sdf_residual", "float16", ("N",), "cube"),
    )

    def label(self, batch: Batch) -> Gives:
        """Labels of every row; no row is rejected."""
        n, R, N = len(batch), self.size, self.points
        out: dict[str, Array] = {
            "normal_front": np.zeros((n, R, R, 3), np.uint16),
            "normal_back": np.zeros((n, R, R, 3), np.uint16),
            "depth": np.zeros((n, R, R), np.float32),
            "semantic": np.zeros((n, R, R), np.uint8),
            "sdf_index": np.zeros((n, N, 3), np.uint8),
            "sdf_value": np.zeros((n, N), np.float16),
            "sdf_residual": np.zeros((n, N), np.float16),
        }
        for i in range(n):
            vertices, faces = batch["vertices"][i], self.head.faces
            front, back, depth = front_back_maps(vertices, vertex_normals(vertices, faces), faces, R)
            # The base of a neck that is bent far back leaves the cube, which is all that the other labels know of.
            beyond = (np.abs(depth) > 1) & (depth != EMPTY_DEPTH)
            depth[beyond], front[beyond] = EMPTY_DEPTH, 0
            out["normal_front"][i], out["normal_back"][i], out["depth"][i] = front, back, depth
            pose = ScaledOrtho(float(batch["scale"][i]), batch["rotation"][i], batch["translation"][i])
            classes = face_classes(batch["region"][i], depth, pose, self.head.landmarks(vertices))
            out["semantic"][i] = np.where(batch["face_mask"][i], classes, batch["warped_parsing"][i])
            index, value, residual = near_surface_samples(vertices, faces, N, batch.rng(i, self))
            out["sdf_index"][i], out["sdf_value"][i], out["sdf_residual"][i] = index, value, residual
        return Gives(out)

    __call__ = label


def face_classes(region: Array, depth: Array, pose: ScaledOrtho, landmarks: Array) -> Array:
    """Parsing class, uint8 (R, R), of each pixel as the head tells it; SKIN for all that has no class of its own.

    Left and right, and upper and lower lip, are decided on the head itself: a pixel's surface point is taken back to
    the head's frame. So a turned or tilted head keeps its sides.

    Args:
        region: :class:`Region` of the visible surface, (R, R).
        depth: its cube z, (R, R).
        pose: of the head.
        landmarks: its 68 points in the cube, (68, 3).
    """
    size = len(region)
    out: Array = np.full(region.shape, Parsing.SKIN, np.uint8)
    for plain, parsing in PLAIN.items():
        out[region == plain] = parsing
    axis = voxel_centres(size)
    for part, (first, second) in SIDED.items():
        rows, cols = np.nonzero(region == part)
        points = np.stack([axis[cols], -axis[rows], depth[rows, cols]], -1)
        out[rows, cols] = np.where(_to_head(points, pose)[:, 0] < 0, first, second)
    rows, cols = np.nonzero(region == Region.LIPS)
    if len(rows):
        points = _to_head(np.stack([axis[cols], -axis[rows], depth[rows, cols]], -1), pose)
        marks = _to_head(landmarks, pose)
        line = np.array([(marks[a] + marks[b]) / 2 for a, b in LIP_LINE])
        line = line[np.argsort(line[:, 0])]
        upper = points[:, 1] > np.interp(points[:, 0], line[:, 0], line[:, 1])
        out[rows, cols] = np.where(upper, Parsing.UPPER_LIP, Parsing.LOWER_LIP)
    return out


def _to_head(points: Array, pose: ScaledOrtho) -> Array:
    """Cube points (n, 3) to the head's frame, without the division by the scale."""
    shifted = points.astype(np.float64) - np.array([*pose.translation, 0.0])
    turned: Array = shifted @ pose.rotation
    return turned
