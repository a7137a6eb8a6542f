"""Colours of a reconstructed surface from its photograph, continued to what the photograph does not show."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import sparse
from scipy.sparse.linalg import splu

from models.geometry.camera import cube_to_pixel
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize

FACING = 0.25  # least cosine to the viewer: beyond it a pixel smears over the surface
DEPTH = 0.015  # cube units behind the front surface that still count as on it
EDGE = 0.02  # of the picture's side: how far the mask is eaten back from hair and background
PULL = 1e-5  # towards the mean colour, against one neighbour
SIDE = 512  # of the depth map


def seen_vertices(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    mask: Bool[np.ndarray, "R R"],
    facing: float = FACING,
) -> Bool[np.ndarray, " V"]:
    """Vertices on the front surface, turned to the viewer, under the mask.

    Args:
        vertices: cube frame.
        faces: CCW seen from outside.
        mask: pixels of the photograph that count.
        facing: least cosine between normal and view.
    """
    depth = rasterize(np.ascontiguousarray(vertices, np.float32), faces, SIDE, cull=False).depth
    front = photo_samples(depth, cube_to_pixel(vertices, SIDE))
    inside = photo_samples(mask.astype(np.float32), cube_to_pixel(vertices, len(mask))) > 0.5
    turned = vertex_normals(vertices, faces)[:, 2] >= facing
    return inside & turned & (vertices[:, 2] > front - DEPTH)


def vertex_colours(
    photo: UInt8[np.ndarray, "R R 3"],
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    mask: Bool[np.ndarray, "R R"],
) -> UInt8[np.ndarray, "V 3"]:
    """sRGB of every vertex: the photograph's where it shows the surface, else continued smoothly over the mesh.

    Unknown vertices are the mean of their neighbours (a harmonic extension), so no edge shows where the
    photograph ends; pieces that it does not touch get its mean colour.

    Args:
        photo: square crop.
        vertices: cube frame.
        faces: CCW seen from outside.
        mask: the parsed face.
    """
    grain = max(1, round(EDGE * len(mask)))
    inner = cv2.erode(mask.astype(np.uint8), np.ones((2 * grain + 1,) * 2, np.uint8), borderValue=0) > 0
    known = seen_vertices(vertices, faces, inner)
    out = np.full((len(vertices), 3), 128.0)
    if known.any():
        out[known] = photo_samples(photo.astype(np.float32), cube_to_pixel(vertices[known], len(photo)))
    if known.any() and not known.all():
        out[~known] = _continued(out[known], known, faces)
    return np.rint(np.clip(out, 0, 255)).astype(np.uint8)


def _continued(
    colours: Float[np.ndarray, "k 3"], known: Bool[np.ndarray, " V"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "u 3"]:
    """Harmonic extension of the known vertices' colours to the others, uniform weights."""
    ends = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    count = len(known)
    links = sparse.coo_array((np.ones(len(ends)), ends.T), (count, count)).tocsr()
    links = ((links + links.T) > 0).astype(np.float64).tocsr()
    mean = colours.mean(0)
    own = links[~known]
    matrix = sparse.diags_array(own.sum(1) + PULL) - own[:, ~known]
    given = own[:, known] @ (colours - mean)
    return splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A").solve(np.asarray(given)) + mean


def photo_samples(image: np.ndarray, pixels: Float[np.ndarray, "n 2"]) -> np.ndarray:
    """Bilinear samples at pixel coordinates whose first centre is 0.5, in parts: remap takes 32767 rows."""
    x, y = (np.ascontiguousarray(pixels[:, k] - 0.5, np.float32) for k in (0, 1))
    parts = [
        cv2.remap(
            image,
            x[i : i + 30000, None],
            y[i : i + 30000, None],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for i in range(0, len(x), 30000)
    ]
    return np.concatenate(parts).reshape(len(x), *image.shape[2:])
