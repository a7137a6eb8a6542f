"""FAN, the paper's landmark network, 2D and 3D, and the face detectors that come with it: used where ``face-alignment``
and its weights are present.

Networks and file names are the package's; pictures are cut and heat maps read here, in whole batches and without the
package's rounding to whole pixels. Weights are looked for in the folder that ``FACEPAIRS_FAN`` names, then where the
package itself would put them; nothing is ever downloaded from here, and no pickle is trusted.

The 3D network places the points of the hidden side where they are behind the face, the 2D one on its visible outline.
Of both only image positions are used, so that the package's depth network is not needed.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from models.networks.face_landmarker import FaceFinder, FaceFound, LandmarkError

NETWORKS = {"2d": "2DFAN-4", "3d": "3DFAN-4"}
# Per detector: module of the package, and the keys of its files, the weights first.
DETECTORS = {
    "sfd": ("face_alignment.detection.sfd.sfd_detector", ("s3fd",)),
    "blazeface": (
        "face_alignment.detection.blazeface.blazeface_detector",
        ("blazeface_back_weights", "blazeface_back_anchors"),
    ),
}
WEIGHTS_ENV = "FACEPAIRS_FAN"
# Of what the package imports, what is not here already; with its other dependencies it brings a second OpenCV.
INSTALL = "pip install --no-deps face-alignment scikit-image lazy-loader imageio tifffile tqdm"
ELSE = "or use the 'mediapipe' backend, which needs nothing more"
SIDE, CELLS = 256, 64  # of the network's input and of its heat maps
REGION = 200 / 195  # side of the region over the mean side of the box, as the networks were trained
RAISED = 0.12  # of the box's height, by which the region's centre lies above the box's
BATCH = 16  # faces that the network sees at once
LONGEST = 1024  # pixels of the picture that a detector sees

Boxes = Float[np.ndarray, "n 4"]


class BoxFinder(Protocol):
    """A detector that gives boxes only."""

    def boxes(self, image: UInt8[np.ndarray, "H W 3"]) -> Boxes:
        """Left, top, right, bottom of every face, photo pixels."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identity of code and weights, for cache keys."""
        ...


@dataclass(frozen=True)
class Detector:
    """S3FD or BlazeFace (the model for distant faces) of the package."""

    kind: str = "sfd"  # of DETECTORS
    device: str = "cpu"
    VERSION = 1

    @property
    def fingerprint(self) -> str:
        """Code version and weight files."""
        names = ",".join(path.name for path in detector_files(self.kind))
        return f"{self.kind}-{self.VERSION}/{LONGEST}/{names}/{self.device}"

    def boxes(self, image: UInt8[np.ndarray, "H W 3"]) -> Boxes:
        """Left, top, right, bottom of every face, photo pixels. BlazeFace sees the middle square only."""
        shrink = min(1.0, LONGEST / max(image.shape[:2]))
        small = (
            image
            if shrink == 1
            else cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        )
        found = [
            np.asarray(box, np.float64) for box in _detector(self.kind, self.device).detect_from_image(small)
        ]
        whole = [box[:4] / shrink for box in found if box.size >= 4]
        return np.stack(whole) if whole else np.zeros((0, 4))


@dataclass(frozen=True)
class FanLandmarker:
    """FAN points on the faces that ``faces`` finds.

    ``drift`` of what it finds, over the inter-ocular distance, is the mean distance of the inner 51 points from those
    of the finder below, which is a second network's look; where that gives boxes only, from FAN's own on the box that
    its first points make.
    """

    faces: FaceFinder | BoxFinder
    device: str = "cpu"
    kind: Literal["2d", "3d"] = "2d"
    VERSION = 2

    @property
    def fingerprint(self) -> str:
        """Code version, weight file (its name carries its hash) and the finder below."""
        return f"fan-{self.VERSION}/{fan_weights(self.kind).name}/{self.device}/{self.faces.fingerprint}"

    def find(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceFound]:
        """All faces of the picture, image left to image right; all of them in one batch."""
        if isinstance(self.faces, Detector) or not hasattr(self.faces, "find"):
            first, _ = self.points(image, self.faces.boxes(image))
            known = [FaceFound(own.astype(np.float32), 1.0, 0.0) for own in first]
        else:
            known = self.faces.find(image)
        points, scores = self.points(image, np.array([_box(face.points) for face in known]).reshape(-1, 4))
        found = [_join(face, own, score) for face, own, score in zip(known, points, scores, strict=True)]
        return sorted(found, key=lambda f: (float(f.points[:, 0].mean()), float(f.points[0, 1])))

    def points(
        self, image: UInt8[np.ndarray, "H W 3"], boxes: Boxes
    ) -> tuple[Float[np.ndarray, "n 68 2"], Float[np.ndarray, " n"]]:
        """iBUG-68 points in photo pixels and the mean peak of their heat maps, for faces in boxes."""
        net = _network(self.kind, self.device)
        regions = [region(box) for box in boxes]
        maps = []
        for start in range(0, len(regions), BATCH):
            cuts = np.stack([cut(image, *own) for own in regions[start : start + BATCH]])
            x = torch.from_numpy(cuts).permute(0, 3, 1, 2).to(self.device).float() / 255
            with torch.inference_mode():
                out = net(x)
            maps.append((out[-1] if isinstance(out, (list, tuple)) else out).float().cpu().numpy())
        if not maps:
            return np.zeros((0, 68, 2)), np.zeros(0)
        at, peaks = read_maps(np.concatenate(maps))
        corner = np.array([(u - side / 2, v - side / 2) for u, v, side in regions])
        sides = np.array([side for _, _, side in regions])
        return corner[:, None] + at * (sides / CELLS)[:, None, None], peaks.mean(1)


def region(box: Float[np.ndarray, " 4"]) -> tuple[float, float, float]:
    """Centre u, v and side of the square that the network sees, photo pixels."""
    left, top, right, bottom = (float(value) for value in box)
    side = REGION * max(right - left + bottom - top, 1.0)
    return (left + right) / 2, (top + bottom) / 2 - RAISED * (bottom - top), side


def cut(image: UInt8[np.ndarray, "H W 3"], u: float, v: float, side: float) -> UInt8[np.ndarray, "S S 3"]:
    """The region at the network's size, black beyond the photo."""
    scale = side / SIDE
    if scale > 1:  # warpAffine does not average: smooth before shrinking
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.5 * (scale**2 - 1) ** 0.5 + 1e-3))
    # OpenCV's pixel centres are whole numbers, ours are halves.
    turn = np.array([[scale, 0, u - side / 2 + scale / 2 - 0.5], [0, scale, v - side / 2 + scale / 2 - 0.5]])
    return np.asarray(
        cv2.warpAffine(image, turn, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    )


def read_maps(
    maps: Float[np.ndarray, "n 68 h h"],
) -> tuple[Float[np.ndarray, "n 68 2"], Float[np.ndarray, "n 68"]]:
    """Peak of every heat map (u, v in cells, a cell's centre at a half) and its height.

    A quarter of a cell towards the higher neighbour, as the networks were evaluated by their authors.
    """
    n, points, height, width = maps.shape
    flat = maps.reshape(n, points, -1)
    best = flat.argmax(-1)
    v, u = np.divmod(best, width)
    i, k = np.mgrid[:n, :points]
    inside = (u > 0) & (u < width - 1) & (v > 0) & (v < height - 1)
    left, right, above, below = (
        maps[i, k, np.clip(v + dv, 0, height - 1), np.clip(u + du, 0, width - 1)]
        for du, dv in ((-1, 0), (1, 0), (0, -1), (0, 1))
    )
    shift = np.stack([np.sign(right - left), np.sign(below - above)], axis=-1) * 0.25 * inside[..., None]
    return np.stack([u, v], axis=-1) + 0.5 + shift, np.take_along_axis(flat, best[..., None], -1)[..., 0]


def fan_weights(kind: str = "2d") -> Path:
    """The weight file of FAN.

    Raises:
        LandmarkError: package or file are absent.
    """
    return _file(_package("face_alignment.api").models_urls[NETWORKS[kind]])


def detector_files(kind: str) -> Sequence[Path]:
    """The files of a detector, weights first.

    Raises:
        LandmarkError: package or a file are absent.
    """
    module, keys = DETECTORS[kind]
    urls = _package(module).models_urls
    return [_file(urls[key]) for key in keys]


def _package(name: str) -> Any:
    """A module of ``face-alignment``."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        needs = f"the 'fan' backend needs face-alignment, and there is no module '{error.name}'"
        msg = f"{needs}: type '{INSTALL}', {ELSE}."
        raise LandmarkError(msg) from error


def _file(url: str) -> Path:
    """Where the file of an address is."""
    name = PurePosixPath(url.partition("?")[0]).name
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    own = os.environ.get(WEIGHTS_ENV)
    for folder in ([Path(own).expanduser()] if own else []) + [hub]:
        if (folder / name).is_file():
            return folder / name
    msg = (
        f"the weights '{name}' are neither in the folder that {WEIGHTS_ENV} names nor in {hub}: get them from {url} "
        f"and put them into one of the two, {ELSE}."
    )
    raise LandmarkError(msg)


@functools.cache
def _network(kind: str, device: str) -> Any:
    """FAN with its weights, loaded once per process.

    Raises:
        LandmarkError: package or weights are absent, or the file holds something else.
    """
    path = fan_weights(kind)
    net = _package("face_alignment.models").FAN(4)
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises anything on damaged files
        what = f"the weights of {NETWORKS[kind]} ({type(error).__name__})"
        msg = f"'{path}' does not hold {what}; get the file again, {ELSE}."
        raise LandmarkError(msg) from error
    return net.to(device).eval()


@functools.cache
def _detector(kind: str, device: str) -> Any:
    """A detector with its weights, loaded once per process.

    Raises:
        LandmarkError: package or weights are absent, or the files hold something else.
    """
    weights, *anchors = detector_files(kind)
    module = _package(DETECTORS[kind][0])
    try:
        if kind == "sfd":
            return module.SFDDetector(device, path_to_detector=str(weights))
        return module.BlazeFaceDetector(
            device, back_model=True, path_to_detector=str(weights), path_to_anchor=str(anchors[0])
        )
    except Exception as error:  # torch raises anything on damaged files
        msg = f"'{weights}' does not hold the weights of {kind} ({type(error).__name__}); get the file again, {ELSE}."
        raise LandmarkError(msg) from error


def _box(points: Float[np.ndarray, "68 2"]) -> list[float]:
    """The box (left, top, right, bottom) that S3FD, the detector FAN was trained behind, would give:
    forehead to chin."""
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return [float(left), float(top - 0.25 * (bottom - top)), float(right), float(bottom)]


def _join(face: FaceFound, points: Float[np.ndarray, "68 2"], score: float) -> FaceFound:
    span = max(float(np.linalg.norm(points[36] - points[45])), 1e-6)
    apart = float(np.linalg.norm(points[17:] - face.points[17:], axis=1).mean()) / span
    return replace(face, points=points.astype(np.float32), score=float(np.clip(score, 0.0, 1.0)), drift=apart)
