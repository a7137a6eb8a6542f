"""The oily layer of skin: a specular lobe under the strongest part of a harmonic light.

Kelemen and Szirmay-Kalos' form of a microfacet lobe with Beckmann's distribution and Schlick's Fresnel term, as
d'Eon and Luebke use it for skin (GPU Gems 3, chapter 14): reflectance at normal incidence 0.028, roughness 0.3. The
average strength of a face is below 1 because wrinkles and fine hair hide a part of the layer; forehead, nose and
lips shine more than cheeks (Weyrich et al., "Analysis of human faces using a measurement-based skin reflectance
model", 2006). How much more is set here by eye, on photographs.

Harmonics of order 2 are too soft for a highlight. The part of the light that varies like a cosine is taken as one
lamp, with its own soft shadow; the even rest reflects as a veil that the estimate of the light already contains.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from models.geometry.light import C1, LUMINANCE, at_level
from models.geometry.occlusion import Occlusion
from models.heads.linear import LinearHead
from models.heads.regions import Region

NORMAL_REFLECTANCE = 0.028  # of skin's oil, index of refraction 1.4
ROUGHNESS = 0.3  # Beckmann's m, of a face on average
STRENGTH = {Region.SKIN: 0.55, Region.NOSE: 0.8, Region.LIPS: 0.9, Region.BROWS: 0.3}  # other regions: none
LIP_ROUGHNESS = 0.25
FOREHEAD, NOSE_TIP, CHIN = (
    0.25,
    0.3,
    0.15,
)  # more strength in the middle of the forehead, on the tip, on the chin
FLAT = 1e-3  # a lamp weaker than this share of the light has no direction
MAX_LOBE = 1.2  # of the lamp: towards grazing light the lobe is not energy conserving


@dataclass(frozen=True, eq=False)
class Gloss:
    """The layer on each vertex of a head."""

    strength: Float[np.ndarray, " V"]  # share of the surface that reflects, 0..1
    roughness: Float[np.ndarray, " V"]  # root mean square slope of the facets


@dataclass(frozen=True, eq=False)
class SkinLight:
    """What a light does to a head beyond the shading of a convex, matt one. Float32; directions in the cube frame."""

    added: Float[np.ndarray, "V 3"]  # to the shading, before it meets the albedo
    strength: Float[np.ndarray, " V"]  # of the layer, where the lamp arrives
    roughness: Float[np.ndarray, " V"]
    direction: Float[np.ndarray, " 3"]  # unit, towards the lamp
    lamp: Float[np.ndarray, " 3"]  # its shading of a surface that faces it


def matt(vertices: int) -> SkinLight:
    """No own shadow and no gloss."""
    return SkinLight(
        np.zeros((vertices, 3), np.float32),
        np.zeros(vertices, np.float32),
        np.full(vertices, ROUGHNESS, np.float32),
        np.array([0, 0, 1], np.float32),
        np.zeros(3, np.float32),
    )


def skin_light(
    occlusion: Occlusion,
    gloss: Gloss,
    light: Float[np.ndarray, "9 3"],
    albedo: Float[np.ndarray, " 3"],
    level: Float[np.ndarray, " 3"],
) -> SkinLight:
    """Own shadow and lamp of a light on a posed head.

    Args:
        occlusion: of the head, in the frame of the light.
        gloss: of the head.
        light: as estimated, so it may contain the difference between a texture's tone and the skin's.
        albedo: mean linear colour of the skin, for what cavities reflect.
        level: mean shading of the scene (``models.geometry.light.scene_level``), to which the lamp belongs.
    """
    direction, lamp = strongest(at_level(light, level))
    strength = gloss.strength * occlusion.toward(direction)
    return SkinLight(
        occlusion.shading(light, albedo), strength, gloss.roughness, np.float32(direction), np.float32(lamp)
    )


def strongest(light: Float[np.ndarray, "9 3"]) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]:
    """Unit direction and colour of the lamp in a light: its cosine-like part, which a lamp has half of."""
    slope = np.asarray(light, np.float64)[[3, 1, 2]]  # x, y, z
    along = slope @ LUMINANCE
    length = float(np.linalg.norm(along))
    if length <= FLAT * max(float(light[0] @ LUMINANCE), 1e-6):
        return np.array([0.0, 0.0, 1.0]), np.zeros(3)
    direction = along / length
    return direction, np.maximum(2 * C1 * (direction @ slope), 0)


@njit(cache=True, inline="always")
def lobe(x, y, z, roughness, direction):  # type: ignore[no-untyped-def]
    """Light that a full-strength layer sends to a viewer at +z, per unit of the lamp's shading."""
    one = np.float32(1)
    facing = x * direction[0] + y * direction[1] + z * direction[2]
    square = max(np.float32(2) + np.float32(2) * direction[2], np.float32(0.25))  # of lamp + viewer
    length = np.sqrt(square)
    tilt = (facing + z) / length
    if facing <= 0 or z <= 0 or tilt <= np.float32(0.05):
        return np.float32(0)
    m2, t2 = roughness * roughness, tilt * tilt
    facets = np.exp((t2 - one) / (m2 * t2)) / (m2 * t2 * t2)
    grazing = one - min(length * np.float32(0.5), one)
    fresnel = np.float32(NORMAL_REFLECTANCE) + np.float32(1 - NORMAL_REFLECTANCE) * grazing**5
    # Pi of the lamp's shading (irradiance over pi) and of Beckmann's norm cancel.
    return min(facing * facets * fresnel / square, np.float32(MAX_LOBE))


@njit(cache=True)
def _shine(corners, bary, normals, strength, roughness, direction, out):  # type: ignore[no-untyped-def]
    for i in range(corners.shape[0]):
        part, rough = np.float32(0), np.float32(0)
        for k in range(3):
            part += bary[i, k] * strength[corners[i, k]]
            rough += bary[i, k] * roughness[corners[i, k]]
        out[i] = part * lobe(normals[i, 0], normals[i, 1], normals[i, 2], rough, direction)


def shine(
    corners: Int[np.ndarray, "n 3"],
    bary: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    skin: SkinLight,
) -> Float[np.ndarray, "n 3"]:
    """Linear light that the layer adds at points of triangles with unit normals (float32, cube frame)."""
    out = np.zeros(len(corners), np.float32)
    _shine(corners, np.float32(bary), np.float32(normals), skin.strength, skin.roughness, skin.direction, out)
    return out[:, None] * skin.lamp


@lru_cache(maxsize=4)
def head_gloss(head: LinearHead) -> Gloss:
    """The layer on a head by its regions and landmarks, smooth within the skin."""
    table, rough = np.zeros(len(Region), np.float32), np.full(len(Region), ROUGHNESS, np.float32)
    for region, strength in STRENGTH.items():
        table[region] = strength
    rough[Region.LIPS] = LIP_ROUGHNESS
    points = head.landmarks(head.mean)
    apart = float(
        np.linalg.norm(points[36:42].mean(axis=0) - points[42:48].mean(axis=0))
    )  # eyes, the face's unit
    brow = points[21:23].mean(axis=0)
    forehead = brow + np.array([0, 0.55 * apart, 0])
    strength = table[head.vertex_region]
    oily = strength > 0
    spots = (
        (forehead, 0.6, FOREHEAD),
        (points[30], 0.2, NOSE_TIP),
        (points[8] + np.array([0, 0.15 * apart, 0]), 0.25, CHIN),
    )
    for centre, width, more in spots:
        away = np.linalg.norm(head.mean - centre, axis=1) / (width * apart)
        strength = strength + oily * more * np.exp(-0.5 * away**2)
    return Gloss(np.minimum(strength, 1).astype(np.float32), rough[head.vertex_region])
