"""The part of a predicted surface that is face: without the walls of the mask and without what lies behind the head.

A field is evaluated in the columns of the parsed face only, so its surface is a plug: the face, walls along the
mask's border, and something at the back. A head that was fitted to the landmarks tells which of it is face.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from models.geometry.camera import cube_to_pixel
from models.geometry.closest import closest_points
from models.geometry.metrics import depth_shift
from models.geometry.surface import SKIRT, largest_part

GRID = 256  # voxels along a side of the field
WALL = 1.5  # voxels from the border of the columns that belong to the wall
NEAR = 0.1  # cube units from the fitted head, about 15 mm, within which a point can be face


def face_part(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    mask: Bool[np.ndarray, "R R"],
    head: Float[np.ndarray, "W 3"],
    head_faces: Int[np.ndarray, "G 3"],
    is_face: Bool[np.ndarray, " G"],
) -> tuple[Float[np.ndarray, "U 3"], Int[np.ndarray, "H 3"]]:
    """The largest connected piece of face of a surface; the whole surface if there is none.

    Args:
        vertices: predicted surface, cube frame.
        faces: its triangles.
        mask: the parsed face.
        head: fitted head, cube frame; its depth need not be right.
        head_faces: its triangles.
        is_face: triangles of the head that belong to the face.
    """
    radius = SKIRT - WALL
    side = 2 * int(np.ceil(radius * len(mask) / GRID)) + 1
    inside = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    pixel = np.clip(cube_to_pixel(vertices, len(mask)).astype(int), 0, len(mask) - 1)
    keep = inside[pixel[:, 1], pixel[:, 0]]
    try:
        shift = depth_shift(head.astype(np.float32), head_faces, vertices, faces)
    except ValueError:
        return vertices, faces
    triangle, _, distance = closest_points(vertices[keep], head + np.array([0, 0, shift]), head_faces)
    keep[keep] = is_face[triangle] & (distance < NEAR)
    kept = faces[keep[faces].all(1)]
    return largest_part(vertices, kept) if len(kept) else (vertices, faces)
