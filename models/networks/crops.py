"""Canonical crops of eyes and mouth: upright, of a fixed number of pixels per millimetre, the left eye mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

EYES_MM = 63.0  # mean distance of the eye centres
EYES_MOUTH_MM = 68.0  # mean distance from the middle of the eyes to the middle of the mouth corners
PARTS = ("eye_right", "eye_left", "mouth")  # eye_right: the subject's, at image left when frontal


@dataclass(frozen=True)
class CropSpec:
    """Size of a canonical crop: pixels, and pixels per millimetre of face."""

    height: int
    width: int
    px_per_mm: float


EYE = CropSpec(48, 80, 1.6)
MOUTH = CropSpec(64, 96, 1.2)


@dataclass(frozen=True)
class CropFrame:
    """Where a canonical crop lies in an image: ``pixel = matrix @ (u, v, 1)`` with (u, v) in crop pixels."""

    part: str
    spec: CropSpec
    matrix: Float[np.ndarray, "2 3"]

    @property
    def zoom(self) -> float:
        """Image pixels per crop pixel."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    def _index_matrix(self) -> Float[np.ndarray, "2 3"]:
        """The same map between array indices, whose origin is the centre of the first pixel."""
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
        return matrix

    def cut(self, image: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "ch cw c"]:
        """The image seen in this crop, low-passed first where the crop is coarser; zero outside the image."""
        if self.zoom > 1.25:
            image = cv2.GaussianBlur(image, (0, 0), 0.4 * self.zoom)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (self.spec.width, self.spec.height)
        return cv2.warpAffine(image, self._index_matrix(), size, flags=flags, borderMode=cv2.BORDER_CONSTANT)

    def paste(self, crop: Float[np.ndarray, "ch cw c"], size: tuple[int, int]) -> Float[np.ndarray, "h w c"]:
        """The crop seen in an image of (height, width), with its border pixels continued outwards."""
        return cv2.warpAffine(
            crop,
            self._index_matrix(),
            (size[1], size[0]),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )


def face_axes(landmarks: Float[np.ndarray, "68 2"]) -> tuple[float, Float[np.ndarray, " 2"], np.ndarray]:
    """(pixels per mm, unit vector to image right along the face, (3, 2) centres of the parts) of iBUG-68 landmarks.

    The larger of two distances sets the scale, since turning the head shortens one of them but not the other.
    """
    right, left = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    inner = landmarks[60:68].mean(0)
    corners = landmarks[[48, 54]].mean(0)
    across, down = left - right, corners - (left + right) / 2
    scale = max(np.linalg.norm(across) / EYES_MM, np.linalg.norm(down) / EYES_MOUTH_MM, 1e-3)
    axis = across / EYES_MM + np.array([down[1], -down[0]]) / EYES_MOUTH_MM
    return float(scale), axis / max(np.linalg.norm(axis), 1e-9), np.stack([right, left, inner])


def crop_frame(
    part: str, centre: Float[np.ndarray, " 2"], px_per_mm: float, axis: Float[np.ndarray, " 2"]
) -> CropFrame:
    """The canonical crop of a part around a point of the image; the left eye's is mirrored."""
    spec = MOUTH if part == "mouth" else EYE
    zoom = px_per_mm / spec.px_per_mm
    down = np.array([-axis[1], axis[0]])
    sign = -1.0 if part == "eye_left" else 1.0
    linear = zoom * np.stack([sign * axis, down], axis=1)
    offset = centre - linear @ [spec.width / 2, spec.height / 2]
    return CropFrame(part, spec, np.column_stack([linear, offset]))


def hole_frames(
    landmarks: Float[np.ndarray, "68 2"], hole: Bool[np.ndarray, "h w"]
) -> list[tuple[CropFrame, Bool[np.ndarray, "h w"]]]:
    """A crop for each part that has hole pixels, with those pixels.

    Every hole pixel belongs to the nearest part, so that together they are the whole hole. A crop is centred on its
    pixels and zoomed out when they would not fit with a margin of an eighth.
    """
    scale, axis, centres = face_axes(landmarks.astype(np.float64))
    rows, columns = np.nonzero(hole)
    if not len(rows):
        return []
    points = np.stack([columns + 0.5, rows + 0.5], axis=1)
    owner = np.linalg.norm(points[:, None] - centres[None], axis=2).argmin(1)
    found = []
    for number, part in enumerate(PARTS):
        mine = owner == number
        if not mine.any():
            continue
        spec = MOUTH if part == "mouth" else EYE
        local = (points[mine] - centres[number]) @ np.stack([axis, [-axis[1], axis[0]]], axis=1)
        low, high = local.min(0), local.max(0)
        middle = (low + high) / 2
        centre = centres[number] + middle[0] * axis + middle[1] * np.array([-axis[1], axis[0]])
        extent = (high - low + 1) * spec.px_per_mm / (0.75 * np.array([spec.width, spec.height]))
        pixels = np.zeros_like(hole)
        pixels[rows[mine], columns[mine]] = True
        found.append((crop_frame(part, centre, max(scale, float(extent.max())), axis), pixels))
    return found


def cut_known(
    frame: CropFrame, image: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]
) -> tuple[Float[np.ndarray, "ch cw 3"], Bool[np.ndarray, "ch cw"]]:
    """Crop of the known pixels in [0, 1], and the crop's hole. No colour of a hole pixel leaks into the crop.

    The ring of pixels around the hole is taken as unknown too: anti-aliasing has mixed the hole's colour into it.
    """
    unknown = cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    weight = (~unknown).astype(np.float32)
    colour = frame.cut(image.astype(np.float32) / 255 * weight[..., None])
    weight = frame.cut(weight)
    known = weight > 0.6
    return np.where(known[..., None], colour / np.maximum(weight, 0.6)[..., None], 0.0).astype(
        np.float32
    ), ~known


def continued(image: Float[np.ndarray, "h w c"], seen: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w c"]:
    """The image with every pixel that is not ``seen`` given the colour of the nearest that is (there must be one)."""
    _, labels = cv2.distanceTransformWithLabels(
        (~seen).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros((int(labels.max()) + 1, image.shape[2]), image.dtype)
    table[labels[seen]] = image[seen]
    return table[labels]
