"""The 68 landmarks of a coloured head that comes without: drawn from the front, found as on a photograph.

Models publish shapes and colours more often than landmarks. The points are looked for at several sizes; the median
over the drawings is taken, and each is put onto the surface that shows at its pixel.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from assets.registry import AssetError, asset_path
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.networks.face_landmarker import FaceFinder, FaceLandmarker

SIDES = (448, 512, 640)
MARGIN = 1.15  # of the head's larger extent from the front
LAMP = np.array([0.2, 0.35, 0.9])  # from above and a little from the side: relief shows
REACH, DEEP = 41, 0.06  # pixels of 2048, and cube units: what is deeper than its surroundings is no landmark
SHADOW = 0.55  # light where the lamp does not reach


def find_marks(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    colour: UInt8[np.ndarray, "v 3"],
    finder: FaceFinder | None = None,
) -> tuple[Int[np.ndarray, "68 3"], Float[np.ndarray, "68 3"]]:
    """Vertex triples and weights of the landmarks.

    Args:
        vertices: y up, z to the viewer, any unit.
        faces: triangles, CCW seen from outside.
        colour: of the vertices, sRGB.
        finder: landmark backend; None is the one that ships.

    Raises:
        AssetError: no face is seen on the head.
    """
    finder = finder or FaceLandmarker(asset_path("face_landmarker"))
    low, high = vertices.min(0), vertices.max(0)
    middle, extent = (low + high) / 2, float((high - low)[:2].max()) * MARGIN
    flat = ((vertices - middle) * 2 / extent).astype(np.float32)
    normals = vertex_normals(flat, faces)
    lit = SHADOW + (1 - SHADOW) * np.clip(normals @ (LAMP / np.linalg.norm(LAMP)), 0, 1)
    shaded = colour.astype(np.float64) * lit[:, None]
    triangles = np.ascontiguousarray(faces, np.int32)
    found = []
    for side in SIDES:
        seen = rasterize(flat, triangles, side, cull=True)  # not the back of the head through open eyes
        picture = np.full((side, side, 3), 128, np.uint8)
        at = seen.pix_to_face >= 0
        corners = shaded[faces[seen.pix_to_face[at]]]
        picture[at] = np.clip((corners * seen.bary[at][..., None]).sum(1), 0, 255)
        found += [face.points / side for face in finder.find(picture)[:1]]
    if not found:
        msg = (
            "no face was found on the head as drawn from the front; give its 68 landmarks, or turn it to y up and z to "
            "the viewer."
        )
        raise AssetError(msg)
    marks = np.median(np.stack(found), axis=0)
    seen = rasterize(flat, triangles, 2048, cull=True)
    # Inside parted lips and open eyes a pixel may show what lies far behind.
    depth = np.where(seen.pix_to_face >= 0, seen.depth, -2).astype(np.float32)
    front = depth > cv2.dilate(depth, np.ones((REACH, REACH), np.uint8)) - DEEP
    rows, columns = np.nonzero((seen.pix_to_face >= 0) & front)
    pixels = (np.stack([columns, rows], 1) + 0.5) / 2048
    nearest = np.array([np.abs(pixels - mark).sum(1).argmin() for mark in marks])
    at = rows[nearest], columns[nearest]
    return faces[seen.pix_to_face[at]].astype(np.int64), seen.bary[at].astype(np.float64)
