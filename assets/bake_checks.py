"""What must not be baked: reasons, each with its number and limit, for a photograph and for the texture made of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from assets.atlas import Atlas
from assets.bake import PLAIN, Baked
from models.geometry.light import LUMINANCE, decode_srgb
from models.heads.regions import Region
from models.networks.classes import FACE, Parsing

MOST_TURN = 25.0  # degrees of yaw or pitch
LEAST_IOD = 64.0  # outer eye corners, photo pixels
LEAST_DETAIL = (
    0.010  # of the brightness: rms of what a blur of 1.5 % of the eye distance takes away from the face
)
MOST_BURNT = 0.05  # of the skin's pixels
BURNT = 250
LEAST_YELLOW = 9.0  # Lab b of the skin: under coloured light, or without colour, its tone cannot be told
MOST_GLASSES = 0.01  # of the face's pixels
MOST_COVERED = 0.12  # of the landmark hull that is hair, hat, cloth or background, a hand among them
MOST_SHADOW = 0.16  # left against right, slow part of the logarithm, mean over the skin
MOST_FRAGMENTS = 0.08  # of the skin's texels, darker or brighter than the skin around by FRAGMENT
FRAGMENT = 0.30
LEAST_SHARE = 0.33  # of the face that the photograph gave
SLOW = 0.04  # of the atlas side


@dataclass(frozen=True)
class Flaw:
    """Why a photograph or a texture is refused."""

    reason: str
    value: float
    limit: float

    def __str__(self) -> str:
        return f"{self.reason} ({self.value:.3g}, limit {self.limit:.3g})"


def photo_flaws(
    photo: UInt8[np.ndarray, "R R 3"],
    landmarks: Float[np.ndarray, "68 2"],
    parsing: UInt8[np.ndarray, "R R"],
    iod: float,
    yaw: float,
    pitch: float,
) -> list[Flaw]:
    """Flaws of a face crop; ``iod`` in photo pixels, angles in degrees. Empty when it may be baked."""
    hull = np.zeros(parsing.shape, np.uint8)
    outline = np.concatenate([landmarks, landmarks[17:27] - [0, 0.12 * np.ptp(landmarks[:, 1])]])
    cv2.fillConvexPoly(hull, cv2.convexHull(np.round(outline).astype(np.int32)), 1)
    inside = hull > 0
    count = max(1, int(inside.sum()))
    skin = inside & np.isin(parsing, (Parsing.SKIN, Parsing.NOSE))
    across = float(np.linalg.norm(landmarks[45] - landmarks[36]))
    grey = np.log(decode_srgb(photo) @ LUMINANCE + 0.02).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), max(0.5, 0.015 * across))
    detail = float(np.sqrt(np.mean(fine[inside] ** 2)))
    burnt = float((photo[skin].max(-1) >= BURNT).mean()) if skin.any() else 1.0
    lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    yellow = float(np.median(lab[skin, 2])) if skin.any() else 0.0
    glasses = float((parsing == Parsing.GLASSES)[inside].sum() / count)
    covered = float((inside & ~np.isin(parsing, (*FACE, Parsing.GLASSES))).sum() / count)
    return [
        *_above("turned away", max(abs(yaw), abs(pitch)), MOST_TURN),
        *_below("too small", iod, LEAST_IOD),
        *_below("blurred", detail, LEAST_DETAIL),
        *_above("burnt highlights", burnt, MOST_BURNT),
        *_below("coloured light or none", yellow, LEAST_YELLOW),
        *_above("glasses", glasses, MOST_GLASSES),
        *_above("hair, hat or hand over the face", covered, MOST_COVERED),
    ]


def texture_flaws(baked: Baked, atlas: Atlas) -> list[Flaw]:
    """Flaws that show in the texture only, after its light was taken out. Empty when it may be used."""
    logarithm = np.log(decode_srgb(baked.image) @ LUMINANCE + 1e-3).astype(np.float32)
    skin = (np.isin(atlas.region, PLAIN) & baked.valid).astype(np.float32)
    skin *= 1 - cv2.dilate((atlas.region == Region.BROWS).astype(np.float32), np.ones((9, 9), np.uint8))
    sigma = SLOW * atlas.size
    norm = np.maximum(cv2.GaussianBlur(skin, (0, 0), sigma), 1e-3)
    slow = cv2.GaussianBlur(logarithm * skin, (0, 0), sigma) / norm
    both = np.dstack([slow, skin]).astype(np.float32)
    other = atlas.mirrored(both)
    pair = (skin > 0.5) & (other[..., 1] > 0.5)
    shadow = float(np.abs(slow - other[..., 0])[pair].mean()) if pair.any() else 1.0
    seen = skin > 0.5
    fragments = float(
        (np.abs(cv2.GaussianBlur(logarithm, (0, 0), 0.004 * atlas.size) - slow)[seen] > FRAGMENT).mean()
    )
    return [
        *_below("little of the face seen", baked.share, LEAST_SHARE),
        *_above("hard shadow", shadow, MOST_SHADOW),
        *_above("fragments of hair or shine", fragments if seen.any() else 1.0, MOST_FRAGMENTS),
    ]


def _above(reason: str, value: float, limit: float) -> list[Flaw]:
    return [Flaw(reason, value, limit)] if value > limit else []


def _below(reason: str, value: float, limit: float) -> list[Flaw]:
    return [Flaw(reason, value, limit)] if value < limit else []
