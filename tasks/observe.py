"""A fresh look at a finished picture: parsing, and a detector and landmarks that took no part in making it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.networks.bisenet import FaceParser
from models.networks.face_api import Weights, find_faces, find_points, load_observer, overlap
from tasks.cache import file_sha256

Array = np.ndarray[Any, np.dtype[Any]]

UPRIGHT_BEYOND = 10.0  # degrees of roll: the parser was trained on level eyes
SAME_FACE = 0.3  # shared area over united area of the box found and the face's own


@dataclass(frozen=True)
class Seen:
    """What a picture shows of one face."""

    classes: Array  # official CelebAMask-HQ classes, uint8 (R, R)
    score: float  # of the detector, 0 where it found no such face
    points: Array | None  # iBUG-68, pixels, (68, 2); None without a detection


@dataclass(frozen=True)
class Observer:
    """The independent observers.

    Attributes:
        parser: checkpoint of the face parser (registry name "bisenet").
        networks: detector and landmarks (registry name "observer").
        device: torch device of the parser.
        bf16: None uses bfloat16 where the device is fast at it.
    """

    parser: Path
    networks: Path
    device: str = "cpu"
    bf16: bool | None = None

    VERSION = 1

    @cached_property
    def fingerprint(self) -> str:
        """What decides the answers: code version, weights and precision."""
        precision = "bf16" if self._parser.half else "fp32"
        hashes = "/".join(file_sha256(path) for path in (self.parser, self.networks))
        return f"observe-{self.VERSION}/{precision}/{self.device}/{hashes}"

    def look(self, image: Array, landmarks: Array, roll: float) -> Seen:
        """Look at one face of a picture, uint8 RGB (R, R, 3).

        Args:
            image: the picture.
            landmarks: where the face should be, (68, 2) pixels: only tells it from other faces in the picture.
            roll: of the head, degrees: the parser gets the face upright.
        """
        box = _face_box(landmarks)
        found = [face for face in find_faces(self._weights, image) if overlap(face.box, box) >= SAME_FACE]
        best = max(found, key=lambda face: overlap(face.box, box), default=None)
        points = find_points(self._weights, image, best.box) if best else None
        return Seen(self.parse(image, roll), best.score if best else 0.0, points)

    def parse(self, image: Array, roll: float) -> Array:
        """Classes of every pixel, parsed upright when the head is tilted."""
        if abs(roll) < UPRIGHT_BEYOND:
            return np.asarray(self._parser.parse(image[None])[0], np.uint8)
        size = len(image)
        middle = ((size - 1) / 2, (size - 1) / 2)
        # A roll to the left in the image (anticlockwise, positive) is undone by a clockwise turn.
        turn = cv2.getRotationMatrix2D(middle, -roll, 1.0)
        level = cv2.warpAffine(
            image, turn, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )
        classes = np.asarray(self._parser.parse(np.asarray(level)[None])[0], np.uint8)
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        back = cv2.warpAffine(classes, turn, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(back, np.uint8)

    @cached_property
    def _parser(self) -> FaceParser:
        return FaceParser(self.parser, self.device, self.bf16)

    @cached_property
    def _weights(self) -> Weights:
        return load_observer(self.networks)


def _face_box(landmarks: Array) -> tuple[float, float, float, float]:
    left, top = landmarks.min(axis=0)
    right, bottom = landmarks.max(axis=0)
    return float(left), float(top - 0.15 * (bottom - top)), float(right), float(bottom)
