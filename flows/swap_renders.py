"""Training faces that are rendered: the head model with its eyeballs, teeth and tongue drawn into the holes.

They show the completion network exactly what it meets in the pipeline: the render's holes, its lids and lips, black
around the face. Eyes and teeth of the head model are plain, so photographs must stay in the mixture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from flows.swap_faces import Face
from models.geometry.camera import ScaledOrtho
from models.geometry.face import head_surface, shade_face
from models.geometry.light import C0, C1
from models.geometry.proxies import draw_interior
from models.heads.linear import LinearHead
from models.heads.regions import Region
from models.networks.classes import Parsing
from models.networks.crops import continued

CLASS_OF_REGION = {
    Region.SKIN: Parsing.SKIN, Region.NOSE: Parsing.NOSE, Region.BROWS: Parsing.L_BROW, Region.EYES: Parsing.L_EYE,
    Region.LIPS: Parsing.UPPER_LIP, Region.INNER_MOUTH: Parsing.INNER_MOUTH, Region.EARS: Parsing.L_EAR,
    Region.NECK: Parsing.NECK, Region.SCALP: Parsing.HAIR,
}  # fmt: skip
MOUTH_SHAPES = (
    "mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft",
    "mouthLowerDownRight", "mouthStretchLeft", "mouthStretchRight", "mouthFunnel",
)  # fmt: skip


def rendered_faces(
    head: LinearHead,
    skins: Sequence[UInt8[np.ndarray, "n m 3"]],
    parts: Mapping[str, Sequence[UInt8[np.ndarray, "n m 3"]]],
    count: int,
    side: int,
    seed: int = 0,
) -> list[Face]:
    """Random heads, poses, expressions and lights; face ``i`` depends on (seed, i) alone.

    Args:
        head: the head model, with proxies.
        skins: face textures.
        parts: for each ``Proxy.texture``, the images it may wear.
        count: how many faces.
        side: R, of the square render; the face takes about 80 % of it.
        seed: of the whole set.
    """
    table = np.zeros(256, np.uint8)
    for region, name in CLASS_OF_REGION.items():
        table[region] = name
    faces = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        identity = rng.normal(0, 0.8, len(head.id_basis)).astype(np.float32)
        vertices = head.vertices(identity, expression(head, rng))
        pose = _pose(head, vertices, rng)
        cube = pose.to_cube(vertices).astype(np.float32)
        worn = {name: images[int(rng.integers(len(images)))] for name, images in parts.items()}
        skin = skins[int(rng.integers(len(skins)))]
        lamp = light(rng)
        shown = shade_face(head, cube, skin, lamp, side, proxies=True, proxy_textures=worn, pose=pose)
        points = pose.to_pixel(head.landmarks(vertices), side).astype(np.float32)
        surface = head_surface(head, cube)
        # The truth, and what the network starts from: the same mouth under another lamp, its teeth of another tint.
        photo, start = (
            draw_interior(head, cube, surface, shown.region, shown.render, lit, _tinted(worn, rng), pose)
            for lit in (lamp, light(rng))
        )
        face = Face(f"render-{seed}-{number}", photo, points, table[shown.region])
        faces.append(replace(face, interior=spread_interior(start, shown.region == Region.INNER_MOUTH)))
    return faces


def spread_interior(
    picture: UInt8[np.ndarray, "R R 3"], mouth: Bool[np.ndarray, "R R"]
) -> UInt8[np.ndarray, "R R 3"] | None:
    """The colours of the mouth continued over the picture, darker with the distance; None without a mouth.

    The mouth of a photograph and that of the head fitted to it are never quite the same pixels.
    """
    if not mouth.any():
        return None
    distance = cv2.distanceTransform((~mouth).astype(np.uint8), cv2.DIST_L2, 5)
    wide = continued(picture.astype(np.float32), mouth)
    soft = cv2.GaussianBlur(wide, (0, 0), 1.5)
    dark = 0.4 + 0.6 * np.exp(-distance / (0.02 * len(mouth)))
    return np.where(mouth[..., None], picture, soft * dark[..., None]).astype(np.uint8)


def _tinted(
    worn: Mapping[str, UInt8[np.ndarray, "n m 3"]], rng: np.random.Generator
) -> dict[str, UInt8[np.ndarray, "n m 3"]]:
    """The textures a little lighter or darker and of another tint."""
    gains = {name: rng.uniform(0.75, 1.05) * rng.uniform([1, 0.94, 0.85], 1) for name in worn}
    return {name: np.clip(image * gains[name], 0, 255).astype(np.uint8) for name, image in worn.items()}


def expression(head: LinearHead, rng: np.random.Generator) -> Float[np.ndarray, " e"]:
    """Mouth mostly open, some smiling, a little of anything else; eyes stay fairly open."""
    values = np.where(rng.random(len(head.exp_names)) < 0.12, rng.uniform(0, 0.35, len(head.exp_names)), 0.0)
    for i, name in enumerate(head.exp_names):
        if name.startswith("eyeBlink"):
            values[i] = min(float(values[i]), 0.2)
        if name in MOUTH_SHAPES and rng.random() < 0.4:
            values[i] = rng.uniform(0, 0.7)
    if "jawOpen" in head.exp_names:
        values[head.exp_names.index("jawOpen")] = rng.uniform(0, 0.5) if rng.random() < 0.8 else 0.0
    return values.astype(np.float32)


def _pose(head: LinearHead, vertices: Float[np.ndarray, "v 3"], rng: np.random.Generator) -> ScaledOrtho:
    """Mostly frontal; the landmarks' box is centred and takes about 80 % of the image."""
    yaw, pitch, roll = np.radians(rng.normal(0, (22, 9, 7)))
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    rotation = about_z @ about_x @ about_y
    points = head.landmarks(vertices) @ rotation.T
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    high[1] += 0.3 * (high[1] - low[1])
    scale = rng.uniform(1.4, 1.8) / float((high - low).max())
    return ScaledOrtho(scale, rotation, -scale * (low + high) / 2)


def light(rng: np.random.Generator) -> Float[np.ndarray, "9 3"]:
    """An even light and a soft lamp from somewhere in front, faintly coloured, never dark on the lit side."""
    direction = np.array([*rng.normal(0, 0.7, 2), 1.0])
    direction /= np.linalg.norm(direction)
    strength, lamp = rng.uniform(0.55, 1.1), rng.uniform(0.1, 0.6)
    tint = rng.uniform(0.88, 1.1, (2, 3))
    harmonics: np.ndarray[Any, np.dtype[np.float32]] = np.zeros((9, 3), np.float32)
    harmonics[0] = strength * (1 - 0.5 * lamp) / C0 * tint[0]
    # Order of the harmonics: constant, y, z, x.
    harmonics[1:4] = strength * lamp * direction[[1, 2, 0], None] / (2 * C1) * tint[1]
    return harmonics
