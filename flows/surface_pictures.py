"""Pictures of surfaces: grey under a lamp, in their own colours, and coloured by error; turned as one likes."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize

BEHIND = 24  # grey behind a surface
LAMP = np.float32([-0.35, 0.4, 0.85]) / np.linalg.norm([-0.35, 0.4, 0.85])  # beside the viewer


def about_y(degrees: float) -> Float[np.ndarray, "3 3"]:
    """Rotation that turns a face that looks at the viewer to image right."""
    turn = np.radians(degrees)
    return np.float32([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])


def turned(
    vertices: Float[np.ndarray, "V 3"], degrees: float, middle: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "V 3"]:
    """Vertices turned about a vertical axis through a point."""
    return ((vertices - middle) @ about_y(degrees).T + middle).astype(np.float32)


def shaded(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    size: int,
    colours: UInt8[np.ndarray, "V 3"] | None = None,
) -> tuple[UInt8[np.ndarray, "R R 3"], Bool[np.ndarray, "R R"]]:
    """Picture of a surface in the cube under a lamp beside the viewer, and the pixels it covers.

    Args:
        vertices: cube frame.
        faces: triangles, of either orientation.
        size: side of the picture.
        colours: sRGB of the vertices, drawn as they are, without the lamp; grey under it without them.
    """
    seen = rasterize(np.ascontiguousarray(vertices, np.float32), faces, size, cull=False)
    covered = seen.pix_to_face >= 0
    corners = faces[np.where(covered, seen.pix_to_face, 0)]
    if colours is not None:
        mixed = np.rint((colours[corners] * seen.bary[..., None]).sum(-2))
        return np.where(covered[..., None], mixed, BEHIND).astype(np.uint8), covered
    normal = (vertex_normals(vertices, faces)[corners] * seen.bary[..., None]).sum(-2)
    light = np.clip(0.15 + 0.85 * np.abs(normal @ LAMP), 0, 1)
    grey = np.where(covered, 40 + 200 * light, BEHIND).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1), covered


def errors(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    error: Float[np.ndarray, " V"],
    most: float,
    size: int,
) -> UInt8[np.ndarray, "R R 3"]:
    """Picture of a surface in the cube with an error of each vertex: blue is 0, dark red ``most`` or more, grey NaN."""
    seen = rasterize(np.ascontiguousarray(vertices, np.float32), faces, size, cull=False)
    grey, covered = shaded(vertices, faces, size)
    value = (error[faces[np.where(covered, seen.pix_to_face, 0)]] * seen.bary).sum(-1)
    known = covered & np.isfinite(value)
    scaled = np.where(known, np.clip(value / most, 0, 1) * 255, 0).astype(np.uint8)
    hue = cv2.applyColorMap(scaled, cv2.COLORMAP_TURBO)[..., ::-1]
    lit = (hue * (0.35 + 0.65 * grey / 255.0)).astype(np.uint8)
    return np.where(known[..., None], lit, grey)


def png(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """A PNG file."""
    _, data = cv2.imencode(".png", image[..., ::-1])
    return data.tobytes()
