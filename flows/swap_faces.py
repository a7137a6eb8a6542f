"""Annotated faces that the swap networks are trained on and measured with: crops, open eyes and mouths, irises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from models.networks.bisenet import FaceParser
from models.networks.classes import Parsing
from models.networks.completion import IRIS_MM, skin_level
from models.networks.crops import EYES_MM, crop_frame, face_axes
from models.networks.face_landmarker import FaceFinder

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
MIRROR_68 = np.array(
    [
        *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1),
        45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
        54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
    ]
)  # fmt: skip
DARK = np.array([0.45, 0.25, 0.25])  # of the skin's sRGB levels: a mouth that shows nothing
MAX_DRIFT = 0.15  # a face whose landmarks move more between two passes (over the eye distance) is none
MIN_EYE, MIN_MOUTH = (
    0.012,
    0.012,
)  # smallest hole, in squared (eye-centre distance)s: less is a shut eye or mouth


@dataclass(frozen=True)
class Face:
    """One annotated face in a square crop of side R."""

    id: str
    photo: UInt8[np.ndarray, "R R 3"]  # rgb
    landmarks: Float[np.ndarray, "68 2"]  # pixel
    parsing: UInt8[np.ndarray, "R R"]  # celebamask
    # rgb: what the mouth of the head fitted to the face shows, continued over the whole picture
    interior: UInt8[np.ndarray, "R R 3"] | None = None

    def mirrored(self) -> Face:
        """The face seen in a mirror; landmarks keep their iBUG meaning, parsing keeps its image sides."""
        side = self.photo.shape[0]
        points = self.landmarks[MIRROR_68].copy()
        points[:, 0] = side - points[:, 0]
        parsing = self.parsing[:, ::-1]
        swapped = parsing.copy()
        for a, b in (
            (Parsing.L_EYE, Parsing.R_EYE),
            (Parsing.L_BROW, Parsing.R_BROW),
            (Parsing.L_EAR, Parsing.R_EAR),
        ):
            swapped[parsing == a], swapped[parsing == b] = b, a
        return replace(
            self,
            photo=np.ascontiguousarray(self.photo[:, ::-1]),
            landmarks=points,
            parsing=swapped,
            interior=None if self.interior is None else np.ascontiguousarray(self.interior[:, ::-1]),
        )

    def resized(self, side: int) -> Face:
        """The same face in a crop of another side."""
        old = self.photo.shape[0]
        flags = cv2.INTER_AREA if side < old else cv2.INTER_CUBIC
        return replace(
            self,
            photo=cv2.resize(self.photo, (side, side), interpolation=flags),
            landmarks=self.landmarks * (side / old),
            parsing=cv2.resize(self.parsing, (side, side), interpolation=cv2.INTER_NEAREST_EXACT),
            interior=None
            if self.interior is None
            else cv2.resize(self.interior, (side, side), interpolation=flags),
        )

    @cached_property
    def inside(self) -> UInt8[np.ndarray, "R R 3"]:
        """The interior, or a plain dark mouth where none was drawn."""
        if self.interior is not None:
            return self.interior
        face = np.isin(self.parsing, (Parsing.SKIN, Parsing.NOSE))
        skin = np.median(self.photo[face], axis=0) if face.any() else np.full(3, 128.0)
        return np.broadcast_to((skin * DARK).astype(np.uint8), self.photo.shape)

    @cached_property
    def axes(self) -> tuple[float, np.ndarray, np.ndarray]:
        """Pixels per mm, axis to image right and the centres of the three parts."""
        return face_axes(self.landmarks.astype(np.float64))

    @cached_property
    def holes(self) -> dict[str, Bool[np.ndarray, "R R"]]:
        """Lid apertures and inner mouth that are open and not hidden: parsing and landmarks must agree on an eye."""
        side, scale = self.photo.shape[0], self.axes[0]
        unit = (EYES_MM * scale) ** 2
        found: dict[str, np.ndarray] = {}
        eyes = np.isin(self.parsing, (Parsing.L_EYE, Parsing.R_EYE))
        for part, points in (("eye_right", slice(36, 42)), ("eye_left", slice(42, 48))):
            polygon = np.zeros((side, side), np.uint8)
            cv2.fillPoly(polygon, [np.round(self.landmarks[points] - 0.5).astype(np.int32)], 1)
            near = cv2.dilate(polygon, disc(round(3 * scale) + 1)) > 0
            parsed = eyes & near
            if parsed.sum() < max(MIN_EYE * unit, 0.5 * polygon.sum()):
                continue
            found[part] = parsed | (polygon > 0)
        mouth = self.parsing == Parsing.INNER_MOUTH
        if mouth.sum() > MIN_MOUTH * unit:
            found["mouth"] = mouth
        return found

    @cached_property
    def irises(self) -> dict[str, tuple[np.ndarray, float, tuple[float, float, float]]]:
        """Centre (pixel), radius (pixels) and colour ratio of the iris of each open eye."""
        return {part: _find_iris(self, part) for part in self.holes if part != "mouth"}


def disc(radius: int) -> UInt8[np.ndarray, "k k"]:
    """Round structuring element of a radius in pixels."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def read_faces(photos: Path, finder: FaceFinder, parser: FaceParser, side: int = 320) -> list[Face]:
    """All faces of all pictures of a folder, cropped so that the face takes about 70 % of ``side`` pixels.

    The landmark score decides what is a face; small faces are kept out by the finder.
    """
    faces = []
    for path in sorted(p for p in photos.rglob("*") if p.suffix.lower() in PICTURES):
        written = np.frombuffer(path.read_bytes(), np.uint8)
        data = cv2.imdecode(written, cv2.IMREAD_COLOR) if len(written) else None
        if data is None:
            continue
        image = np.ascontiguousarray(data[..., ::-1])
        for number, face in enumerate(finder.find(image)):
            if face.drift > MAX_DRIFT:
                continue
            low, high = face.points.min(0), face.points.max(0)
            # The landmarks end at the brows; the forehead above them belongs to the face.
            low[1] -= 0.3 * (high[1] - low[1])
            span = float((high - low).max()) / 0.7
            corner = (low + high) / 2 - span / 2
            zoom = span / side
            matrix = np.array([[zoom, 0, corner[0] + zoom / 2 - 0.5], [0, zoom, corner[1] + zoom / 2 - 0.5]])
            soft = cv2.GaussianBlur(image, (0, 0), 0.4 * zoom) if zoom > 1.25 else image
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            crop = cv2.warpAffine(soft, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            points = ((face.points - corner) / zoom).astype(np.float32)
            faces.append(Face(f"{path.stem}#{number}", crop, points, parser.parse(crop[None])[0]))
    return faces


def split_faces(faces: Iterable[Face], held_out: Sequence[str]) -> tuple[list[Face], list[Face]]:
    """Training faces and held-out faces: those of photographs whose file name starts with one of the prefixes."""
    training, held = [], []
    for face in faces:
        (held if face.id.startswith(tuple(held_out)) else training).append(face)
    return training, held


def _find_iris(face: Face, part: str) -> tuple[np.ndarray, float, tuple[float, float, float]]:
    """Search the disc of iris size that is darkest against the rest of the aperture."""
    scale, axis, _ = face.axes
    hole = face.holes[part]
    centre = np.argwhere(hole).mean(0)[::-1] + 0.5
    frame = crop_frame(part, centre, scale, axis)
    crop = frame.cut(face.photo.astype(np.float32) / 255)
    inside = frame.cut(hole.astype(np.float32)) > 0.5
    if not inside.any():
        inside[frame.spec.height // 2, frame.spec.width // 2] = True
    # Red sees the iris darkest against the sclera in every eye colour, and hardly sees vessels.
    red = crop[..., 0]
    rows, columns = np.nonzero(inside)
    grid_v, grid_u = np.mgrid[: inside.shape[0], : inside.shape[1]] + 0.5
    best, answer = -np.inf, (columns.mean() + 0.5, rows.mean() + 0.5, IRIS_MM * frame.spec.px_per_mm)
    for radius in IRIS_MM * frame.spec.px_per_mm * np.array([0.85, 0.95, 1.05]):
        for v in np.arange(rows.min(), rows.max() + 1.5, 1.0):
            for u in np.arange(columns.min() + 0.5 * radius, columns.max() + 1 - 0.5 * radius, 1.0):
                within_radius = np.hypot(grid_u - u, grid_v - v) < radius
                within, outside = within_radius & inside, inside & ~within_radius
                if within.sum() < 12:
                    continue
                rest = red[outside].mean() if outside.sum() >= 12 else red[inside].max()
                contrast = (rest - red[within].mean()) * np.sqrt(min(within.sum(), 2 * outside.sum() + 20))
                if contrast > best:
                    best, answer = contrast, (u, v, radius)
    u, v, radius = answer
    distance = np.hypot(grid_u - u, grid_v - v)
    ring = inside & (distance < 0.9 * radius) & (distance > 0.45 * radius)
    colour = np.median(crop[ring if ring.any() else inside], axis=0)
    bright = max(float(skin_level(crop, cv2.dilate(inside.astype(np.uint8), disc(3)) > 0).mean()), 0.05)
    ratio = tuple(float(c) for c in np.clip(colour / bright, 0.05, 1.0))
    return frame.matrix @ np.array([u, v, 1.0]), float(radius * frame.zoom), ratio  # type: ignore[return-value]
