"""Creases of a skin texture: thin lines darker than the skin on both of their sides, read as grooves.

"Dark is deep" holds for creases and not for moles, beard, brows, lips or cast shadows. A groove therefore has to be a
*line* (one direction of a bank of oriented filters answers, the one across it does not), with *both* sides brighter
(a shadow's edge has one), away from holes and brows, on skin that is not far darker than its surroundings (hair,
nostrils) and not full of fine strokes (beard). Three widths are looked for; each has its own depth per darkness and
its own bound, from what is measured on skin: fine lines up to 0.15 mm, wrinkles to 0.4, folds to 1 mm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import distance_transform_edt

from models.geometry.light import DECODE, LUMINANCE
from models.heads.regions import FACE, HOLES, Region

TURNS = 8  # orientations of the filter bank, 22.5 degrees apart


@dataclass(frozen=True)
class Width:
    """One width of creases: half width in mm, depth in mm per unit of log darkness, and the largest depth in mm."""

    half: float
    gain: float
    bound: float


WIDTHS = (Width(0.55, 0.7, 0.15), Width(1.1, 1.8, 0.4), Width(2.2, 4.0, 1.0))
NOISE = 0.02  # log darkness that every skin has at any place; less is no crease
GRAIN_MM, GRAIN_GAIN, GRAIN_BOUND = (
    (0.5, 1.4),
    0.3,
    0.05,
)  # pores and bumps between these widths, without direction
HOLE_FADE, BROW_FADE, RIM_FADE = (1.5, 4.0), (2.0, 6.0), (3.0, 12.0)  # mm over which the relief comes in
LIP_SHARE = 0.3  # lips have fine lines, but their colour is no depth
DARK_MM, DARK_FADE = (
    (2.5, 14.0),
    (0.35, 0.7),
)  # log darkness against the wider surroundings, of hair and nostrils
STROKES_MM, STROKES_FADE = 5.0, (0.03, 0.055)  # mean log contrast below 0.5 mm, of beard


@dataclass(frozen=True, eq=False)
class Creases:
    """Per texel of an atlas of n x n, row 0 is v = 1."""

    depth: Float[
        np.ndarray, "n n"
    ]  # mm below the smooth skin, negative where above; mean near 0 on plain skin
    turn: Float[
        np.ndarray, "n n 2"
    ]  # cosine and sine of twice the angle across the crease, times its sureness
    darkness: Float[np.ndarray, "n n"]  # log darkness that the creases account for, at least 0


def find_creases(
    texture: UInt8[np.ndarray, "m m 3"], weight: Float[np.ndarray, "n n"], mm_per_texel: float
) -> Creases:
    """Read a texture's creases.

    Args:
        texture: sRGB atlas; its side is a multiple of n.
        weight: how much relief each texel of the coarser atlas may carry (:func:`relief_weight`).
        mm_per_texel: size of a texel of ``weight`` on the face, where the atlas is nearly isometric.
    """
    fine = np.log(DECODE[texture] @ LUMINANCE + np.float32(0.01))
    tone = cv2.resize(fine, weight.shape[::-1], interpolation=cv2.INTER_AREA)
    weight = weight * _skin_weight(tone, mm_per_texel)
    depth, darkness = np.zeros_like(tone), np.zeros_like(tone)
    turn = np.zeros((*tone.shape, 2), np.float32)
    for width in WIDTHS:
        halvings = max(0, round(np.log2(width.half / mm_per_texel / 1.2)))
        small = tone
        for _ in range(halvings):
            small = cv2.pyrDown(small)
        valley, across = _valleys(small, width.half / mm_per_texel / 2**halvings)
        valley = cv2.resize(valley, tone.shape[::-1], interpolation=cv2.INTER_CUBIC)
        across = cv2.resize(across, tone.shape[::-1], interpolation=cv2.INTER_LINEAR)
        valley = np.maximum(valley - NOISE, 0) * weight
        groove = width.bound * np.tanh(width.gain * valley / width.bound)
        depth += groove
        turn += across * groove[..., None]
        darkness += valley
    low, high = (cv2.GaussianBlur(tone, (0, 0), mm / mm_per_texel) for mm in GRAIN_MM)
    grain = GRAIN_BOUND * np.tanh(GRAIN_GAIN * (high - low) / GRAIN_BOUND)
    return Creases(depth + weight * grain, turn / (depth[..., None] + 0.05), darkness)


def relief_weight(
    region: UInt8[np.ndarray, "n n"],
    mm_per_texel: float,
    spots: Mapping[float, Float[np.ndarray, "s 2"]] = MappingProxyType({}),
) -> Float[np.ndarray, "n n"]:
    """How much of a relief each texel may carry: 0 on eyes, inner mouth, brows and outside the face, 1 on plain skin.

    Args:
        region: region of each texel.
        mm_per_texel: size of a texel.
        spots: texel positions (column, row) that carry none, such as nostrils, by the radius in mm at which it is whole
            again.
    """

    def away(mask: np.ndarray, fade: tuple[float, float]) -> np.ndarray:
        if not mask.any():
            return np.ones(mask.shape)
        return _rise(distance_transform_edt(~mask) * mm_per_texel, fade)

    weight = away(~np.isin(region, FACE), RIM_FADE)
    weight = weight * away(np.isin(region, HOLES), HOLE_FADE) * away(region == Region.BROWS, BROW_FADE)
    lip, square = (region == Region.LIPS).astype(np.uint8), np.ones((3, 3), np.uint8)
    border = cv2.dilate(lip, square) != cv2.erode(lip, square)
    lips = np.where(region == Region.LIPS, LIP_SHARE, 1.0) * away(border, (0.0, 1.5))
    rows, columns = np.mgrid[: region.shape[0], : region.shape[1]]
    for radius, centres in spots.items():
        for x, y in centres:
            weight = weight * _rise(np.hypot(columns - x, rows - y) * mm_per_texel, (radius / 2, radius))
    return (weight * lips).astype(np.float32)


def _rise(values: np.ndarray, fade: tuple[float, float]) -> np.ndarray:
    """0 below ``fade[0]``, 1 above ``fade[1]``, smooth between."""
    t = np.clip((values - fade[0]) / (fade[1] - fade[0]), 0, 1)
    return t * t * (3 - 2 * t)


def _skin_weight(tone: Float[np.ndarray, "n n"], mm_per_texel: float) -> Float[np.ndarray, "n n"]:
    """1 where the log tone looks like skin, 0 in hair, nostrils and beard."""
    near, wide = (cv2.GaussianBlur(tone, (0, 0), mm / mm_per_texel) for mm in DARK_MM)
    strokes = np.abs(tone - cv2.GaussianBlur(tone, (0, 0), 0.5 / mm_per_texel))
    strokes = cv2.GaussianBlur(strokes, (0, 0), STROKES_MM / mm_per_texel)
    return ((1 - _rise(wide - near, DARK_FADE)) * (1 - _rise(strokes, STROKES_FADE))).astype(np.float32)


def _valleys(
    tone: Float[np.ndarray, "n n"], half: float
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n 2"]]:
    """Log darkness of lines of half width ``half`` texels against both sides, and their turn (see Creases)."""
    answers = []
    for k in range(TURNS):
        left, right = _flanks(half, np.pi * k / TURNS)
        one, two = (cv2.filter2D(tone, cv2.CV_32F, f, borderType=cv2.BORDER_REPLICATE) for f in (left, right))
        answers.append(np.maximum(np.minimum(one, two), 0))
    bank = np.stack(answers)
    line = bank - np.roll(bank, TURNS // 2, axis=0)  # a spot answers across as well
    best = line.argmax(axis=0)
    angle = 2 * np.pi * best / TURNS
    valley = np.maximum(line.max(axis=0), 0).astype(np.float32)
    return valley, np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32)


def _flanks(half: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Two kernels: mean of one side of a line minus the line, across ``angle`` (x right, y down)."""
    reach = int(np.ceil(4.5 * half))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    across, along = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    long = np.exp(-0.5 * (along / (2.5 * half)) ** 2)

    def bump(at: float) -> np.ndarray:
        kernel = long * np.exp(-0.5 * ((across - at) / (0.6 * half)) ** 2)
        return kernel / kernel.sum()

    return (bump(-2 * half) - bump(0)).astype(np.float32), (bump(2 * half) - bump(0)).astype(np.float32)
