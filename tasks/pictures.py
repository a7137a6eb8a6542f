"""Pictures of one pair, stage by stage, for people: what the report and ``facepairs why`` show."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.heads.linear import LinearHead
from tasks.chain import Trace
from tasks.contract import Array

# Field of the chain to caption, in the order of the stages.
STEPS = {
    "render": "render", "completed": "completed", "inpainted": "inpainted", "warped": "warped", "image": "blend",
}  # fmt: skip
LANDMARK, FITTED, OUTLINE = (80, 220, 100), (240, 80, 80), (90, 170, 255)
LIGHT = np.array([-0.35, 0.5, 0.8], np.float32) / np.float32(np.sqrt(0.35**2 + 0.5**2 + 0.8**2))


def strip(trace: Trace, head: LinearHead, fine: LinearHead, size: int) -> dict[str, Array]:
    """Pictures by caption, uint8 RGB (R, R, 3), as far as the row went.

    Args:
        trace: the row.
        head: head model that was fitted.
        fine: its refined mesh, to which ``vertices`` belong.
        size: R.
    """
    fields = trace.fields
    shown = {"photo": fields["photo"], "fit": fit_overlay(fields, head, size)}
    shown |= {caption: fields[name] for name, caption in STEPS.items() if name in fields}
    if "vertices" in fields:
        shown["mesh"] = shaded(fields["vertices"], fine.faces, size)
    if "normal_front" in fields:
        shown["normals"] = normals_picture(fields["normal_front"])
    return shown


def fit_overlay(given: Mapping[str, Array], head: LinearHead, size: int) -> Array:
    """The photo with its landmarks (green), those of the fitted head (red) and the head's outline (blue)."""
    camera = ScaledOrtho(float(given["scale"]), given["rotation"], given["translation"])
    vertices = camera.to_cube(head.vertices(given["identity"], given["expression"])).astype(np.float32)
    covered = (rasterize(vertices, head.faces, size).pix_to_face >= 0).astype(np.uint8)
    outline, _ = cv2.findContours(covered, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    canvas = np.ascontiguousarray(given["photo"])
    # Drawn at twice the size: lines and points of one pixel stay readable after the report scales them.
    canvas = cv2.resize(canvas, (2 * size, 2 * size), interpolation=cv2.INTER_CUBIC)
    cv2.drawContours(canvas, [2 * line for line in outline], -1, OUTLINE, 1, cv2.LINE_AA)
    for points, colour in (
        (given["landmarks"], LANDMARK),
        (cube_to_pixel(head.landmarks(vertices), size), FITTED),
    ):
        for u, v in 2 * np.asarray(points):
            cv2.circle(canvas, (round(float(u)), round(float(v))), 3, colour, -1, cv2.LINE_AA)
    return canvas


def shaded(vertices: Array, faces: Array, size: int) -> Array:
    """Grey shading of a mesh in the cube, two samples a pixel side; dark where no mesh is."""
    fine = 2 * size
    seen = rasterize(vertices, faces, fine)
    inside = seen.pix_to_face >= 0
    corners = vertex_normals(vertices, faces)[faces[seen.pix_to_face[inside]]]
    normal = (corners * seen.bary[inside][..., None]).sum(axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    grey = np.full((fine, fine), 22.0, np.float32)
    grey[inside] = 45 + 185 * np.clip(normal @ LIGHT, 0, 1) + 20 * np.clip(normal[:, 2], 0, 1)
    small = cv2.resize(np.clip(grey, 0, 255), (size, size), interpolation=cv2.INTER_AREA)
    return np.repeat(small.astype(np.uint8)[..., None], 3, axis=2)


def normals_picture(encoded: Array) -> Array:
    """A 16-bit normal map as 8-bit colours."""
    return (encoded >> 8).astype(np.uint8)
