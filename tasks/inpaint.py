"""Stage inpaint: the complete face inside the intersection of the rendered and the parsed face (paper, figure 3).

The intersection M is where the new face will be seen. It goes beyond the parsed face where the new jaw or nose reaches
over what lies behind a head: cut off there, the picture would keep the photo's jaw and contradict the shape. The
render is trusted in M except along its edge, where the outline is mixed with black and where two silhouettes that do
not fit meet; the network paints that ring anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from models.networks.classes import FACE, Parsing, among
from models.networks.inpainting import InpaintingNet, inpaint, load_inpainting
from tasks.contract import Batch, Field, Gives, Reason, Reject
from tasks.parse import hull
from tasks.weights import open_weights

__all__ = ["Inpaint", "face_intersection", "known_part"]

Mask = np.ndarray[Any, np.dtype[np.bool_]]

IN_FRONT = (Parsing.GLASSES, Parsing.HAIR, Parsing.HAT)  # what stays before the new face
BEHIND = (
    Parsing.BACKGROUND,
    Parsing.CLOTH,
    Parsing.NECK,
    Parsing.NECKLACE,
)  # what it hides, outside the photo's face
MIN_SHARE = 0.45  # of the rendered and of the parsed face that M must cover
MINOR = 0.1  # parts of M smaller than this share of its largest part are dropped
LENS = 5e-3  # the same for parts that a frame of glasses surrounds
NOSE_BRIDGE = 27  # of the 68 landmarks
FAR = 0.4  # sine of the yaw from which hair beyond the profile is behind the head
SMOOTH = 1.5 / 256  # standard deviation that rounds M's contour, of the image side
RING = 3 / 256  # width of the ring that is painted anew, of the image side


@dataclass(frozen=True)
class Inpaint:
    """Complete face inside M, and M itself.

    Args:
        weights: ``inpainting.safetensors``, as ``facepairs train-swap inpainting`` writes it.
        device: a torch device.
    """

    weights: Path
    device: str = "cpu"

    name: ClassVar[str] = "inpaint"
    version: ClassVar[int] = 4
    needs: ClassVar[tuple[Field, ...]] = (
        Field("landmarks", "float32", (68, 2), "pixel"),
        Field("rotation", "float32", (3, 3), "cube"),
        Field("parsing", "uint8", ("R", "R"), "celebamask"),
        Field("render_mask", "bool", ("R", "R"), "pixel"),
        Field("completed", "uint8", ("R", "R", 3), "rgb"),
    )
    gives: ClassVar[tuple[Field, ...]] = (
        Field("face_mask", "bool", ("R", "R"), "pixel"),
        Field("inpainted", "uint8", ("R", "R", 3), "rgb"),
    )

    def inpaint(self, batch: Batch) -> Gives:
        """One row at a time; rows whose two faces hardly overlap are rejected with the measured shares.

        Raises:
            AssetError: the weights are missing or not this network's.
        """
        net = _network(self.weights, self.device)
        masks = np.zeros(batch["render_mask"].shape, np.bool_)
        inpainted = np.zeros_like(batch["completed"])
        rejects: dict[int, Reject] = {}
        for i in range(len(batch)):
            mask = face_intersection(
                batch["render_mask"][i],
                batch["parsing"][i],
                batch["landmarks"][i],
                float(batch["rotation"][i, 0, 2]),
            )
            if isinstance(mask, Reject):
                rejects[i] = mask
                continue
            masks[i] = mask
            known = known_part(mask, batch["parsing"][i] == Parsing.GLASSES)
            inpainted[i] = inpaint(net, batch["completed"][i], known, mask)
        return Gives({"face_mask": masks, "inpainted": inpainted}, rejects)

    __call__ = inpaint


def face_intersection(
    render_mask: Mask,
    parsing: np.ndarray[Any, np.dtype[np.uint8]],
    landmarks: np.ndarray[Any, np.dtype[np.float32]],
    facing: float,
) -> Mask | Reject:
    """The intersection M of the rendered face and the parsed face, both (R, R), cleaned; landmarks (68, 2) in pixels.

    Neck, cloth and background count as face where they lie outside the hull of the photo's landmarks: they are behind
    the new face. So is hair beyond the profile of a head that is turned far; ``facing`` is the sine of its yaw. Inside
    the hull they are in front of the photo's own: :mod:`tasks.occlude` calls hands background.
    M is opened to lose hair-thin bridges, and keeps its large parts and what is seen through lenses.

    Returns:
        M, or a Reject: ``occluded`` when hair, hat or glasses hide most of what is missing, else ``masks_disagree``.
    """
    side = len(parsing)
    parsed: Mask = among(parsing, FACE)
    both = render_mask & (parsed | _behind(parsing, landmarks, facing))
    # The parser sees an eighth of its input: what it draws finer than that are the stairs of its grid.
    smooth = both & (
        cv2.GaussianBlur(both.astype(np.float32), (0, 0), SMOOTH * side, borderType=cv2.BORDER_REPLICATE)
        > 0.5
    )
    smooth |= both & (
        cv2.dilate((parsing == Parsing.GLASSES).astype(np.uint8), _disc(round(4 * SMOOTH * side))) > 0
    )
    opened = cv2.morphologyEx(smooth.astype(np.uint8), cv2.MORPH_OPEN, _disc(max(1, side // 170)))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    mask = np.zeros_like(render_mask)
    if count > 1:
        areas = stats[1:, cv2.CC_STAT_AREA]
        least = np.where(_behind_glass(np.asarray(parts, np.int32), parsing), LENS, MINOR) * areas.max()
        mask = np.isin(parts, 1 + np.flatnonzero(areas >= least))
    area, rendered, seen = int((mask & parsed).sum()), int(render_mask.sum()), int(parsed.sum())
    of_render, of_parsed = area / max(rendered, 1), area / max(seen, 1)
    if of_render >= MIN_SHARE and of_parsed >= MIN_SHARE:
        return mask
    detail = (
        f"the intersection covers {of_render:.2f} of the rendered and {of_parsed:.2f} of the parsed face, "
        f"needs {MIN_SHARE} of both"
    )
    missing = render_mask & ~mask
    hidden = int((missing & among(parsing, IN_FRONT)).sum())
    occluded = of_render < MIN_SHARE and hidden > 0.5 * int(missing.sum())
    return Reject(Reason.OCCLUDED if occluded else Reason.MASKS_DISAGREE, detail)


def _behind(
    parsing: np.ndarray[Any, np.dtype[np.uint8]],
    landmarks: np.ndarray[Any, np.dtype[np.float32]],
    facing: float,
) -> Mask:
    """Pixels beside and below the photo's face that show what is behind a head."""
    brows = landmarks[17:27, 1].min()
    below = (
        np.arange(len(parsing))[:, None] + 0.5 > brows
    )  # above, the hull says nothing: hands rest on foreheads
    behind = among(parsing, BEHIND)
    if abs(facing) > FAR:
        columns = np.arange(len(parsing))[None] + 0.5
        behind |= (parsing == Parsing.HAIR) & ((columns - landmarks[NOSE_BRIDGE, 0]) * facing > 0)
    outside: Mask = behind & ~hull(landmarks, len(parsing)) & below
    return outside


def known_part(mask: Mask, frames: Mask) -> Mask:
    """M without a ring along its edge: there the render is taken as it is.

    The image border is no edge, nor is a frame of glasses, behind which the render goes on.
    """
    whole = (mask | frames).astype(np.uint8)
    return mask & (cv2.erode(whole, _disc(max(1, round(RING * len(mask)))), borderValue=1) > 0)


def _behind_glass(
    parts: np.ndarray[Any, np.dtype[np.int32]], parsing: np.ndarray[Any, np.dtype[np.uint8]]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether most of what surrounds each part, numbered from 1, is a frame of glasses."""
    around = cv2.dilate(parts.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
    rim = (parts == 0) & (around > 0)
    count = int(parts.max()) + 1
    frame = np.bincount(around[rim & (parsing == Parsing.GLASSES)], minlength=count)
    share: Mask = frame[1:] > 0.5 * np.bincount(around[rim], minlength=count)[1:]
    return share


def _disc(radius: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


@cache
def _network(weights: Path, device: str) -> InpaintingNet:
    """Loaded once per process."""
    return open_weights(weights, "inpainting", load_inpainting, device)
