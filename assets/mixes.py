"""Mixes in the atlas: new faces from textures that are there, by layers that all share one parametrisation.

Fine detail of one texture on the slow colours of another, the skin moved along the melanin axis to a wanted
tone, freckles, and beards. Everything random comes from a seed of the name.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import map_coordinates

from assets.atlas import Atlas
from assets.bake import encode_srgb
from assets.textures import TexturePool
from models.geometry.light import decode_srgb
from models.heads.regions import Region

# What melanin takes from R, G and B of linear light, in logarithms: the direction in which the painted skins differ.
MELANIN = np.array([0.66, 0.86, 1.0], np.float32)
LIPS = 0.7  # of the skin's move: lips have little melanin
PALER_BROWS = 0.5  # the same for brows on a skin that is made paler, which stay dark hair
DETAIL = 0.012  # of the atlas side: wider than this is a slow colour
FRECKLES = 300
FRECKLE_RADIUS = (0.4, 1.1)  # mm
FRECKLE_STRENGTH = (0.12, 0.4)  # along MELANIN
BEARD_COVER = 0.72  # opacity of a full beard
BEARD_SHADE = 0.35  # of the brows' colour, which shows skin between its hairs
HAIR_NOISE = ((0.9, 1.0), (2.2, 0.7))  # mm, relative amplitude
NOISE_SIDE = 48
ROUNDS = 40


@dataclass(frozen=True)
class Mix:
    """A recipe: names are textures that ship; ``tone`` is the wanted typology angle in degrees, None leaves it."""

    name: str
    base: str
    detail: str = ""  # texture whose fine detail replaces the base's
    tone: float | None = None
    freckles: float = 0.0  # 0..1
    beard: float = 0.0  # 0..1


MIXES = (
    Mix("mix_brown_young_female", "mh_young_african_female", tone=-14),
    Mix("mix_brown_middleage_female", "mh_middleage_african_female", tone=-22),
    Mix("mix_brown_young_male", "mh_young_african_male", tone=-30),
    Mix("mix_brown_old_male", "mh_old_african_male", tone=-28),
    Mix("mix_brown_obama", "photo_obama", tone=-12),
    Mix("mix_brown_g3_left", "photo_g3_left", tone=2),
    Mix("mix_brown_beard_male", "mh_young_african_male", tone=-36, beard=0.7),
    Mix("mix_brown_g4_second", "photo_g4_second", tone=-25),
    Mix("mix_tan_young_female", "mh_young_asian_female", tone=14),
    Mix("mix_tan_old_female", "mh_old_asian_female", tone=12),
    Mix("mix_tan_middleage_male", "mh_middleage_caucasian_male", tone=18, beard=0.45),
    Mix("mix_tan_g3_middle", "photo_g3_middle", tone=22),
    Mix("mix_tan_g5_second", "photo_g5_second", tone=16),
    Mix("mix_tan_astronaut", "photo_astronaut", tone=28),
    Mix("mix_tan_young_male", "mh_young_asian_male", tone=20, beard=0.3),
    Mix("mix_freckles_young_female", "mh_young_caucasian_female_b", freckles=1.0),
    Mix("mix_freckles_g3_right", "photo_g3_right", tone=46, freckles=0.7),
    Mix("mix_beard_young_male", "mh_young_caucasian_male_b", beard=0.9),
    Mix("mix_beard_middleage_male", "mh_middleage_asian_male", beard=0.7),
    Mix("mix_lined_dark_male", "mh_old_african_male", detail="photo_biden"),
    Mix("mix_lined_dark_female", "mh_old_african_female", detail="mh_old_caucasian_female", tone=-34),
)


def plain_skins(pool: TexturePool) -> dict[str, UInt8[np.ndarray, "S S 3"]]:
    """Painted skins of every tone, by name: the nearest goes under what a photograph or a scan shows of a face."""
    toned = {
        mix.name
        for mix in MIXES
        if mix.base.startswith("mh_")
        and mix.tone is not None
        and not (mix.detail or mix.beard or mix.freckles)
    }
    return {name: pool.image(name) for name in pool.names if name.startswith("mh_") or name in toned}


def mixed(
    mix: Mix, base: UInt8[np.ndarray, "S S 3"], detail: UInt8[np.ndarray, "S S 3"] | None, atlas: Atlas
) -> UInt8[np.ndarray, "S S 3"]:
    """The texture of a recipe from the textures it names."""
    rng = np.random.default_rng(zlib.crc32(mix.name.encode()))
    colour = np.log(np.maximum(decode_srgb(base), 1e-3))
    if detail is not None:
        colour = _with_detail(colour, np.log(np.maximum(decode_srgb(detail), 1e-3)), atlas)
    if mix.tone is not None:
        colour = _toned(colour, mix.tone, atlas)
    if mix.freckles:
        colour = colour - mix.freckles * _freckles(atlas, rng)[..., None] * MELANIN
    image = np.exp(colour)
    if mix.beard:
        cover = mix.beard * BEARD_COVER * _beard(atlas, rng)[..., None]
        brows = np.median(np.exp(colour)[atlas.region == Region.BROWS], axis=0)
        image = image * (1 - cover) + BEARD_SHADE * brows * cover
    return encode_srgb(image)


def typology_angle(skin: Float[np.ndarray, " 3"]) -> float:
    """ITA of a linear colour, degrees."""
    lab = cv2.cvtColor((encode_srgb(skin[None, None]) / 255).astype(np.float32), cv2.COLOR_RGB2Lab)[0, 0]
    return float(np.degrees(np.arctan2(lab[0] - 50, lab[2])))


def _with_detail(colour: np.ndarray, other: np.ndarray, atlas: Atlas) -> np.ndarray:
    sigma = DETAIL * atlas.size
    skin = np.isin(atlas.region, (Region.SKIN, Region.NOSE)).astype(np.float32)
    soft = cv2.GaussianBlur(cv2.erode(skin, np.ones((9, 9), np.uint8)), (0, 0), 0.004 * atlas.size)[..., None]
    own, theirs = (layer - cv2.GaussianBlur(layer, (0, 0), sigma) for layer in (colour, other))
    # Grey detail only: its colour belongs to the other skin.
    return colour + soft * (theirs.mean(-1, keepdims=True) - own.mean(-1, keepdims=True))


def _toned(colour: np.ndarray, wanted: float, atlas: Atlas) -> np.ndarray:
    skin = np.median(colour[np.isin(atlas.region, (Region.SKIN, Region.NOSE))], axis=0)
    low, high = -3.0, 3.0  # the angle falls as melanin grows
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        angle = typology_angle(np.exp(skin - middle * MELANIN))
        low, high = (middle, high) if angle > wanted else (low, middle)
    share = np.ones(atlas.region.shape, np.float32)
    share[atlas.region == Region.LIPS] = LIPS
    share[atlas.region == Region.BROWS] = PALER_BROWS if middle < 0 else 1.0
    share = cv2.GaussianBlur(share, (0, 0), 0.006 * atlas.size)[..., None]
    return colour - middle * share * MELANIN


def _freckles(atlas: Atlas, rng: np.random.Generator) -> Float[np.ndarray, "S S"]:
    """Spots across nose and cheeks, thinning out towards the jaw."""
    where = atlas.on_surface(atlas.head.mean)
    marks = atlas.head.landmarks(atlas.head.mean)
    span = float(np.linalg.norm(marks[45] - marks[36]))
    from_nose = where - (marks[29] - [0, 0.12 * span, 0])
    density = np.exp(
        -0.5 * ((from_nose[..., 0] / (0.5 * span)) ** 2 + (from_nose[..., 1] / (0.24 * span)) ** 2)
    )
    density *= np.isin(atlas.region, (Region.SKIN, Region.NOSE))
    chosen = rng.choice(density.size, FRECKLES, p=(density / density.sum()).ravel())
    spots = np.zeros(density.shape, np.float32)
    reach = max(2, round(0.012 * atlas.size))
    for at in chosen:
        row, column = divmod(int(at), density.shape[1])
        radius, strength = rng.uniform(*FRECKLE_RADIUS), rng.uniform(*FRECKLE_STRENGTH)
        window = np.s_[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        squared = ((where[window] - where[row, column]) ** 2).sum(-1)
        spot = strength * np.exp(-0.5 * squared / radius**2) * atlas.covered[window]
        spots[window] = np.maximum(spots[window], spot)
    return spots


def _beard(atlas: Atlas, rng: np.random.Generator) -> Float[np.ndarray, "S S"]:
    """Where a beard grows, 0..1, with strands: under the nose, on chin and jaw up to the ear, not on the lips."""
    where = atlas.on_surface(atlas.head.mean).astype(np.float64)
    marks = atlas.head.landmarks(atlas.head.mean)
    span = float(np.linalg.norm(marks[45] - marks[36]))
    across, up = np.abs(where[..., 0] - marks[33, 0]), where[..., 1]
    corner = abs(marks[54, 0] - marks[48, 0]) / 2
    mouth, nose = marks[[48, 54], 1].mean(), marks[33, 1]
    line = (
        mouth - 0.04 * span + 0.75 * np.maximum(across - 1.15 * corner, 0)
    )  # the cheek's edge climbs to the ear
    soft = 0.06 * span
    jaw = _step(line - up, soft)
    moustache = (
        _step(nose - 0.03 * span - up, 0.6 * soft)
        * _step(up - mouth + 0.02 * span, soft)
        * _step(1.2 * corner - across, soft)
    )
    grows = np.maximum(jaw, moustache)
    lips = cv2.dilate((atlas.region == Region.LIPS).astype(np.float32), np.ones((5, 5), np.uint8))
    grows *= 1 - cv2.GaussianBlur(lips, (0, 0), 0.003 * atlas.size)
    grows *= np.isin(atlas.region, (Region.SKIN, Region.NECK))
    strands = np.zeros(grows.shape)
    at = grows > 0
    for scale, strength in HAIR_NOISE:
        noise = rng.standard_normal((NOISE_SIDE,) * 3)
        stretched = where[at] / (scale * np.array([1.0, 3.0, 1.5]))
        strands[at] += strength * map_coordinates(noise, stretched.T, order=1, mode="grid-wrap")
    strands = 1 / (1 + np.exp(-1.6 * strands))
    return (grows * (0.45 + 0.55 * strands)).astype(np.float32)


def _step(distance: np.ndarray, soft: float) -> np.ndarray:
    t = np.clip(distance / (2 * soft) + 0.5, 0, 1)
    return t * t * (3 - 2 * t)
