"""68 face landmarks from MediaPipe's ``face_landmarker.task``, run by ai-edge-litert, one thread, no
MediaPipe.

The ``.task`` file is a zip of a short-range detector (128², 896 anchors) and a face mesh (256², 478 points).
Anchors, suppression and the rotated region of interest are done here in NumPy. The detector only sees faces
that fill a fair part of its 128 pixels, so it runs on the whole picture and on half-overlapping tiles of
ever smaller size; the mesh then runs twice, the second time on the region that the first pass found.

Points are returned in iBUG-68 order, where 0..16 is the jaw from image left to image right, in the photo's
continuous pixel coordinates (the centre of pixel (i, j) is (j + 0.5, i + 0.5)).
"""

from __future__ import annotations

import functools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from jaxtyping import Float, UInt8

# Mesh vertex of each iBUG-68 point (asset note: ``m68``): jaw, brows, nose, eyes, outer and inner lips.
MESH_OF_68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
DETECTOR_SIDE, MESH_SIDE = 128, 256
EYE_CORNERS = (33, 263)  # outer corners at image left and image right: they give the roll of the mesh region
# Detector and mesh place eyes, nose and mouth within 0.18 inter-ocular distances of each other on all 70
# faces looked at; where only one of them sees a face (folds of cloth) they differ by 0.32 or more, however
# sure the mesh is.
MAX_DISAGREEMENT = 0.25
MESH_OF_KEYS = ((33, 133), (362, 263), (1, 1), (13, 14))  # vertex pairs whose middle is a detector key point
ROI_SCALE = 1.5  # region side over the longer box side, as the mesh was trained


class LandmarkError(RuntimeError):
    """The landmark model cannot be loaded or run; the sentence says what to do."""


@dataclass(frozen=True)
class FaceFound:
    """One face: iBUG-68 points in photo pixels, the model's own trust in 0..1, and how stable the points
    were."""

    points: Float[np.ndarray, "68 2"]
    score: float
    drift: float  # mean move of the points between the two mesh passes, over the inter-ocular distance


class FaceFinder(Protocol):
    """What every landmark backend does: all faces of a picture, image left to image right."""

    def find(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceFound]:
        """Find the faces of an RGB picture."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identity of code and weights, for cache keys."""
        ...


@dataclass(frozen=True)
class FaceLandmarker:
    """The MediaPipe backend. ``smallest`` is the inter-ocular distance (pixels) below which faces are not
    sought."""

    task: Path
    smallest: float = 32.0
    detector_score: float = 0.5
    mesh_score: float = 0.5
    VERSION = 1

    @property
    def fingerprint(self) -> str:
        """Code version, thresholds and the CRC of the models in the task file."""
        crcs = ",".join(str(i.CRC) for i in zipfile.ZipFile(self.task).infolist())
        numbers = f"{self.smallest}/{self.detector_score}/{self.mesh_score}/{MAX_DISAGREEMENT}"
        return f"mediapipe-{self.VERSION}/{numbers}/{crcs}"

    def find(self, image: UInt8[np.ndarray, "H W 3"]) -> list[FaceFound]:
        """All faces of the picture, sorted from image left to image right."""
        detector, mesh = _models(self.task)
        levels = _pyramid(image)
        boxes = [
            _detect(detector, levels, tile, self.detector_score) for tile in _tiles(image, self.smallest)
        ]
        found = np.concatenate(boxes) if boxes else np.zeros((0, 17), np.float64)
        faces = []
        for row in found[_suppress(found[:, 1:5], found[:, 0])]:
            first, _ = mesh.run(levels, _region_of_box(row))
            points, score = mesh.run(levels, _region_of_mesh(first))
            eyes = points[list(EYE_CORNERS)]
            span = max(float(np.linalg.norm(eyes[0] - eyes[1])), 1e-6)
            if score < self.mesh_score or _disagreement(row, points) > MAX_DISAGREEMENT * span:
                continue
            ibug = list(MESH_OF_68)
            move = float(np.linalg.norm(points[ibug, :2] - first[ibug, :2], axis=1).mean()) / span
            faces.append(FaceFound(points[ibug, :2].astype(np.float32), score, move))
        corners = [np.concatenate([f.points.min(0), f.points.max(0)]) for f in faces]
        keep = _suppress(np.array(corners).reshape(-1, 4), np.array([f.score for f in faces]))
        return sorted(
            (faces[i] for i in keep), key=lambda f: (float(f.points[:, 0].mean()), float(f.points[0, 1]))
        )


@dataclass(frozen=True)
class _Model:
    """A TFLite interpreter that maps one square RGB picture in [low, 1] to its outputs, by tensor size."""

    interpreter: Any
    low: float

    def infer(self, picture: UInt8[np.ndarray, "S S 3"]) -> dict[int, np.ndarray]:
        """Outputs keyed by their number of elements."""
        scaled = picture.astype(np.float32) / 255 * (1 - self.low) + self.low
        self.interpreter.set_tensor(self.interpreter.get_input_details()[0]["index"], scaled[None])
        self.interpreter.invoke()
        outputs: dict[int, np.ndarray] = {}
        for detail in self.interpreter.get_output_details():
            # The mesh has two single-number outputs; the first (4-D) is the face score, the other the
            # tongue's.
            outputs.setdefault(int(np.prod(detail["shape"])), self.interpreter.get_tensor(detail["index"]))
        return outputs

    def run(
        self, levels: list[np.ndarray], region: tuple[float, float, float, float]
    ) -> tuple[np.ndarray, float]:
        """Mesh points (478, 3) in photo pixels (z in the same unit) and the face score, for one rotated
        region."""
        picture, to_photo = _cut(levels, region, MESH_SIDE)
        outputs = self.infer(picture)
        local = outputs[1434].reshape(478, 3).astype(np.float64)
        flat = local[:, :2] @ to_photo[:, :2].T + to_photo[:, 2]
        depth = local[:, 2:] * region[2] / MESH_SIDE
        return np.concatenate([flat, depth], axis=1), float(_sigmoid(outputs[1].reshape(())))


@functools.cache
def _models(task: Path) -> tuple[_Model, _Model]:
    """Detector and mesh interpreters, loaded once per process."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        msg = "no landmarks can be found because ai-edge-litert is absent: type 'pip install ai-edge-litert'."
        raise LandmarkError(msg) from error
    models = []
    try:
        with zipfile.ZipFile(task) as archive:
            for name, low in (("face_detector.tflite", -1.0), ("face_landmarks_detector.tflite", 0.0)):
                interpreter = Interpreter(model_content=archive.read(name), num_threads=1)
                interpreter.allocate_tensors()
                models.append(_Model(interpreter, low))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        msg = (
            f"'{task.name}' is not a MediaPipe face landmarker task ({error}); run 'facepairs assets verify'."
        )
        raise LandmarkError(msg) from error
    return models[0], models[1]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(np.asarray(x, np.float64), -100, 100)))


@functools.cache
def _anchors() -> Float[np.ndarray, "896 2"]:
    """Anchor centres in 0..1: two per cell of a 16x16 grid, then six per cell of an 8x8 grid."""
    centres = []
    for cells, per_cell in ((16, 2), (8, 6)):
        y, x = np.mgrid[:cells, :cells]
        grid = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) / cells
        centres.append(np.repeat(grid, per_cell, axis=0))
    return np.concatenate(centres)


def _pyramid(image: np.ndarray) -> list[np.ndarray]:
    """The picture and its halvings by area mean, so that small regions are cut without aliasing."""
    levels = [image]
    while min(levels[-1].shape[:2]) >= 2 * DETECTOR_SIDE:
        h, w = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA))
    return levels


def _cut(
    levels: list[np.ndarray], region: tuple[float, float, float, float], side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a rotated square (centre u, v, side, roll in radians) of the photo; also its 2x3 map back to photo
    pixels."""
    u, v, span, roll = region
    c, s = np.cos(roll) * span / side, np.sin(roll) * span / side
    to_photo = np.array([[c, -s, u - (c - s) * side / 2], [s, c, v - (s + c) * side / 2]])
    level = int(np.clip(np.floor(np.log2(max(span / side, 1e-6))), 0, len(levels) - 1))
    picture = levels[level]
    ratio = np.array(picture.shape[1::-1]) / np.array(levels[0].shape[1::-1])
    to_level = to_photo * ratio[:, None]
    # OpenCV puts pixel centres at whole numbers; ours are at halves.
    to_level[:, 2] += to_level[:, :2] @ np.array([0.5, 0.5]) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        picture, to_level, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE
    ), to_photo


def _tiles(image: np.ndarray, smallest: float) -> list[tuple[float, float, float]]:
    """Tiles (centre u, v, side) on which the detector runs: the padded whole, then halved sides with half
    overlap.

    A face is about 2.6 inter-ocular distances wide and is found reliably when it takes an eighth or more of
    a tile.
    """
    h, w = image.shape[:2]
    tiles = [(w / 2, h / 2, float(max(h, w)))]
    side = float(max(h, w))
    if h != w:
        side = float(min(h, w))
        tiles += _cover(w, h, side)
    while side / 2 >= 8 * smallest:
        side /= 2
        tiles += _cover(w, h, side)
    return tiles


def _cover(w: int, h: int, side: float) -> list[tuple[float, float, float]]:
    """Half-overlapping squares of the given side that cover the picture."""
    across = [np.linspace(side / 2, n - side / 2, int(np.ceil((n - side) / (side / 2))) + 1) for n in (w, h)]
    return [(float(u), float(v), side) for v in across[1] for u in across[0]]


def _detect(
    detector: _Model, levels: list[np.ndarray], tile: tuple[float, float, float], threshold: float
) -> Float[np.ndarray, "n 17"]:
    """Detections in one tile: score, box (u0, v0, u1, v1) and six key points (u, v), in photo pixels."""
    u, v, side = tile
    picture, _ = _cut(levels, (u, v, side, 0.0), DETECTOR_SIDE)
    h, w = levels[0].shape[:2]
    if side > min(h, w):  # the padded whole: black bands, as the detector was trained
        scale = DETECTOR_SIDE / side
        left, top = round((side - w) / 2 * scale), round((side - h) / 2 * scale)
        picture[:top] = picture[DETECTOR_SIDE - top :] = 0
        picture[:, :left] = picture[:, DETECTOR_SIDE - left :] = 0
    outputs = detector.infer(picture)
    scores = _sigmoid(outputs[896].reshape(896))
    keep = np.flatnonzero(scores >= threshold)
    raw = outputs[896 * 16].reshape(896, 16)[keep].astype(np.float64) / DETECTOR_SIDE
    anchors = _anchors()[keep]
    centre = raw[:, :2] + anchors
    corners = np.concatenate([centre - raw[:, 2:4] / 2, centre + raw[:, 2:4] / 2], axis=1)
    keys = raw[:, 4:] + np.tile(anchors, 6)
    origin = np.array([u - side / 2, v - side / 2])
    placed = np.concatenate([corners, keys], axis=1) * side + np.tile(origin, 8)
    return np.concatenate([scores[keep, None], placed], axis=1)


def _suppress(boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"]) -> list[int]:
    """Greedy non-maximum suppression over all tiles, best first; ties go to the larger box.

    A face cut by a tile's border gives a small box inside the whole face's box, so the overlap is measured
    against the smaller box too.
    """
    if len(boxes) == 0:
        return []
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    order = np.lexsort((-area, -np.round(scores, 3)))
    kept: list[int] = []
    for i in order:
        if kept:
            k = np.array(kept)
            low = np.maximum(boxes[i, :2], boxes[k, :2])
            high = np.minimum(boxes[i, 2:], boxes[k, 2:])
            shared = np.prod(np.maximum(high - low, 0), axis=1)
            union = area[i] + area[k] - shared
            smaller = np.maximum(np.minimum(area[i], area[k]), 1e-9)
            if (shared / np.maximum(union, 1e-9) > 0.3).any() or (shared / smaller > 0.65).any():
                continue
        kept.append(int(i))
    return kept


def _disagreement(row: Float[np.ndarray, " 17"], points: Float[np.ndarray, "478 3"]) -> float:
    """Mean distance, in photo pixels, of the detector's eyes, nose and mouth from the mesh's."""
    meshed = points[np.array(MESH_OF_KEYS), :2].mean(1)
    return float(np.linalg.norm(row[5:].reshape(6, 2)[:4] - meshed, axis=1).mean())


def _region_of_box(row: Float[np.ndarray, " 17"]) -> tuple[float, float, float, float]:
    """Region of a detection, turned so that the line through the two eye key points is level."""
    box, keys = row[1:5], row[5:].reshape(6, 2)
    across = keys[1] - keys[0]
    side = ROI_SCALE * float(max(box[2] - box[0], box[3] - box[1]))
    roll = float(np.arctan2(across[1], across[0]))
    return float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2, side, roll


def _region_of_mesh(points: Float[np.ndarray, "478 3"]) -> tuple[float, float, float, float]:
    """Region of a found mesh: its box in the face's own (unrolled) axes, 1.5 times the longer side."""
    across = points[EYE_CORNERS[1], :2] - points[EYE_CORNERS[0], :2]
    roll = float(np.arctan2(across[1], across[0]))
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    local = points[:, :2] @ turn
    low, high = local.min(0), local.max(0)
    centre = turn @ ((low + high) / 2)
    return float(centre[0]), float(centre[1]), ROI_SCALE * float((high - low).max()), roll
