"""Parsing that a photo set brings along: one black-and-white mask per class, cut as the face's crop was cut.

The rules that follow a network's masks follow these too (:mod:`tasks.parse`): other faces become background, sides are
named by the face's axis, and hidden faces are rejected. A change here is a change of ``tasks.sources.VERSION``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from assets.readers.members import read_place
from assets.readers.photo import DecodeLimits, Refused, decode_photo
from models.networks.classes import Parsing
from storage.reject import Reason, Reject
from tasks.landmarks import Crop
from tasks.parse import clean, judge

# CelebAMask-HQ's file names, in the order in which its own script paints one over the other.
CLASS_OF: Mapping[str, Parsing] = {
    "skin": Parsing.SKIN, "nose": Parsing.NOSE, "eye_g": Parsing.GLASSES, "l_eye": Parsing.L_EYE,
    "r_eye": Parsing.R_EYE, "l_brow": Parsing.L_BROW, "r_brow": Parsing.R_BROW, "l_ear": Parsing.L_EAR,
    "r_ear": Parsing.R_EAR, "mouth": Parsing.INNER_MOUTH, "u_lip": Parsing.UPPER_LIP,
    "l_lip": Parsing.LOWER_LIP, "hair": Parsing.HAIR, "hat": Parsing.HAT, "ear_r": Parsing.EARRING,
    "neck_l": Parsing.NECKLACE, "neck": Parsing.NECK, "cloth": Parsing.CLOTH,
}  # fmt: skip
WHITE = 128  # of 255, from which a pixel belongs to the class


def paint(masks: Mapping[str, str], limits: DecodeLimits) -> UInt8[np.ndarray, "h w"] | Reject:
    """Class map of a whole photograph from its masks, given as places by class name (``CLASS_OF``)."""
    classes: UInt8[np.ndarray, "h w"] | None = None
    for name, value in CLASS_OF.items():
        if name not in masks:
            continue
        try:
            mask = decode_photo(read_place(masks[name]), limits)
        except OSError as error:
            return Reject(Reason.UNREADABLE, f"mask '{name}' cannot be read: {error.strerror}")
        if isinstance(mask, Refused):
            return Reject(Reason.UNREADABLE, f"mask '{name}': {mask.detail}")
        if classes is None:
            classes = np.zeros(mask.shape[:2], np.uint8)
        if mask.shape[:2] != classes.shape:
            return Reject(
                Reason.UNREADABLE, f"mask '{name}' is {mask.shape[:2]}, the others are {classes.shape}"
            )
        classes[mask[..., 0] >= WHITE] = value
    if classes is None:
        return Reject(Reason.PARSING, f"none of its masks is of a known class ({', '.join(sorted(masks))})")
    return classes


def cut(
    classes: UInt8[np.ndarray, "h w"], photo: tuple[int, int], crop: Crop, size: int
) -> UInt8[np.ndarray, "R R"]:
    """Class map of a crop. ``photo`` is the photograph's height and width; the map may be smaller by one factor."""
    left, top, side = crop.square
    at = (np.arange(size) + 0.5) * side / size  # pixel centres, photo pixels from the crop's corner
    v = _reflect((top + at) * classes.shape[0] / photo[0], classes.shape[0])
    u = _reflect((left + at) * classes.shape[1] / photo[1], classes.shape[1])
    return np.asarray(classes[np.ix_(v, u)], np.uint8)


def given_parsing(
    classes: UInt8[np.ndarray, "h w"], photo: tuple[int, int], crop: Crop
) -> UInt8[np.ndarray, "R R"] | Reject:
    """Cleaned class map of a crop, or why it cannot be a source."""
    own = clean(cut(classes, photo, crop, len(crop.photo)), crop.landmarks)
    return judge(crop.photo, own, crop.landmarks) or own


def _reflect(at: np.ndarray, length: int) -> np.ndarray:
    """Pixel of each coordinate; beyond the edges mirrored, as the crop is."""
    pixel = np.abs(np.floor(at).astype(np.int64))
    pixel = np.where(pixel >= length, 2 * (length - 1) - pixel, pixel)
    return np.asarray(np.clip(pixel, 0, length - 1), np.int64)
