"""FAN, the paper's landmark network, as a second backend: used where ``face-alignment`` and its weights are
present.

The package's own face detectors would fetch weights of their own, so the faces come from another
:class:`FaceFinder` (MediaPipe's), and FAN places the 68 points. Nothing is ever downloaded from here.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from models.networks.face_landmarker import FaceFinder, FaceFound, LandmarkError

NETWORK = "2DFAN-4"
ELSE = "or use the 'mediapipe' backend, which needs nothing more"


@dataclass(frozen=True)
class FanLandmarker:
    """FAN points on the faces that ``faces`` finds.

    ``drift`` of what it finds is the mean distance between the two networks' inner 51 points, over the
    inter-ocular distance: two independent looks at one face.
    """

    faces: FaceFinder
    device: str = "cpu"
    VERSION = 1

    @property
    def fingerprint(self) -> str:
        """Code version, weight file (its name carries its hash) and the finder below."""
        return f"fan-{self.VERSION}/{fan_weights().name}/{self.device}/{self.faces.fingerprint}"

    def find(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceFound]:
        """All faces of the picture, in the order of the finder below (image left to image right)."""
        found = self.faces.find(image)
        if not found:
            return []
        boxes = [_box(face.points) for face in found]
        points, scores, _ = _network(self.device).get_landmarks_from_image(
            image, detected_faces=boxes, return_landmark_score=True
        )
        return [
            _join(face, np.asarray(own, np.float32) + 0.5, np.asarray(trust))
            for face, own, trust in zip(found, points, scores, strict=True)
        ]


def fan_weights() -> Path:
    """The weight file of the installed ``face-alignment``, where that package looks for it.

    Raises:
        LandmarkError: package or file are absent.
    """
    try:
        api = importlib.import_module("face_alignment.api")
    except ImportError as error:
        msg = f"the 'fan' backend needs face-alignment: type 'pip install --no-deps face-alignment', {ELSE}."
        raise LandmarkError(msg) from error
    name = PurePosixPath(str(api.models_urls[NETWORK])).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        msg = (
            f"the weights '{name}' of FAN are not in torch's hub folder: put them into {path.parent}, {ELSE}."
        )
        raise LandmarkError(msg)
    return path


@functools.cache
def _network(device: str) -> Any:
    """FAN without a detector, loaded once per process."""
    fan_weights()
    package = importlib.import_module("face_alignment")
    kind = package.LandmarksType.TWO_D
    # "folder" is the one detector of the package without weights; we always pass the boxes.
    return package.FaceAlignment(kind, device=device, face_detector="folder", flip_input=False, compile=False)


def _box(points: Float[np.ndarray, "68 2"]) -> list[float]:
    """The box (left, top, right, bottom) that S3FD, the detector FAN was trained behind, would give:
    forehead to chin."""
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return [float(left), float(top - 0.25 * (bottom - top)), float(right), float(bottom)]


def _join(face: FaceFound, points: Float[np.ndarray, "68 2"], trust: np.ndarray) -> FaceFound:
    span = max(float(np.linalg.norm(face.points[36] - face.points[45])), 1e-6)
    apart = float(np.linalg.norm(points[17:] - face.points[17:], axis=1).mean()) / span
    return replace(face, points=points, score=float(np.clip(trust.mean(), 0.0, 1.0)), drift=apart)
