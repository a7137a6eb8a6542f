"""From a registered scan to a texture of the head: its photograph moved into the atlas."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from assets.atlas import Atlas
from assets.bake import SURFACE, Baked, finish
from assets.readers.mesh import Scan
from models.geometry.closest import closest_points
from models.geometry.light import LUMINANCE, decode_srgb
from models.geometry.normals import vertex_normals
from models.heads.regions import Region
from models.heads.target import Target

CLOSE = (3.0, 6.0)  # mm from the scan at which a texel still counts fully, and no more
DARK = 0.45  # of the median luminance: forehead texels below are hair


def bake_scan(
    scan: Scan,
    target: Target,
    vertices: Float[np.ndarray, "V 3"],
    atlas: Atlas,
    skins: Mapping[str, UInt8[np.ndarray, "S S 3"]],
) -> Baked:
    """The scan's colours as a texture of the head, finished like any other photograph.

    Args:
        scan: the scan.
        target: its surface in the head's frame; what of it does not count gives no colour.
        vertices: the head registered to it.
        atlas: the head's atlas.
        skins: painted skins in that atlas.

    Raises:
        ValueError: the scan shows less than a tenth of the face's skin.
    """
    at = np.isin(atlas.region, SURFACE)
    triangle, bary, distance = closest_points(atlas.on_surface(vertices)[at], target.vertices, target.faces)
    normals = atlas.on_surface(vertex_normals(vertices.astype(np.float32), atlas.head.faces))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    corners = target.faces[triangle]
    agree = ((target.normals[corners] * bary[..., None]).sum(1) * normals[at]).sum(1)
    colour = np.zeros((atlas.size, atlas.size, 3), np.float32)
    colour[at] = decode_srgb(scan.colour(triangle, bary))
    weight = np.zeros((atlas.size, atlas.size), np.float32)
    near = np.clip((CLOSE[1] - distance) / (CLOSE[1] - CLOSE[0]), 0, 1)
    weight[at] = near * np.clip((agree - 0.5) / 0.3, 0, 1) * target.counts[corners].all(1)
    weight *= _not_hair(colour, weight, vertices, atlas)
    return finish(colour, weight, normals, atlas, skins)


def _not_hair(
    colour: Float[np.ndarray, "S S 3"],
    weight: Float[np.ndarray, "S S"],
    vertices: Float[np.ndarray, "V 3"],
    atlas: Atlas,
) -> Float[np.ndarray, "S S"]:
    """0 on dark texels above the brows and around them: hair that falls into the forehead."""
    luminance = cv2.GaussianBlur(colour @ LUMINANCE, (0, 0), 3)
    height = atlas.on_surface(vertices)[..., 1]
    brows = height[atlas.region == Region.BROWS].max()
    typical = np.median(luminance[(weight > 0.5) & (atlas.region == Region.SKIN)])
    hair = (luminance < DARK * typical) & (height > brows) & (weight > 0)
    grain = np.ones((round(0.012 * atlas.size),) * 2, np.uint8)
    hair = cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_OPEN, grain)  # specks are skin
    radius = round(0.02 * atlas.size)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return 1.0 - cv2.dilate(hair.astype(np.float32), kernel)
