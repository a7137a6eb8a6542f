"""Parse: the class of every pixel of a face crop, cleaned with what the landmarks know.

The network was trained on single, centred faces and with a faulty flip (facts §5.3): its left and right are
not to be trusted, other people's faces get face classes too, and heavy make-up or shadow tears holes into
the skin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from models.networks.bisenet import INPUT_SIDE, FaceParser, to_official
from models.networks.classes import FACE, Parsing, among
from storage.reject import Reason, Reject
from tasks.cache import file_sha256
from tasks.contract import Batch, Field, Gives

MIN_SEEN = 0.55  # parsed face over landmark hull: below, hands, hair or a mask cover the face
DARK_GLASSES = 0.35  # brightness of the glasses over that of the skin, below which eyes cannot be seen
GLASSES_SHARE = 0.5  # of the eye area
UPRIGHT_BEYOND = 10.0  # degrees of roll
MIN_FEATURES = 2
FEATURES = {
    "eyes": (Parsing.L_EYE, Parsing.R_EYE, Parsing.L_BROW, Parsing.R_BROW, Parsing.GLASSES),
    "nose": (Parsing.NOSE,),
    "mouth": (Parsing.UPPER_LIP, Parsing.LOWER_LIP, Parsing.INNER_MOUTH),
}
PAIRS = ((Parsing.L_EYE, Parsing.R_EYE), (Parsing.L_BROW, Parsing.R_BROW), (Parsing.L_EAR, Parsing.R_EAR))
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Parse:
    """BiSeNet masks in official CelebAMask-HQ classes; ``L_`` is image left of the face's own axis.

    Attributes:
        weights: checkpoint file of the network (registry name "bisenet").
        device: torch device.
        bf16: None uses bfloat16 where the device is fast at it.
    """

    weights: Path
    device: str = "cpu"
    bf16: bool | None = None

    name: ClassVar[str] = "parse"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = (
        Field("photo", "uint8", ("R", "R", 3), "rgb"),
        Field("landmarks", "float32", (68, 2), "pixel"),
    )
    gives: ClassVar[tuple[Field, ...]] = (Field("parsing", "uint8", ("R", "R"), "celebamask"),)

    @cached_property
    def parser(self) -> FaceParser:
        """The network, whose weights load at the first photo."""
        return FaceParser(self.weights, self.device, self.bf16)

    @property
    def fingerprint(self) -> str:
        """What decides the masks, for cache keys: code version, weights and precision."""
        precision = "bf16" if self.parser.half else "fp32"
        rules = (MIN_SEEN, DARK_GLASSES, GLASSES_SHARE, UPRIGHT_BEYOND, MIN_FEATURES)
        return f"parse-{self.version}/{rules}/{precision}/{self.device}/{file_sha256(self.weights)}"

    def parse(self, batch: Batch) -> Gives:
        """Class maps; OCCLUDED where too little of the face or its eyes is seen, PARSING on
        contradictions."""
        photos, points = batch["photo"], batch["landmarks"]
        maps = np.zeros(photos.shape[:3], np.uint8)
        rejects: dict[int, Reject] = {}
        for i in range(len(batch)):
            cleaned = clean(self.classes(photos[i], points[i]), points[i])
            reject = judge(photos[i], cleaned, points[i])
            if reject is None:
                maps[i] = cleaned
            else:
                rejects[i] = reject
        return Gives({"parsing": maps}, rejects)

    def __call__(self, batch: Batch) -> Gives:
        """The verb."""
        return self.parse(batch)

    def classes(
        self, photo: UInt8[np.ndarray, "R R 3"], points: Float[np.ndarray, "68 2"]
    ) -> UInt8[np.ndarray, "R R"]:
        """Raw classes. A tilted head is parsed upright inside the crop's inscribed circle, which a turn maps
        onto itself: the network saw level eyes only, and gives tilted faces no eyes, brows or lips.
        """
        plain = self.parser.parse(photo[None])[0]
        across = points[42:48].mean(0) - points[36:42].mean(0)
        roll = float(np.degrees(np.arctan2(across[1], across[0])))
        if abs(roll) < UPRIGHT_BEYOND:
            return np.asarray(plain, np.uint8)
        size = len(photo)
        zoom = INPUT_SIDE / size
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), roll, 1.0)  # photo -> upright, pixel coordinates
        to_input = np.asarray(zoom * turn)
        # to_input maps between pixel centres at halves; OpenCV's are at whole numbers.
        to_input[:, 2] += to_input[:, :2].sum(1) / 2 - 0.5
        level = cv2.warpAffine(
            photo,
            to_input,
            (INPUT_SIDE, INPUT_SIDE),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        scores = self.parser.scores(np.asarray(level, np.uint8)[None])[0].cpu().numpy()
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        back = [cv2.warpAffine(channel, to_input, (size, size), flags=flags) for channel in scores]
        upright = to_official(np.argmax(np.stack(back), axis=0).astype(np.uint8))
        v, u = np.mgrid[:size, :size] + 0.5 - size / 2
        return np.where(np.hypot(u, v) < size / 2 - 1, upright, plain).astype(np.uint8)


def hull(points: Float[np.ndarray, "n 2"], size: int) -> Mask:
    """Filled convex hull of points in pixel coordinates, as a mask over pixel centres."""
    outline = cv2.convexHull(points.astype(np.float32) - 0.5).round().astype(np.int32)
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(canvas, outline, 1)
    return canvas.astype(np.bool_)


def clean(parsing: UInt8[np.ndarray, "R R"], points: Float[np.ndarray, "68 2"]) -> UInt8[np.ndarray, "R R"]:
    """One face's parsing: other faces become background, holes become skin, left and right follow the face's
    axis."""
    parsing = keep_own_face(parsing, points)
    parsing = fill_holes(parsing, points)
    return name_sides(parsing, points)


def keep_own_face(
    parsing: UInt8[np.ndarray, "R R"], points: Float[np.ndarray, "68 2"]
) -> UInt8[np.ndarray, "R R"]:
    """Face classes outside the connected parts that meet the landmark hull become background."""
    size = len(parsing)
    own = hull(points, size)
    face = among(parsing, FACE)
    _, parts = cv2.connectedComponents(face.astype(np.uint8), connectivity=8)
    inside = np.bincount(parts[own & face], minlength=int(parts.max()) + 1)
    areas = np.bincount(parts[face], minlength=len(inside))
    # A part is this face's when it is mostly inside the hull, or is big in it (the face itself, with its
    # forehead).
    good = (inside > 0.5 * areas) | (inside > 0.1 * own.sum())
    good[0] = False
    result = parsing.copy()
    result[face & ~good[parts]] = Parsing.BACKGROUND
    return result


def fill_holes(
    parsing: UInt8[np.ndarray, "R R"], points: Float[np.ndarray, "68 2"]
) -> UInt8[np.ndarray, "R R"]:
    """Background, cloth and neck pixels inside the landmark hull, away from its border, become skin.

    Hair, hats, glasses and ear rings stay: they may truly lie in front of the face.
    """
    size = len(parsing)
    own = hull(points, size)
    span = max(1, round(float(np.ptp(points[:, 0])) * 0.06))
    inner = cv2.erode(own.astype(np.uint8), np.ones((span, span), np.uint8)).astype(np.bool_)
    torn = among(parsing, (Parsing.BACKGROUND, Parsing.CLOTH, Parsing.NECK, Parsing.NECKLACE))
    face = among(parsing, FACE)
    # Only holes: torn regions that the face closes in, so that a hand before the chin stays what it is.
    _, parts = cv2.connectedComponents(torn.astype(np.uint8), connectivity=4)
    edge = np.zeros_like(face)
    edge[0] = edge[-1] = edge[:, 0] = edge[:, -1] = True
    open_parts = np.unique(parts[torn & (edge | ~own)])
    result = parsing.copy()
    result[torn & inner & ~np.isin(parts, open_parts)] = Parsing.SKIN
    return result


def name_sides(
    parsing: UInt8[np.ndarray, "R R"], points: Float[np.ndarray, "68 2"]
) -> UInt8[np.ndarray, "R R"]:
    """Left and right of eyes, brows and ears by the side of the face's axis (nose root to chin) a pixel lies
    on."""
    size = len(parsing)
    root, chin = points[27].astype(np.float64), points[8].astype(np.float64)
    down = chin - root
    v, u = np.mgrid[:size, :size] + 0.5
    # Positive on the right of the axis when one looks at the picture with the chin down.
    side = down[1] * (u - root[0]) - down[0] * (v - root[1])
    result = parsing.copy()
    for left, right in PAIRS:
        either = (parsing == left) | (parsing == right)
        result[either] = np.where(side[either] < 0, left, right)
    return result


def seen_share(parsing: UInt8[np.ndarray, "R R"], points: Float[np.ndarray, "68 2"]) -> float:
    """Parsed face (clear glasses count as seen) over the landmark hull that lies inside the crop."""
    own = hull(points, len(parsing))
    seen: Bool[np.ndarray, "R R"] = among(parsing, (*FACE, Parsing.GLASSES))
    return float((seen & own).sum() / max(int(own.sum()), 1))


def found_features(parsing: UInt8[np.ndarray, "R R"], points: Float[np.ndarray, "68 2"]) -> tuple[str, ...]:
    """Which of eyes (brows and glasses count), nose and mouth were parsed inside the landmark hull."""
    own = hull(points, len(parsing))
    least = max(4, 0.004 * float(own.sum()))
    return tuple(name for name, ids in FEATURES.items() if (among(parsing, ids) & own).sum() >= least)


def sunglasses(
    photo: UInt8[np.ndarray, "R R 3"],
    parsing: UInt8[np.ndarray, "R R"],
    points: Float[np.ndarray, "68 2"],
) -> bool:
    """Glasses cover the eyes and are dark against the skin of the same photo."""
    size = len(parsing)
    eyes = hull(points[36:42], size) | hull(points[42:48], size)
    covered = float((parsing[eyes] == Parsing.GLASSES).mean()) if eyes.any() else 0.0
    skin = among(parsing, (Parsing.SKIN, Parsing.NOSE))
    if covered < GLASSES_SHARE or not skin.any():
        return False
    grey = photo.astype(np.float32).mean(2)
    return float(np.median(grey[eyes])) < DARK_GLASSES * float(np.median(grey[skin]))


def judge(
    photo: UInt8[np.ndarray, "R R 3"],
    parsing: UInt8[np.ndarray, "R R"],
    points: Float[np.ndarray, "68 2"],
) -> Reject | None:
    """Why a parsed crop cannot be a source, or None."""
    face = among(parsing, FACE)
    if not face.any():
        return Reject(Reason.PARSING, "no pixel was parsed as face where the landmarks see one")
    found = found_features(parsing, points)
    if len(found) < MIN_FEATURES:
        named = " and ".join(found) or "no feature"
        detail = f"{named} parsed inside the landmark hull, needs {MIN_FEATURES} of eyes, nose and mouth"
        return Reject(Reason.PARSING, detail)
    share = seen_share(parsing, points)
    if share < MIN_SEEN:
        return Reject(
            Reason.OCCLUDED, f"{share:.0%} of the landmark hull is parsed as face, needs {MIN_SEEN:.0%}"
        )
    if sunglasses(photo, parsing, points):
        return Reject(Reason.OCCLUDED, "dark glasses cover the eyes")
    return None
