"""Landmarks: every face of a photo becomes a square crop with 68 points.

The crop holds the whole face, hairline to chin, at about 62 % of its side. Where the photo ends, the crop
may be continued by mirroring, but by no more than 15 % of its side; beyond that it is moved, then made
smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from assets.registry import asset_path
from models.networks.face_landmarker import FaceFinder, FaceFound, FaceLandmarker
from storage.reject import Reason, Reject
from tasks.contract import Batch, Field, Gives

FACE_SHARE = 0.62  # face over crop side: contract 50-90 %
MAX_FACE_SHARE = 0.90
MAX_MIRROR = 0.15  # of the side, at each edge
MIN_IOD_AT_256 = 32.0  # outer eye corners, photo pixels, when the crop is 256; scales with the crop
MAX_DRIFT = 0.25  # of the inter-ocular distance, between the two mesh passes
Pixels = np.ndarray[Any, np.dtype[np.uint8]]
LEFT_EYE, RIGHT_EYE = 36, 45  # outer corners at image left and image right


@dataclass(frozen=True)
class Crop:
    """One face in its own square picture."""

    photo: UInt8[np.ndarray, "R R 3"]
    landmarks: Float[np.ndarray, "68 2"]  # crop pixels
    score: float
    iod: float  # face size in the original photo as inter-ocular pixels (see face_size)
    upscale: float  # crop pixels per photo pixel; above 1 the crop is softer than its size says
    square: tuple[float, float, float]  # of the crop in the photo: left, top, side, photo pixels
    mirrored: float  # largest share of the side that was continued by mirroring


@dataclass(frozen=True)
class Landmarks:
    """Finds faces and landmarks. ``find`` takes a photo of any size; the stage verb takes square crops.

    Attributes:
        size: crop side in pixels.
        finder: landmark backend; None is MediaPipe with the model that ships.
    """

    size: int
    finder: FaceFinder | None = None

    name: ClassVar[str] = "landmarks"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = (Field("photo", "uint8", ("R", "R", 3), "rgb"),)
    gives: ClassVar[tuple[Field, ...]] = (Field("landmarks", "float32", (68, 2), "pixel"),)

    @cached_property
    def backend(self) -> FaceFinder:
        """The landmark backend in use."""
        return self.finder or FaceLandmarker(asset_path("face_landmarker"), smallest=self.smallest)

    @property
    def fingerprint(self) -> str:
        """What decides crops and points, for cache keys."""
        rules = (FACE_SHARE, MAX_FACE_SHARE, MAX_MIRROR, MIN_IOD_AT_256, MAX_DRIFT)
        return f"landmarks-{self.version}/{self.size}/{rules}/{self.backend.fingerprint}"

    @property
    def smallest(self) -> float:
        """Smallest inter-ocular distance, in photo pixels, that gives a useful crop of this size."""
        return MIN_IOD_AT_256 * self.size / 256

    def find(self, image: UInt8[np.ndarray, "H W 3"]) -> list[Crop | Reject]:
        """Every face of the photo from image left to right: a crop, or why that face cannot be used.

        A photo without faces gives one Reject (NO_FACE).
        """
        faces = self.backend.find(image)
        if not faces:
            return [Reject(Reason.NO_FACE, f"no face found in {image.shape[1]}x{image.shape[0]} px")]
        return [self._crop(image, face) for face in faces]

    def landmarks(self, batch: Batch) -> Gives:
        """68 points of the face nearest to the centre of each square crop; NO_FACE where there is none."""
        points = np.zeros((len(batch), 68, 2), np.float32)
        rejects: dict[int, Reject] = {}
        for i, photo in enumerate(batch["photo"]):
            faces = self.backend.find(photo)
            if not faces:
                rejects[i] = Reject(Reason.NO_FACE, "no face found in the crop")
                continue
            middle = photo.shape[0] / 2
            points[i] = min(faces, key=lambda f: float(np.abs(f.points.mean(0) - middle).sum())).points
        return Gives({"landmarks": points}, rejects)

    def __call__(self, batch: Batch) -> Gives:
        """The verb."""
        return self.landmarks(batch)

    def _crop(self, image: UInt8[np.ndarray, "H W 3"], face: FaceFound) -> Crop | Reject:
        iod = face_size(face.points)
        if iod < self.smallest:
            detail = (
                f"inter-ocular distance {iod:.0f} px, needs {self.smallest:.0f} px for {self.size} px crops"
            )
            return Reject(Reason.FACE_TOO_SMALL, detail)
        if not np.isfinite(face.points).all() or face.drift > MAX_DRIFT:
            detail = (
                f"points move by {face.drift:.2f} inter-ocular distances on a second look, limit {MAX_DRIFT}"
            )
            return Reject(Reason.LANDMARKS, detail)
        square = place_square(face_box(face.points), image.shape[1], image.shape[0])
        if isinstance(square, Reject):
            return square
        left, top, side = square
        photo = cut_square(image, left, top, side, self.size)
        scale = self.size / side
        points = ((face.points - [left, top]) * scale).astype(np.float32)
        h, w = image.shape[:2]
        mirrored = max(0.0, -left, -top, left + side - w, top + side - h) / side
        return Crop(photo, points, face.score, iod, scale, (float(left), float(top), float(side)), mirrored)


def face_size(points: Float[np.ndarray, "68 2"]) -> float:
    """Inter-ocular distance in pixels, or what it would be in a front view: the eyes come together in a
    profile, so the length from nose root to chin speaks as well (0.8 of it, about the mean ratio of front
    views).
    """
    eyes = float(np.linalg.norm(points[LEFT_EYE] - points[RIGHT_EYE]))
    return max(eyes, 0.8 * float(np.linalg.norm(points[27] - points[8])))


def face_box(points: Float[np.ndarray, "68 2"]) -> tuple[float, float, float, float]:
    """Box (left, top, right, bottom) of the face from hairline to chin.

    No landmark lies on the forehead; by the rule of thirds the hairline is above the brows by half of the
    distance from the brows to the chin, along the face's own up direction.
    """
    brows, chin = points[17:27].mean(0), points[8]
    up = (brows - chin) * 0.5
    cloud = np.concatenate([points, points[17:27] + up * 0.9])
    (left, top), (right, bottom) = cloud.min(0), cloud.max(0)
    return float(left), float(top), float(right), float(bottom)


def place_square(
    box: tuple[float, float, float, float], width: int, height: int
) -> tuple[int, int, int] | Reject:
    """Left, top and side of the crop, in whole photo pixels; OCCLUDED when the photo cuts the face off.

    First the wanted size around the middle of the box, then moved inward, then made smaller, until no edge
    runs over the photo by more than ``MAX_MIRROR`` of the side.
    """
    left, top, right, bottom = box
    extent = max(right - left, bottom - top)
    for share in (FACE_SHARE, 0.66, 0.70, 0.74, 0.78, 0.82, 0.86, MAX_FACE_SHARE):
        side = round(extent / share)
        placed = []
        for low, high, length in ((left, right, width), (top, bottom, height)):
            slack = int(MAX_MIRROR * side)
            start = round((low + high) / 2 - side / 2)
            # Within the allowed overrun, and with the whole face box inside the crop.
            least = max(-slack, int(np.ceil(high - side)))
            most = min(length + slack - side, int(np.floor(low)))
            if least > most:
                break
            placed.append(min(max(start, least), most))
        else:
            return placed[0], placed[1], side
    cut = max(-left, -top, right - width, bottom - height) / extent
    return Reject(Reason.OCCLUDED, f"the photo's edge cuts off {max(cut, 0.0):.0%} of the face box")


def cut_square(
    image: UInt8[np.ndarray, "H W 3"], left: int, top: int, side: int, size: int
) -> UInt8[np.ndarray, "R R 3"]:
    """Cut and resize: area mean when it shrinks, cubic when it grows; mirrored beyond the photo's edge."""
    h, w = image.shape[:2]
    pads = (max(0, -top), max(0, top + side - h), max(0, -left), max(0, left + side - w))
    inner: Pixels = image[max(0, top) : top + side, max(0, left) : left + side]
    if any(pads):
        inner = np.asarray(cv2.copyMakeBorder(inner, *pads, cv2.BORDER_REFLECT_101), np.uint8)
    method = cv2.INTER_AREA if side >= size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(inner, (size, size), interpolation=method), np.uint8)
