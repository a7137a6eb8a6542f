"""Spherical-harmonics light of order 2: evaluating it, and estimating it from a photograph.

A light is ``(9, 3)`` float32: nine coefficients for each of R, G, B in linear light. It stands for the
*shading* itself (irradiance over pi, so the cosine lobe is already folded in): ``colour = albedo *
(basis(normal) @ light)``. Normals are in the cube frame (x right, y up, z to the viewer), so a light belongs
to the photo and not to the head.

The estimate answers the paper's "inveracious lighting" limit: the render gets the photo's light and tone by
construction, whatever the tone of the texture that the plan chose for it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8

# Real orthonormal spherical harmonics, in the order 1, y, z, x, xy, yz, 3z²-1, xz, x²-y².
C0, C1, C2, C20, C22 = 0.28209479, 0.48860251, 1.09254843, 0.31539157, 0.54627422

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
RIDGE = np.array(
    [0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0]
)  # relative pull of each coefficient towards no light
RIDGE_LUMINANCE = 0.002  # of the mean squared albedo: the part of the sphere that no pixel sees stays calm
RIDGE_COLOUR = 0.005  # the colour of the light varies less over the sphere than its strength
HOLD, HOLD_STEPS = 5.0, 2  # weight of the bounds beside the photo, and how often they are looked at again
KEEP = 0.9  # share of the pixels that each refit trusts: moles, stray hair, specks and shadows are the rest
REFITS = 3
COMMON_SKIN = np.array([0.46, 0.27, 0.19])  # linear colour of skin in an ordinary photo
BENDS = (0.7, 1.1)  # of a tone curve: lower flattens pores to wax, higher turns them into blotches
COMMON_LEVEL = 1.1  # shading in that photo
DARKEST, BRIGHTEST = 0.2, 2.5  # bounds of the shading, relative to its mean over the seen pixels

_SRGB = np.arange(256) / 255
DECODE = np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4).astype(np.float32)
PLAIN = np.repeat(DECODE[:, None], 3, axis=1)  # a tone table that changes nothing


def decode_srgb(image: UInt8[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Linear light in [0, 1], float32, of an sRGB image."""
    return DECODE[image]


def basis(normals: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 9"]:
    """The nine harmonics at unit normals."""
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    return np.stack(
        [
            np.full_like(x, C0),
            C1 * y,
            C1 * z,
            C1 * x,
            C2 * x * y,
            C2 * y * z,
            C20 * (3 * z * z - 1),
            C2 * x * z,
            C22 * (x * x - y * y),
        ],
        axis=-1,
    )


def _directions(n: int = 256) -> Float[np.ndarray, "n 3"]:
    """Even directions over all that a viewer at +z can see; smooth normals lean past the rim (z > -0.1)."""
    k = np.arange(n) + 0.5
    z = 1 - 1.1 * k / n
    angle = np.pi * (1 + 5**0.5) * k
    rim = np.sqrt(1 - z * z)
    return np.stack([rim * np.cos(angle), rim * np.sin(angle), z], axis=-1)


_SEEN = basis(_directions())


def ambient(colour: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "9 3"]:
    """The light that shades every normal with ``colour``."""
    light = np.zeros((9, 3), dtype=np.float32)
    light[0] = np.asarray(colour) / C0
    return light


def at_level(light: Float[np.ndarray, "9 3"], level: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "9 3"]:
    """The light with each channel scaled so that its mean shading over all that a viewer can see is ``level``."""
    mean = np.maximum(_SEEN.mean(axis=0) @ light, 1e-6)
    return (light * (np.asarray(level) / mean)).astype(np.float32)


def scene_level(skin: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    """How strong and how coloured the light of a photo is, guessed from the skin's mean linear colour in it.

    An estimated light absorbs the difference between the texture's tone and the person's, so eyes and teeth, whose
    colour is the same for everybody, would glow under it. Bright skin may be pale skin or strong light: the guess
    blames half of it, in the logarithm, on each.
    """
    skin = np.maximum(np.asarray(skin, dtype=np.float64), 1e-4)
    strength = float(skin @ LUMINANCE)
    tint = np.sqrt(skin / strength / (COMMON_SKIN / float(COMMON_SKIN @ LUMINANCE)))
    return COMMON_LEVEL * np.sqrt(strength / float(COMMON_SKIN @ LUMINANCE)) * tint


def tone_table(
    albedo: Float[np.ndarray, " 3"], wanted: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "256 3"]:
    """Linear light of each sRGB level, bent so that a texture of mean colour ``albedo`` gets the colour ``wanted``.

    A power curve per channel: black stays black and white stays white, so that pale brows and lips on a skin that is
    made much paler or darker keep a believable colour, where a coloured light would dye them. The
    curve goes as far as ``BENDS`` allows; the light has to make up the rest.
    """
    albedo, wanted = np.clip(albedo, 0.01, 0.9), np.clip(wanted, 0.01, 0.9)
    bend = np.clip(np.log(wanted) / np.log(albedo), *BENDS)
    return (DECODE[:, None] ** bend).astype(np.float32)


def _ridge(design: np.ndarray, target: np.ndarray, prior: np.ndarray, strength: float) -> np.ndarray:
    """argmin |design l - target|² + strength * tr * sum RIDGE (l - prior)²."""
    gram = design.T @ design
    pull = np.diag(RIDGE * strength * gram[0, 0] / C0**2)
    return np.linalg.solve(gram + pull, design.T @ target + pull @ prior)


def _trusted(design: np.ndarray, target: np.ndarray, strength: float) -> Bool[np.ndarray, " n"]:
    """Rows that a ridge fit keeps when it drops the worst residuals and fits again."""
    kept = np.ones(len(target), dtype=bool)
    for _ in range(REFITS):
        light = _ridge(design[kept], target[kept], np.zeros(9), strength)
        residual = np.abs(design @ light - target)
        kept = residual <= np.quantile(residual, KEEP)
    return kept


def _held(
    design: np.ndarray, target: np.ndarray, prior: np.ndarray, strength: float, mean: float
) -> np.ndarray:
    """Ridge fit whose shading is held within bounds wherever one can see, first by rows of its own.

    Directions that few pixels face are where a fit runs away; rows that ask for the bound there bend the fit only
    there. What they leave is blended with a constant.
    """
    light = _ridge(design, target, prior, strength)
    weight = np.sqrt(HOLD * (design[:, 0] @ design[:, 0]) / C0**2 / len(_SEEN))
    outside = np.zeros(len(_SEEN), dtype=bool)
    for _ in range(HOLD_STEPS):
        shading = _SEEN @ light
        wanted = np.clip(shading, 1.1 * DARKEST * mean, BRIGHTEST / 1.1 * mean)
        outside |= wanted != shading
        if not outside.any():
            break
        rows = np.concatenate([design, weight * _SEEN[outside]])
        light = _ridge(rows, np.concatenate([target, weight * wanted[outside]]), prior, strength)
    return _bounded(light, mean)


def _bounded(light: np.ndarray, mean: float) -> np.ndarray:
    """Blend a one-channel light with a constant until its shading is within bounds wherever one can see."""
    shading = _SEEN @ light
    room = 1.0
    if shading.min() < DARKEST * mean:
        room = min(room, (1 - DARKEST) * mean / (mean - shading.min()))
    if shading.max() > BRIGHTEST * mean:
        room = min(room, (BRIGHTEST - 1) * mean / (shading.max() - mean))
    flat = np.zeros(9)
    flat[0] = mean / C0
    return room * light + (1 - room) * flat


def estimate_light(
    photo: Float[np.ndarray, "n 3"],
    albedo: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    occlusion: Float[np.ndarray, "n 9 3"] | None = None,
) -> Float[np.ndarray, "9 3"]:
    """Light under which ``albedo`` looks like ``photo``.

    Strength first: trimmed ridge least squares on luminance. Then each channel, pulled towards the strength's
    shape so that noise does not become coloured lamps. Then the shading is bounded (positive, no burnt rim),
    and each channel is scaled so that the mean colour over the trusted pixels is the photo's.

    Args:
        photo: Linear light of skin pixels.
        albedo: Linear texture colour that the head shows at the same pixels.
        normals: Unit normals at the same pixels, cube frame.
        occlusion: What the surface's own shadow adds to the harmonics of each normal, for R, G, B
            (``models.geometry.occlusion``), so that shadow in the photo is not taken for a light that fades.

    Raises:
        ValueError: Fewer than 32 pixels, or an albedo or a photo that is black: nothing can be estimated.
    """
    strength, paint = photo @ LUMINANCE, albedo @ LUMINANCE
    if len(photo) < 32 or paint.mean() < 1e-4 or strength.mean() < 1e-4:
        msg = (
            f"estimate_light expects at least 32 pixels that are not black, got {len(photo)} pixels of mean "
            f"luminance {strength.mean() if len(photo) else 0:.2g} on albedo "
            f"{paint.mean() if len(photo) else 0:.2g}; "
            "reject this photo instead of lighting a render with it."
        )
        raise ValueError(msg)
    rows = np.repeat(basis(normals.astype(np.float64))[:, :, None], 3, axis=2)
    if occlusion is not None:
        rows += occlusion
    design = (rows @ LUMINANCE) * paint[:, None]
    kept = _trusted(design, strength.astype(np.float64), RIDGE_LUMINANCE)
    mean = strength[kept].mean() / paint[kept].mean()
    shape = _held(design[kept], strength[kept].astype(np.float64), np.zeros(9), RIDGE_LUMINANCE, mean)
    rows, photo, albedo = rows[kept], photo[kept].astype(np.float64), albedo[kept].astype(np.float64)
    light = np.zeros((9, 3))
    for c in range(3):
        design = rows[:, :, c] * albedo[:, c : c + 1]
        under_shape = (design @ shape).mean()
        prior = shape * (photo[:, c].mean() / max(under_shape, 1e-6))
        mean = max(photo[:, c].mean() / max(albedo[:, c].mean(), 1e-6), 1e-6)
        channel = _held(design, photo[:, c], prior, RIDGE_COLOUR, mean)
        light[:, c] = channel * (photo[:, c].mean() / max((design @ channel).mean(), 1e-6))
    return light.astype(np.float32)
