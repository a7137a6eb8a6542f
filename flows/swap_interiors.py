"""The mouth that the head model shows for a photographed face: what the completion network starts from in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from flows.swap_faces import Face
from flows.swap_renders import spread_interior
from models.geometry.camera import pixel_to_cube
from models.geometry.face import head_surface, render_surface
from models.geometry.proxies import draw_interior
from models.geometry.rasterize import rasterize
from models.heads.fit import fit_landmarks
from models.heads.linear import LinearHead
from models.heads.regions import Region
from tasks.contract import Reject
from tasks.render import black_and_white, fit_light, toned


def with_interiors(
    faces: Sequence[Face],
    head: LinearHead,
    skin: UInt8[np.ndarray, "n m 3"],
    worn: Mapping[str, UInt8[np.ndarray, "n m 3"]],
) -> list[Face]:
    """Faces with the interior of the mouth of the head fitted to them, in the light of their photograph.

    Head, pose, expression and light are found as the pipeline finds them: from landmarks and skin, never from what
    the mouth shows. A face whose head shuts its mouth, or whose light cannot be told, keeps a plain dark one.

    Args:
        faces: photographed faces.
        head: the head model.
        skin: face texture that the light is estimated with.
        worn: textures of teeth and tongue, by ``Proxy.texture``.
    """
    return [_drawn(face, head, skin, worn) if "mouth" in face.holes else face for face in faces]


def _drawn(
    face: Face,
    head: LinearHead,
    skin: UInt8[np.ndarray, "n m 3"],
    worn: Mapping[str, UInt8[np.ndarray, "n m 3"]],
) -> Face:
    side = len(face.photo)
    fitted = fit_landmarks(head, pixel_to_cube(face.landmarks.astype(np.float64), side))
    vertices = fitted.camera.to_cube(head.vertices(fitted.identity, fitted.expression)).astype(np.float32)
    surface = head_surface(head, vertices)
    seen = rasterize(vertices, surface.faces, side, cull=True)
    texture = toned(skin, face.photo)
    lit = fit_light(face.photo, face.parsing, surface, seen, texture)
    if isinstance(lit, Reject):
        return face
    shown = render_surface(head, vertices, surface, seen, texture, lit.light, tone=lit.tone)
    interior = draw_interior(
        head, vertices, surface, shown.region, shown.render, lit.light, worn, fitted.camera,
        grey=black_and_white(face.photo),
    )  # fmt: skip
    return replace(face, interior=spread_interior(interior, shown.region == Region.INNER_MOUTH))
