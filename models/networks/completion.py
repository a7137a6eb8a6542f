"""Completion: eyes and inner mouth for a face rendered from skin only (paper, figure 3; facts §1.11, §6.5).

Plain inpainting of a whole image would spend nearly all of its work on pixels that must not change, and would see an
eye at a different size in every photograph. So each hole is brought into a canonical crop: upright, a fixed number of
pixels per millimetre, right eye mirrored onto the left. One small U-Net paints eyes (two at a time: at the bottleneck
each sees the other, mirrored, so that light and gaze agree), another one the mouth, and only hole pixels are written
back. The cost does not depend on the image size.

What an eye looks at cannot be read off a hole. The network is therefore given a *sketch*: sclera, an iris disc of
human size and a pupil, drawn at a chosen place in a chosen colour, and it turns the sketch into an eye. In
training the sketch follows the iris found in the photograph; in the pipeline both eyes look at the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from safetensors.torch import load_file
from torch import Tensor, nn

from models.networks.unet import UNet, autocast, smooth_fill

# Radius of the iris, nearly the same in all adults (5.85 mm), in the millimetres of :func:`face_axes`, whose mean
# face is a little large; with the offsets below, medians over 43 eyes of near-frontal photographs.
IRIS_MM = 6.5
IRIS_OUT, IRIS_UP = (
    0.3,
    0.38,
)  # from the middle of the aperture, in iris radii: the tear duct is part of the aperture
EYES_MM = 63.0  # mean distance of the eye centres
EYES_MOUTH_MM = 68.0  # mean distance from the middle of the eyes to the middle of the mouth corners


@dataclass(frozen=True)
class CropSpec:
    """Size of a canonical crop: pixels, and pixels per millimetre of face."""

    height: int
    width: int
    px_per_mm: float


EYE = CropSpec(48, 80, 1.6)
MOUTH = CropSpec(64, 96, 1.2)
# The lips continued across the mouth and shaded by this much are the best guess that knows nothing: over 26 mouths as
# good as OpenCV's inpainting, where drawn teeth were 1–1.5 dB worse.
MOUTH_SHADE = 0.8
PARTS = ("eye_right", "eye_left", "mouth")  # eye_right: the subject's, at image left when frontal


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


@dataclass(frozen=True)
class Iris:
    """An iris to draw: centre and radius in crop pixels, colour as a ratio to the brightness of the skin around."""

    u: float
    v: float
    radius: float
    colour: tuple[float, float, float]


# Ratios of iris to skin brightness, from dark brown to blue-grey, measured on the training photographs.
IRIS_COLOURS = (
    (0.38, 0.27, 0.22),
    (0.46, 0.31, 0.24),
    (0.50, 0.38, 0.28),
    (0.45, 0.43, 0.38),
    (0.40, 0.46, 0.52),
)
IRIS_WEIGHTS = (0.35, 0.30, 0.15, 0.10, 0.10)


def frontal_iris(
    frame: CropFrame,
    aperture: Bool[np.ndarray, "ch cw"],
    px_per_mm: float,
    colour: tuple[float, float, float],
) -> Iris:
    """The iris of an eye that looks at the camera, placed in the lid aperture as in photographs, of human size."""
    rows, columns = np.nonzero(aperture)
    radius = IRIS_MM * px_per_mm / frame.zoom
    # The temple is at the left of every eye crop, the left eye's being mirrored.
    u = (columns.min() + columns.max() + 1) / 2 - IRIS_OUT * radius
    return Iris(float(u), float(rows.mean() + 0.5 - IRIS_UP * radius), radius, colour)


def skin_level(colour: Float[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, " 3"]:
    """Median colour of the skin near a hole (the known pixels of a crop that are not black)."""
    known = ~hole & (colour.max(-1) > 0.02)
    return np.median(colour[known], axis=0) if known.any() else np.full(3, 0.5)


def sketch(
    colour: Float[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], iris: Iris | None
) -> Float[np.ndarray, "5 h w"]:
    """Input of a crop network: known RGB with a sketch in the hole, the hole, and the iris disc (0 for a mouth)."""
    level = skin_level(colour, hole)
    bright = float(level.mean())
    rows, columns = np.mgrid[: hole.shape[0], : hole.shape[1]] + 0.5
    drawn = np.zeros_like(colour)
    disc = np.zeros(hole.shape)
    if iris is None:
        drawn[:] = level * np.array([0.45, 0.25, 0.25])
    else:
        # Sclera: the light on the skin without most of its hue.
        drawn[:] = 0.25 * level + 0.75 * bright * np.array([1.0, 0.95, 0.93])
        distance = np.hypot(columns - iris.u, rows - iris.v)
        disc = np.clip(iris.radius + 0.5 - distance, 0, 1)
        pupil = np.clip(0.38 * iris.radius + 0.5 - distance, 0, 1)
        drawn += disc[..., None] * (bright * np.array(iris.colour) - drawn)
        drawn += pupil[..., None] * (0.1 * bright - drawn)
    base = np.where(hole[..., None], drawn, colour)
    return np.concatenate([base.transpose(2, 0, 1), hole[None], disc[None]]).astype(np.float32)


class CompletionNet(nn.Module):
    """Both crop networks. Input (b, 5, h, w) of :func:`sketch`; output RGB (b, 3, h, w), the input's outside the hole.

    Eyes come in pairs: samples ``2 i`` and ``2 i + 1`` are the two eyes of one face (or the same one twice).
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        widths = (width, width * 5 // 3, width * 8 // 3)
        self.eye = UNet(8, 3, widths, stem=2, partner=True)
        self.mouth = UNet(8, 3, widths, stem=2)

    def forward(self, part: str, x: Float[Tensor, "b 5 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Paint the hole of each crop of one kind, ``"eye"`` or ``"mouth"``."""
        base, hole = x[:, :3], x[:, 3:4]
        # The smooth fill tells how light and skin go on across the hole, which the flat sketch does not know.
        fill = smooth_fill(base, 1 - hole)
        if part == "eye":
            return torch.where(hole > 0, base + self.eye(torch.cat([x - 0.5, fill - 0.5], dim=1)), base)
        residual = self.mouth(torch.cat([x - 0.5, fill - 0.5], dim=1))
        return torch.where(hole > 0, MOUTH_SHADE * fill + residual, base)


def load_completion(path: Path, device: str = "cpu") -> CompletionNet:
    """The network with its weights (safetensors), channels last, in the precision the device is quick in."""
    tensors = load_file(path)
    net = CompletionNet(width=tensors["eye.head.weight"].shape[0])
    net.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=True)
    return net.eval().to(device, memory_format=torch.channels_last)


def complete(
    net: CompletionNet,
    render: UInt8[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    landmarks: Float[np.ndarray, "68 2"],
    iris_colour: tuple[float, float, float] = IRIS_COLOURS[0],
    irises: Sequence[Iris | None] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The render with its holes painted; every pixel outside the hole is the render's.

    Landmarks (pixel frame) say how large and how upright the face is; the crops themselves sit on the hole.
    ``irises`` overrides the frontal gaze, one per crop in the order of :func:`hole_frames`.
    """
    frames = hole_frames(landmarks, hole)
    if not frames:
        return render.copy()
    scale, _, _ = face_axes(landmarks.astype(np.float64))
    device = str(next(net.parameters()).device)
    eyes: list[tuple[int, np.ndarray]] = []
    mouths: list[tuple[int, np.ndarray]] = []
    for i, (frame, pixels) in enumerate(frames):
        colour, unknown = cut_known(frame, render, hole)
        if frame.part == "mouth":
            mouths.append((i, sketch(colour, unknown, None)))
            continue
        aperture = frame.cut(pixels.astype(np.float32)) > 0.5
        iris = irises[i] if irises is not None else None
        if iris is None:
            iris = frontal_iris(frame, aperture if aperture.any() else unknown, scale, iris_colour)
        eyes.append((i, sketch(colour, unknown, iris)))
    if len(eyes) == 1:  # a profile: the eye is its own partner
        eyes = eyes * 2
    out = render.copy()
    for part, crops in (("eye", eyes), ("mouth", mouths)):
        if not crops:
            continue
        stacked = torch.from_numpy(np.stack([c for _, c in crops])).to(
            device, memory_format=torch.channels_last
        )
        with torch.inference_mode(), autocast(device):
            painted = net(part, stacked).float().clamp(0, 1).cpu().numpy().transpose(0, 2, 3, 1)
        for (i, _), crop in zip(crops, painted, strict=True):
            frame, pixels = frames[i]
            image = frame.paste(np.ascontiguousarray(crop), render.shape[:2])
            out[pixels] = np.clip(np.round(image[pixels] * 255), 0, 255).astype(np.uint8)
    return out
