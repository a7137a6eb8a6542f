"""Each Nth frame of a video, one at a time, and names for its faces that stay the same from frame to frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from storage.errors import StoreError

SUFFIXES = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v"})
FAR = 0.8  # of a face's side that it may move between two looks and still be the same
GONE = 15  # looks after which a face that is not seen is forgotten


def frames(path: Path, every: int) -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"]]]:
    """Number and RGB picture of each ``every``-th frame; a video that breaks off ends there.

    Raises:
        StoreError: no frame can be read.
    """
    video = cv2.VideoCapture(str(path))
    try:
        number = 0
        while video.grab():
            if number % every == 0:
                whole, image = video.retrieve()
                if not whole:
                    break
                yield number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            number += 1
    finally:
        video.release()
    if number == 0:
        msg = f"{path} has no frame that can be read; convert it with `ffmpeg -i {path.name} out.mp4`."
        raise StoreError(msg)


@dataclass
class Tracks:
    """Numbers of faces over the frames of one video: a face is the nearest one of the looks before."""

    _last: dict[int, tuple[float, float, float, int]] = field(default_factory=dict)  # x, y, side, look
    _next: int = 0
    _look: int = 0

    def numbers(self, squares: list[tuple[float, float, float]]) -> list[int]:
        """Numbers for the crops (left, top, side) of one look, nearest pairs first."""
        self._look += 1
        self._last = {k: v for k, v in self._last.items() if self._look - v[3] <= GONE}
        middles = [(left + side / 2, top + side / 2, side) for left, top, side in squares]
        pairs = sorted(
            (float(np.hypot(x - kx, y - ky)) / max(side, kside), face, known)
            for face, (x, y, side) in enumerate(middles)
            for known, (kx, ky, kside, _) in self._last.items()
        )
        given: dict[int, int] = {}
        for distance, face, known in pairs:
            if distance < FAR and face not in given and known not in given.values():
                given[face] = known
        for face, (x, y, side) in enumerate(middles):
            if face not in given:
                given[face] = self._next
                self._next += 1
            self._last[given[face]] = (x, y, side, self._look)
        return [given[face] for face in range(len(middles))]
