"""Bake a photograph into the atlas: an albedo-like face texture of a person, on the painted skin that is
nearest.

The photograph is projected through the fitted camera (with a small warp that makes the fitted landmarks
meet the detected ones), kept only where the head is visible, faces the camera and is parsed as skin, nose,
brow or lip; its light is estimated against the painted skin and divided out; what is hidden on one side
comes from the other; and what neither shows stays the painted skin, whose low frequencies the whole
texture takes over, so there is no seam.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.interpolate import RBFInterpolator

from assets.atlas import Atlas, fill
from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.geometry.light import basis, decode_srgb, estimate_light
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.heads.regions import Region
from models.networks.classes import FACE, Parsing

LIPS = (Parsing.UPPER_LIP, Parsing.LOWER_LIP)
SURFACE = (Region.SKIN, Region.NOSE, Region.BROWS, Region.LIPS)
PLAIN = (Region.SKIN, Region.NOSE)  # what light and tone are measured on
FACING = (0.25, 0.6)  # cosine to the viewer from which a texel starts to count, and counts fully
OCCLUDED = 0.02  # cube units behind the visible surface that still count as on it
EDGE = 0.06  # of the inter-ocular distance: how far the parsed face is eaten back from hair and glasses
# Width over the atlas side, and share taken away of what is darker and of what is brighter than the
# painted skin: a wide shadow is light, a narrow one may be a wrinkle, and a narrow bright spot is shine.
FLATTEN = ((0.05, 0.95, 0.95), (0.015, 0.5, 0.85))
MOST_LIGHT = 1.2  # logarithm of the strongest light that is left to take away
LIP_PULL = 0.8  # share of the lips' colour difference that is taken away
# Logarithms at which fine detail is bent: a photograph's wrinkles and stubble carry the shadows and glints of its
# own light,
# which the renderer draws anew. Brows are dark hair and keep more.
DETAIL = 0.012  # of the atlas side: wider than this is not detail
MOST_DARK, MOST_BRIGHT, MOST_BROW = 0.22, 0.10, 0.9
COLOUR_DETAIL = 0.5  # share of the detail's colour that stays: sensors and JPEG invent most of it
FEATHER = 0.03  # of the atlas side: width of the transition from photograph to painted skin


@dataclass(frozen=True, eq=False)
class Baked:
    """A texture made from a photograph, and how much of the face the photograph gave."""

    image: UInt8[np.ndarray, "S S 3"]
    valid: Bool[np.ndarray, "S S"]
    share: float  # of the face texels that the photograph (or its mirror) gave
    brows: float  # the same for the brows alone
    skin: str  # name of the painted skin under it


def bake(
    photo: UInt8[np.ndarray, "R R 3"],
    landmarks: Float[np.ndarray, "68 2"],
    parsing: UInt8[np.ndarray, "R R"],
    camera: ScaledOrtho,
    vertices: Float[np.ndarray, "V 3"],
    atlas: Atlas,
    skins: Mapping[str, UInt8[np.ndarray, "S S 3"]],
) -> Baked:
    """Bake one near-frontal face.

    Args:
        photo: square crop.
        landmarks: iBUG-68 in crop pixels.
        parsing: CelebAMask ids of the crop.
        camera: fitted pose.
        vertices: fitted head in millimetres (head frame).
        atlas: atlas of the head that was fitted.
        skins: painted skins in that atlas; the one nearest in tone goes under the photograph.
    """
    size = photo.shape[0]
    posed = camera.to_cube(vertices.astype(np.float64)).astype(np.float32)
    normals = atlas.on_surface(vertex_normals(posed, atlas.head.faces))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    where = cube_to_pixel(atlas.on_surface(posed), size)
    where = where + landmark_warp(cube_to_pixel(atlas.head.landmarks(posed), size), landmarks, size)(where)
    colour = _look_up(decode_srgb(photo), where)
    weight = _visible(posed, atlas) * np.clip((normals[..., 2] - FACING[0]) / (FACING[1] - FACING[0]), 0, 1)
    on_skin, on_lips = (_look_up(mask, where)[..., 0] for mask in _parsed(parsing, landmarks))
    weight *= np.where(atlas.region == Region.LIPS, on_lips, on_skin)
    weight[~np.isin(atlas.region, SURFACE)] = 0

    return finish(colour, weight, normals, atlas, skins)


def finish(
    colour: Float[np.ndarray, "S S 3"],
    weight: Float[np.ndarray, "S S"],
    normals: Float[np.ndarray, "S S 3"],
    atlas: Atlas,
    skins: Mapping[str, UInt8[np.ndarray, "S S 3"]],
) -> Baked:
    """From colours seen in the atlas to a texture: light out, hidden side in, painted skin around.

    Args:
        colour: linear light as photographed.
        weight: trust in each texel, 0..1; zero outside SURFACE.
        normals: unit normals in the frame of the photograph's light.
        atlas: the head's atlas.
        skins: painted skins in that atlas.

    Raises:
        ValueError: fewer than a tenth of the face's skin was seen.
    """
    plain = np.isin(atlas.region, PLAIN)
    trusted = plain & (weight > 0.5)
    if trusted.sum() < 0.1 * plain.sum():
        msg = (
            f"bake: the photograph shows {trusted.sum() / plain.sum():.0%} of the skin, expected at least 10 %; "
            f"choose a more frontal one with the face free of hair and glasses."
        )
        raise ValueError(msg)
    name = nearest_skin(colour[trusted], {k: decode_srgb(s)[trusted] for k, s in skins.items()})
    under = decode_srgb(skins[name])
    light = estimate_light(colour[trusted], under[trusted], normals[trusted])
    albedo = colour / np.maximum(basis(normals) @ light, 0.05)
    # Flat before it is mirrored: then both sides have one tone, and where they meet nothing shows.
    albedo = _flatten(albedo, under, weight, plain)
    albedo = _soft_detail(albedo, weight, atlas.region == Region.BROWS)
    albedo = _natural_lips(albedo, under, weight * (atlas.region == Region.LIPS))
    weight, albedo = _with_mirror(albedo, weight.astype(np.float32), atlas)
    alpha = _feathered(weight)[..., None]
    result = alpha * albedo + (1 - alpha) * under
    valid = alpha[..., 0] > 0.5
    face, brows = np.isin(atlas.region, SURFACE), atlas.region == Region.BROWS
    return Baked(encode_srgb(result), valid, float(valid[face].mean()), float(valid[brows].mean()), name)


def landmark_warp(
    fitted: Float[np.ndarray, "68 2"], detected: Float[np.ndarray, "68 2"], size: int
) -> RBFInterpolator:
    """Displacement (pixels) that carries the fitted inner landmarks to the detected ones, still at the
    border.
    """
    inner = slice(17, 68)
    rim = np.linspace(0, size, 5)
    border = np.array([(x, y) for x in rim for y in rim if x in (0, size) or y in (0, size)])
    points = np.concatenate([fitted[inner], border])
    moves = np.concatenate([detected[inner] - fitted[inner], np.zeros_like(border)])
    warp = RBFInterpolator(points, moves, kernel="thin_plate_spline", smoothing=5.0)
    # The spline is smooth: a coarse grid of it, looked up bilinearly, is the same and a thousand times
    # cheaper.
    ticks = np.linspace(0, size, 33)
    grid = np.stack(np.meshgrid(ticks, ticks), -1)
    field = warp(grid.reshape(-1, 2)).reshape(33, 33, 2).astype(np.float32)

    def displacement(where: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
        return _look_up(field, where * (32 / size) + 0.5)

    return displacement


def nearest_skin(seen: Float[np.ndarray, "n 3"], skins: Mapping[str, Float[np.ndarray, "n 3"]]) -> str:
    """The painted skin whose mean colour is nearest to the photographed skin in Lab, hue before lightness.

    Lightness also depends on the exposure, so half of its difference counts.
    """
    target = _lab(np.median(seen, axis=0))
    scale = np.array([0.5, 1.0, 1.0])
    return min(skins, key=lambda k: float(np.linalg.norm((_lab(skins[k].mean(0)) - target) * scale)))


def encode_srgb(linear: Float[np.ndarray, "*n 3"]) -> UInt8[np.ndarray, "*n 3"]:
    """sRGB bytes of linear light."""
    x = np.clip(linear, 0, 1)
    encoded = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)


def _lab(linear: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    encoded = encode_srgb(linear)[None, None].astype(np.float32) / 255
    return cv2.cvtColor(encoded, cv2.COLOR_RGB2Lab)[0, 0]


def _look_up(
    image: Float[np.ndarray, "h w c"], where: Float[np.ndarray, "S S 2"]
) -> Float[np.ndarray, "S S c"]:
    """Bicubic for colours, at pixel coordinates whose first centre is 0.5."""
    columns, rows = (np.ascontiguousarray(where[..., k] - 0.5, np.float32) for k in (0, 1))
    found = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(*where.shape[:-1], -1)


def _visible(posed: Float[np.ndarray, "V 3"], atlas: Atlas) -> Float[np.ndarray, "S S"]:
    """1 where the texel's point is on the surface that the camera sees."""
    side = 512
    depth = rasterize(posed, atlas.head.faces, side, cull=True).depth
    depth = cv2.dilate(depth, np.ones((3, 3), np.uint8))  # half-covered rims count as hidden
    points = atlas.on_surface(posed)
    front = _look_up(depth[..., None], cube_to_pixel(points, side))[..., 0]
    return (atlas.covered & (points[..., 2] > front - OCCLUDED)).astype(np.float32)


def _parsed(
    parsing: UInt8[np.ndarray, "R R"], landmarks: Float[np.ndarray, "68 2"]
) -> tuple[Float[np.ndarray, "R R 1"], Float[np.ndarray, "R R 1"]]:
    """Pixels that may be baked onto skin, nose and brows, and onto lips.

    The face is eaten back from everything that is not face. Lips go to lips and skin to skin only: a mouth
    that the fit did not quite meet would otherwise paint its lips on the chin.
    """
    iod = np.linalg.norm(landmarks[36:42].mean(0) - landmarks[42:48].mean(0))
    radius = max(1, round(EDGE * float(iod)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    inside = cv2.erode(np.isin(parsing, FACE).astype(np.uint8), kernel)
    rim = np.ones((3, 3), np.uint8)
    mouth = np.isin(parsing, (*LIPS, Parsing.INNER_MOUTH)).astype(np.uint8)
    eyes = np.isin(parsing, (Parsing.L_EYE, Parsing.R_EYE)).astype(np.uint8)
    skin = inside & (1 - cv2.dilate(mouth | eyes, rim))
    lips = cv2.erode(np.isin(parsing, LIPS).astype(np.uint8), rim)
    return skin.astype(np.float32)[..., None], lips.astype(np.float32)[..., None]


def _with_mirror(
    albedo: Float[np.ndarray, "S S 3"], weight: Float[np.ndarray, "S S"], atlas: Atlas
) -> tuple[Float[np.ndarray, "S S"], Float[np.ndarray, "S S 3"]]:
    """Where this side shows little, take the other side in, over the width of a feather."""
    own = _feathered(weight)
    both = atlas.mirrored(np.dstack([albedo * own[..., None], own]).astype(np.float32))
    other, trust = both[..., :3] / np.maximum(both[..., 3:], 1e-4), both[..., 3]
    share = own / np.maximum(own + (1 - own) * trust, 1e-6)
    mixed = albedo * share[..., None] + other * (1 - share[..., None])
    inside = np.maximum(weight, trust) * np.isin(atlas.region, SURFACE)
    return inside.astype(np.float32), mixed.astype(np.float32)


def _flatten(
    albedo: Float[np.ndarray, "S S 3"],
    under: Float[np.ndarray, "S S 3"],
    weight: Float[np.ndarray, "S S"],
    plain: Bool[np.ndarray, "S S"],
) -> Float[np.ndarray, "S S 3"]:
    """Take away what light is left: slow differences to the painted skin, measured on skin and nose only.

    Two passes, wide and narrow. Coloured light is never skin, so colour is flattened further than brightness.
    """
    trusted = (weight * plain).astype(np.float32)
    for width, share_dark, share_bright in FLATTEN:
        ratio = np.log(np.maximum(albedo, 1e-3)) - np.log(np.maximum(under, 1e-3))
        ratio = np.clip(ratio, -MOST_LIGHT, MOST_LIGHT)
        sigma = width * len(albedo)
        mean = cv2.GaussianBlur(ratio * trusted[..., None], (0, 0), sigma)
        norm = cv2.GaussianBlur(trusted, (0, 0), sigma)[..., None]
        slow = fill(mean / np.maximum(norm, 1e-4), np.clip(norm[..., 0] * 8, 0, 1))
        grey = slow.mean(-1, keepdims=True)
        share = np.where(grey > 0, share_bright, share_dark)
        albedo = albedo * np.exp(-share * grey - (slow - grey))
    return albedo


def _soft_detail(
    albedo: Float[np.ndarray, "S S 3"], weight: Float[np.ndarray, "S S"], brows: Bool[np.ndarray, "S S"]
) -> Float[np.ndarray, "S S 3"]:
    """Bend fine dark and bright detail towards limits (tanh); what is small against them stays as it is."""
    sigma = DETAIL * len(albedo)
    logarithm = np.log(np.maximum(albedo, 1e-3)).astype(np.float32)
    seen = (weight > 0).astype(np.float32)[..., None]
    norm = cv2.GaussianBlur(seen, (0, 0), sigma)[..., None]
    slow = cv2.GaussianBlur(logarithm * seen, (0, 0), sigma) / np.maximum(norm, 1e-3)
    detail = (logarithm - slow) * seen
    grey = detail.mean(-1, keepdims=True)
    dark = np.where(
        cv2.dilate(brows.astype(np.uint8), np.ones((9, 9), np.uint8))[..., None] > 0, MOST_BROW, MOST_DARK
    )
    limit = np.where(grey < 0, dark, MOST_BRIGHT)
    bent = limit * np.tanh(grey / limit)
    change = bent + COLOUR_DETAIL * (detail - grey) - detail
    return albedo * np.exp(change)


def _natural_lips(
    albedo: Float[np.ndarray, "S S 3"], under: Float[np.ndarray, "S S 3"], weight: Float[np.ndarray, "S S"]
) -> Float[np.ndarray, "S S 3"]:
    """Pull the colour of the lips (not their brightness) to the painted lips: coloured light turns them
    purple.
    """
    if weight.sum() < 1:
        return albedo
    ratio = np.log(np.maximum(albedo, 1e-3)) - np.log(np.maximum(under, 1e-3))
    mean = (ratio * weight[..., None]).sum((0, 1)) / weight.sum()
    tint = np.exp(-LIP_PULL * (mean - mean.mean()))
    on_lips = cv2.GaussianBlur((weight > 0).astype(np.float32), (0, 0), 0.004 * len(weight))[..., None]
    return albedo * (1 + on_lips * (tint - 1))


def _feathered(weight: Float[np.ndarray, "S S"]) -> Float[np.ndarray, "S S"]:
    """Opacity of the photograph: zero at its border, one a feather's width inside."""
    inside = (weight > 0.35).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    inside = cv2.morphologyEx(inside, cv2.MORPH_OPEN, kernel)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5) / (FEATHER * len(weight))
    t = np.clip(distance, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
