"""Augmentation of a pair that keeps its labels right: what moves the picture moves the points and their distances.

The released code scales the picture without scaling the distances, which biases labels by up to ten per cent (facts
§1.8); here a zoom scales them too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from models.networks.classes import Parsing


@dataclass(frozen=True, eq=False)
class Example:
    """What a network learns from one pair."""

    image: UInt8[np.ndarray, "R R 3"]
    semantic: UInt8[np.ndarray, "R R"]
    points: Float[np.ndarray, "n 3"]  # cube
    value: Float[np.ndarray, " n"]  # signed distance or residual, cube units
    depth: Float[np.ndarray, "R R"]  # cube z of the visible surface, NaN where unknown


@dataclass(frozen=True)
class Augmentation:
    """How far each change may go; zeros change nothing."""

    flip: float = 0.5  # chance of a mirrored pair
    zoom: float = 0.15  # largest relative change of size
    shift: float = 0.08  # largest move, cube units
    roll: float = 10.0  # largest turn in the plane of the image, degrees
    light: float = 0.4  # largest change of the logarithm of exposure, contrast and each channel
    blur: float = 1.0  # largest gaussian sigma, pixels of 256
    noise: float = 10.0  # largest standard deviation, grey levels
    jpeg: float = 0.3  # chance of a JPEG of quality 40..95
    occluder: float = 0.15  # chance of each of three flat shapes in front of the face


NONE = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Motion:
    """How a pair moves: mirrored first, then turned and zoomed about the middle of the cube, then shifted."""

    flip: bool
    zoom: float
    shift: Float[np.ndarray, " 2"]  # cube units, y up
    roll: float = 0.0  # radians, counter-clockwise as seen

    @property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """The turn about the axis of view."""
        c, s = np.cos(self.roll), np.sin(self.roll)
        return np.float32([[c, -s, 0], [s, c, 0], [0, 0, 1]])

    def points(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Cube points of the moved pair."""
        moved = points * np.float32([-1, 1, 1]) if self.flip else points
        return (moved @ self.rotation.T) * np.float32(self.zoom) + np.float32([*self.shift, 0])

    def normals(self, maps: Float[np.ndarray, "R R 3"]) -> Float[np.ndarray, "R R 3"]:
        """A normal map of the moved pair: a mirror negates n_x, a zoom changes nothing; zeros where no head is."""
        if self.flip:
            maps = maps[:, ::-1] * np.float32([-1, 1, 1])
        moved = _warped(maps, self, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT) @ self.rotation.T
        length = np.linalg.norm(moved, axis=-1, keepdims=True)
        # Between head and background the mean of a normal and of nothing is shorter than half: no head.
        return np.where(length > 0.5, moved / np.maximum(length, 1e-6), 0).astype(np.float32)

    def depth_and_normals(self, maps: Float[np.ndarray, "R R 5"]) -> Float[np.ndarray, "R R 5"]:
        """Depth, normal and coverage of a surface that moves with the pair; zeros where none is."""
        if self.flip:
            maps = maps[:, ::-1] * np.float32([1, -1, 1, 1, 1])
        moved = _warped(maps, self, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        turn = np.eye(5, dtype=np.float32)
        turn[0, 0], turn[1:4, 1:4] = self.zoom, self.rotation
        return moved @ turn.T

    def depth(self, depth: Float[np.ndarray, "R R"]) -> Float[np.ndarray, "R R"]:
        """A depth map of the moved pair, NaN where unknown: a zoom changes depths too."""
        known = np.isfinite(depth)
        maps = np.dstack([np.where(known, depth, 0), known]).astype(np.float32)
        moved = _warped(maps[:, ::-1] if self.flip else maps, self, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        share = moved[..., 1]
        z = moved[..., 0] / np.maximum(share, 0.5) * np.float32(self.zoom)
        return np.where(share > 0.99, z, np.float32(np.nan))

    def picture(
        self, image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"]
    ) -> tuple[UInt8[np.ndarray, "R R 3"], UInt8[np.ndarray, "R R"]]:
        """Image and classes of the moved pair; the image's border is continued, classes end as background."""
        if self.flip:
            image, semantic = image[:, ::-1], swap_sides(semantic[:, ::-1])
        return (
            _warped(image, self, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE),
            _warped(semantic, self, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT),
        )


def draw_motion(rng: np.random.Generator, how: Augmentation) -> Motion:
    """A motion within the limits."""
    flip = bool(rng.random() < how.flip)
    zoom = float(1 + rng.uniform(-how.zoom, how.zoom))
    shift = rng.uniform(-how.shift, how.shift, 2)
    return Motion(flip, zoom, shift, float(np.radians(rng.uniform(-how.roll, how.roll))))


def developed(
    image: UInt8[np.ndarray, "R R 3"],
    semantic: UInt8[np.ndarray, "R R"],
    rng: np.random.Generator,
    how: Augmentation,
) -> tuple[UInt8[np.ndarray, "R R 3"], UInt8[np.ndarray, "R R"]]:
    """What changes the picture and moves nothing: an occluder, light, blur, noise and compression."""
    for _ in range(3):
        if rng.random() < how.occluder:
            image, semantic = _covered(image, semantic, rng)
    return _developed(image, rng, how), np.ascontiguousarray(semantic)


def augment(example: Example, rng: np.random.Generator, how: Augmentation) -> Example:
    """A changed copy; everything random comes from ``rng``."""
    motion = draw_motion(rng, how)
    image, semantic = developed(*motion.picture(example.image, example.semantic), rng, how)
    return Example(
        image,
        semantic,
        motion.points(example.points),
        example.value * np.float32(motion.zoom),
        motion.depth(example.depth),
    )


def swap_sides(semantic: UInt8[np.ndarray, "R R"]) -> UInt8[np.ndarray, "R R"]:
    """Left and right classes exchanged."""
    table = np.arange(len(Parsing), dtype=np.uint8)
    for left, right in (
        (Parsing.L_EYE, Parsing.R_EYE), (Parsing.L_BROW, Parsing.R_BROW), (Parsing.L_EAR, Parsing.R_EAR),
    ):  # fmt: skip
        table[left], table[right] = right, left
    return table[semantic]


def _warped(array: np.ndarray, motion: Motion, flags: int, border: int) -> np.ndarray:
    """Turn and zoom about the middle of the cube, then shift (cube units, y up)."""
    if motion.zoom == 1 and not motion.shift.any() and not motion.roll:
        return np.ascontiguousarray(array)
    side, zoom, (right, up) = len(array), motion.zoom, motion.shift
    middle = (side - 1) / 2  # OpenCV counts from the centre of the first pixel
    c, s = zoom * np.cos(motion.roll), zoom * np.sin(motion.roll)
    matrix = np.float32(
        [
            [c, s, middle * (1 - c - s) + right * side / 2],
            [-s, c, middle * (1 - c + s) - up * side / 2],
        ]
    )
    return cv2.warpAffine(
        np.ascontiguousarray(array), matrix, (side, side), flags=flags, borderMode=border, borderValue=0
    )


def _covered(
    image: np.ndarray, semantic: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """An ellipse of one colour in front of the face, which the parsing calls background."""
    side = len(image)
    centre = tuple(int(c) for c in rng.uniform(0.25, 0.75, 2) * side)
    axes = tuple(int(a) for a in rng.uniform(0.03, 0.15, 2) * side)
    shape = np.zeros((side, side), np.uint8)
    cv2.ellipse(shape, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    inside = shape.astype(bool)
    colour = rng.integers(0, 256, 3).astype(np.uint8)
    return np.where(inside[..., None], colour, image), np.where(inside, Parsing.BACKGROUND, semantic).astype(
        np.uint8
    )


def _developed(image: np.ndarray, rng: np.random.Generator, how: Augmentation) -> np.ndarray:
    """Light, blur, noise and compression as cameras differ."""
    out = image.astype(np.float32)
    if how.light:
        gain = np.exp(rng.uniform(-how.light, how.light) + rng.uniform(-how.light, how.light, 3) / 3)
        contrast = np.exp(rng.uniform(-how.light, how.light))
        out = (out - np.float32(127.5)) * np.float32(contrast * gain) + np.float32(127.5 * gain)
    sigma = rng.uniform(0, how.blur) * len(image) / 256
    if sigma > 0.3:
        out = cv2.GaussianBlur(out, (0, 0), sigma)
    if how.noise:
        out = out + np.float32(rng.uniform(0, how.noise)) * rng.standard_normal(out.shape, np.float32)
    out = np.clip(np.rint(out), 0, 255).astype(np.uint8)
    if rng.random() < how.jpeg:
        quality = int(rng.integers(40, 96))
        _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(out)
