"""Stage ``blend``: the completed face takes on the photo's colours (paper §3.2; facts §7).

Poisson blending copies the rim's colour into the face, so the rim must be face. What else touches the face mask is
no measure of its colour: hair and glasses in front of it, or the background behind a cheek. Those pixels are left
free, and the photo's own skin, of which ``warp`` keeps a thin rim around the mask, decides. It decides within limits:
the render already has the photo's colours, so a rim that is far from it is light that grazes a jaw or glows through
hair. That light belongs to the rim, and a Poisson solution would carry it across the whole face.

A frame of glasses parts the face into pieces, but the light is one: the problem is solved across frames, and the frames
are put back.

A mask has a hard edge, a hair line has none. In a thin band inside the mask the photo's own pixels are mixed in
again, at most half of them: strands over the forehead, the shadow below a hat, the last of the
photo's skin before an ear. Every pixel of the mask is mostly the new face, as its label says, and no
pixel outside changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np

from models.geometry.poisson import blend, rim
from models.networks.classes import FACE, Parsing
from tasks.contract import Batch, Field, Gives

Array = np.ndarray[Any, np.dtype[Any]]

MIN_PINNED = 0.15  # share of the rim that must be face; with less, neck and ears have to help
HELPERS = (Parsing.NECK, Parsing.L_EAR, Parsing.R_EAR)
SKIN = (Parsing.SKIN, Parsing.NOSE)
# Depth of the band in which the photo is mixed in, of the image side, by what is seen beyond the edge.
BESIDE_SKIN, BESIDE_HAIR, BESIDE_OTHERS = 0.035, 0.02, 0.006
BESIDE = np.full(len(Parsing), BESIDE_OTHERS)
BESIDE[[*FACE, *HELPERS]] = BESIDE_SKIN
BESIDE[[Parsing.HAIR, Parsing.HAT]] = BESIDE_HAIR
BESIDE[Parsing.GLASSES] = 0.0  # beside a frame the photo shows the old skin through the lens
MIXED = 0.5  # share of the photo at the edge itself
REACH = 16.0  # grey levels by which the rim may move the face beyond the photo's own skin


@dataclass(frozen=True)
class Blend:
    """Put the inpainted face into the warped photo; outside the face mask the photo stays as it is, to the bit."""

    name: ClassVar[str] = "blend"
    version: ClassVar[int] = 3
    needs: ClassVar[tuple[Field, ...]] = (
        Field("inpainted", "uint8", ("R", "R", 3), "rgb"),
        Field("face_mask", "bool", ("R", "R"), "pixel"),
        Field("warped", "uint8", ("R", "R", 3), "rgb"),
        Field("warped_parsing", "uint8", ("R", "R"), "celebamask"),
    )
    gives: ClassVar[tuple[Field, ...]] = (Field("image", "uint8", ("R", "R", 3), "rgb"),)

    def blend(self, batch: Batch) -> Gives:
        """Blend every row."""
        image = np.zeros_like(batch["warped"])
        for i in range(len(batch)):
            mask, parsing = batch["face_mask"][i], batch["warped_parsing"][i]
            face, photo = batch["inpainted"][i], batch["warped"][i]
            whole = mask | (parsing == Parsing.GLASSES)
            free = unpinned(mask, parsing) | (rim(whole) & ~rim(mask))
            pins = bounded_rim(mask, mask & np.isin(parsing, SKIN), face, photo)
            blended = blend(face, pins, whole, valid=mask, free=free & ~whole)
            image[i] = np.where(mask[..., None], soften(blended, photo, mask, parsing), photo)
        return Gives({"image": image})

    __call__ = blend


def unpinned(mask: Array, parsing: Array) -> Array:
    """Pixels (R, R) outside the face mask whose colour says nothing about the face's."""
    edge = rim(mask)
    pins = np.isin(parsing, FACE)
    if edge.any() and pins[edge].mean() < MIN_PINNED:
        pins |= np.isin(parsing, HELPERS)
    free: Array = ~pins & ~mask
    return free


def bounded_rim(mask: Array, skin: Array, face: Array, photo: Array) -> Array:
    """The photo with a rim that steps from the face by no more than ``REACH`` beyond what the skin inside does.

    Args:
        mask: face mask, bool (R, R).
        skin: pixels of the mask where the photo shows skin, bool (R, R).
        face: completed face, uint8 (R, R, 3).
        photo: warped photo, uint8 (R, R, 3).
    """
    edge = rim(mask)
    if not edge.any():
        return photo
    usual = np.median(photo[skin].astype(np.float32) - face[skin], axis=0) if skin.any() else np.zeros(3)
    weight = cv2.blur(mask.astype(np.float32), (3, 3))[edge]
    inner = cv2.blur(np.where(mask[..., None], face, 0).astype(np.float32), (3, 3))[edge] / weight[:, None]
    step = np.clip(photo[edge] - inner, usual - REACH, usual + REACH)
    bounded = photo.copy()
    bounded[edge] = np.clip(np.rint(inner + step), 0, 255)
    return bounded


def soften(face: Array, photo: Array, mask: Array, parsing: Array) -> Array:
    """The blended face with the photo mixed in along the mask's edge, uint8 (R, R, 3); meant for the mask's pixels.

    Args:
        face: blended picture, uint8 (R, R, 3).
        photo: warped photo, uint8 (R, R, 3).
        mask: face mask, bool (R, R).
        parsing: classes of the warped photo, (R, R): the nearest pixel outside decides how deep the band is.
    """
    if not mask.any() or mask.all():
        return face
    distance, nearest = cv2.distanceTransformWithLabels(
        mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    depths = np.zeros(int(nearest.max()) + 1, np.float32)
    depths[nearest[~mask]] = BESIDE[parsing[~mask]] * len(mask)
    # The depth changes gradually where hair gives way to skin.
    depth = cv2.blur(depths[nearest], (5, 5))
    inward = np.clip((distance - 0.5) / np.maximum(depth, 0.5), 0, 1)
    share = MIXED * (1 - inward * inward * (3 - 2 * inward))
    share[depth <= 0] = 0
    mixed = face + share[..., None] * (photo.astype(np.float32) - face)
    softened: Array = np.rint(mixed).astype(np.uint8)
    return softened
