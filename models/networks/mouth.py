"""The inner mouth: lips continued across the hole, the drawn interior, and a small network that corrects their mixture.

Twenty-five mouths cannot teach a network with free filters what a mouth shows: measured on people it never saw, it
was worse than OpenCV's Navier–Stokes fill. What they can teach is how bright a mouth is, given where a pixel lies
between the lips, how far the lips are apart and whether the corners are raised: smiles show teeth, mouths that are
hardly open show a dark line. So the network sees one pixel at a time, in millimetres and not in pixels: it is small,
knows no image size, and what it adds is as smooth as its inputs. Lines between teeth come from the drawn interior.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.crops import face_axes

MARGIN_MM = 6.5  # of known face around the hole that is looked at
SOFT_MM = 1.6  # wider than a line between teeth, narrower than a tooth
RIM_MM = 1.5  # over which the correction grows from nothing at the lips
# Apertures from which the drawn interior joins the start, and at which it is all of it.
DRAWN_MM = (18.0, 28.0)
# Apertures from which a head's own teeth are seen in a pair, and at which they are all that is.
RENDERED_MM = (2.5, 6.0)
DETAIL = 0.35  # exponent of the interior's fine contrast where the start is the smooth fill
FEATURES = 16
CHANNELS = 3 + 1 + 3  # start, mask, then detail, level and rim


@dataclass(frozen=True)
class MouthMeasures:
    """What the landmarks tell of a mouth, in millimetres: lift of the corners above the lips' middle, and width."""

    lift: float
    width: float


def mouth_measures(
    landmarks: Float[np.ndarray, "68 2"], axis: Float[np.ndarray, " 2"], px_per_mm: float
) -> MouthMeasures:
    """Lift and width along the face's own axes."""
    points = landmarks / px_per_mm
    down = np.array([-axis[1], axis[0]])
    corners = (points[48] + points[54]) / 2
    lift = (points[[62, 66]].mean(0) - corners) @ down
    return MouthMeasures(float(lift), float(np.ptp(points[48:60] @ axis)))


def mouth_box(mouth: Bool[np.ndarray, "h w"], px_per_mm: float) -> tuple[slice, slice]:
    """Rows and columns of the mouth with its margin."""
    rows, columns = np.nonzero(mouth)
    pad = max(3, round(MARGIN_MM * px_per_mm))
    return (
        slice(max(int(rows.min()) - pad, 0), int(rows.max()) + pad + 1),
        slice(max(int(columns.min()) - pad, 0), int(columns.max()) + pad + 1),
    )


def mouth_input(
    image: UInt8[np.ndarray, "h w 3"],
    interior: UInt8[np.ndarray, "h w 3"],
    mouth: Bool[np.ndarray, "h w"],
    unknown: Bool[np.ndarray, "h w"],
    axis: Float[np.ndarray, " 2"],
    px_per_mm: float,
    measures: MouthMeasures,
) -> Float[np.ndarray, "23 h w"]:
    """Input of :class:`MouthNet` for an image that shows a mouth and a little around it.

    Args:
        image: known colours; those of ``unknown`` pixels are never read, nor is black, which is no face.
        interior: teeth, tongue and the dark; read in ``mouth`` only.
        mouth: the pixels to be painted, at least one.
        unknown: those and any other without a colour.
        axis: unit vector to image right along the face.
        px_per_mm: pixels per millimetre of the face.
        measures: of the landmarks.
    """
    top, bottom, across, width = _between_lips(mouth, axis, px_per_mm)
    height = top + bottom
    aperture = float(np.percentile(height, 90))
    hidden = unknown | mouth | (image.max(-1) == 0)
    known = ~hidden
    level = max(float(np.median(image[known], axis=0).mean()) / 255, 0.02) if known.any() else 0.5
    seen = np.where(hidden[..., None], 0, image).astype(np.uint8)
    fill = cv2.inpaint(seen, hidden.astype(np.uint8), 4, cv2.INPAINT_NS)[mouth] / 255
    drawn, soft, detail = _interior(interior, mouth, px_per_mm)
    low, high = DRAWN_MM
    share = float(np.clip((aperture - low) / (high - low), 0, 1)) ** 2
    start = (1 - share) * fill + share * drawn
    depth = top / height
    ones = np.ones(len(top))
    # Centred, so that a fresh network sees numbers around zero.
    features = [
        depth - 0.5, 2 * depth**2 - 1, np.abs(across) - 0.5, across**2 - 0.3, top / 10 - 0.5, bottom / 10 - 0.5,
        height / 15 - 0.8, ones * aperture / 20 - 0.8, ones * width / 50 - 0.9, ones * measures.lift / 8 - 0.3,
        ones * measures.width / 60 - 0.9, ones * level - 0.5, *(start.T / level - 0.7), soft / level - 0.6,
    ]  # fmt: skip
    rim = (1 - np.exp(-top / RIM_MM)) * (1 - np.exp(-bottom / RIM_MM))
    contrast = 1 + (detail ** (DETAIL * (1 - share)) - 1) * rim
    x = np.zeros((CHANNELS + FEATURES, *mouth.shape), np.float32)
    x[:3] = seen.transpose(2, 0, 1) / np.float32(255)
    x[:3, mouth] = start.T
    x[3] = mouth
    x[4:7, mouth] = np.stack([contrast, ones * level, rim])
    x[CHANNELS:, mouth] = np.stack(features)
    return x


def _between_lips(
    mouth: Bool[np.ndarray, "h w"], axis: Float[np.ndarray, " 2"], px_per_mm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Of each mouth pixel: mm below the upper lip, mm above the lower one, place between the corners in [-1, 1].

    And the width of the mouth in mm. Up and down are the face's. The lips' edges are taken from columns of 1.5 pixels
    and interpolated, since pixels of a tilted mouth do not line up.
    """
    rows, columns = np.nonzero(mouth)
    points = np.stack([columns + 0.5, rows + 0.5], axis=1)
    right, down = points @ axis, points @ np.array([-axis[1], axis[0]])
    place = (right - right.min()) / 1.5
    column = place.astype(int)
    upper, lower = np.full(column.max() + 1, np.inf), np.full(column.max() + 1, -np.inf)
    np.minimum.at(upper, column, down)
    np.maximum.at(lower, column, down)
    at = np.arange(len(upper))
    filled = np.isfinite(upper)
    edges = []
    for edge in (upper, lower):
        padded = np.pad(np.interp(at, at[filled], edge[filled]), 1, mode="edge")
        smooth = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
        edges.append(np.interp(place - 0.5, at, smooth))
    top = (np.maximum(down - edges[0], 0) + 0.5) / px_per_mm
    bottom = (np.maximum(edges[1] - down, 0) + 0.5) / px_per_mm
    half = np.ptp(right) / 2 + 1
    across = (right - (right.min() + right.max()) / 2) / half
    return top, bottom, across, float((np.ptp(right) + 1) / px_per_mm)


def _interior(
    interior: UInt8[np.ndarray, "h w 3"], mouth: Bool[np.ndarray, "h w"], px_per_mm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each mouth pixel: the interior's colour, its brightness without fine detail, and that detail as a ratio."""
    drawn = interior[mouth] / 255
    weight = mouth.astype(np.float32)
    bright = np.zeros(mouth.shape, np.float32)
    bright[mouth] = drawn.mean(-1)
    sigma = SOFT_MM * px_per_mm
    soft = cv2.GaussianBlur(bright, (0, 0), sigma)[mouth] / np.maximum(
        cv2.GaussianBlur(weight, (0, 0), sigma)[mouth], 1e-3
    )
    # The constant keeps the dark from becoming noise.
    return drawn, soft, np.clip((bright[mouth] + 0.02) / (soft + 0.02), 0.3, 2.0)


class MouthNet(nn.Module):
    """What is added to the start of each pixel of a mouth, of its own features alone; nothing before training."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.first = nn.Conv2d(FEATURES, width, 1)
        self.second = nn.Conv2d(width, width, 1)
        self.tail = nn.Conv2d(width, 3, 1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "b 23 h w"]) -> Float[Tensor, "b 3 h w"]:
        """RGB, the input's outside the mouth."""
        start, mouth = x[:, :3], x[:, 3:4]
        contrast, level, rim = x[:, 4:5], x[:, 5:6], x[:, 6:7]
        added = self.tail(F.silu(self.second(F.silu(self.first(x[:, CHANNELS:])))))
        painted = (start + added * rim * level).clamp_min(0) * contrast
        return torch.where(mouth > 0, painted, start)


def rendered_share(mouth: Bool[np.ndarray, "h w"], landmarks: Float[np.ndarray, "68 2"]) -> float:
    """How much of a mouth is the head's own teeth and tongue, in [0, 1]: none while the lips hardly part."""
    scale, axis, _ = face_axes(landmarks.astype(np.float64))
    top, bottom, _, _ = _between_lips(mouth, axis, scale)
    low, high = RENDERED_MM
    t = float(np.clip((np.percentile(top + bottom, 90) - low) / (high - low), 0, 1))
    return t * t * (3 - 2 * t)


def paint_mouth(
    net: MouthNet,
    image: UInt8[np.ndarray, "h w 3"],
    interior: UInt8[np.ndarray, "h w 3"],
    mouth: Bool[np.ndarray, "h w"],
    hole: Bool[np.ndarray, "h w"],
    landmarks: Float[np.ndarray, "68 2"],
) -> Float[np.ndarray, "n 3"]:
    """Colours in [0, 1] of the mouth's pixels. In float32 on any device: it is a few million products."""
    scale, axis, _ = face_axes(landmarks.astype(np.float64))
    box = mouth_box(mouth, scale)
    x = mouth_input(
        image[box], interior[box], mouth[box], hole[box], axis, scale,
        mouth_measures(landmarks.astype(np.float64), axis, scale),
    )  # fmt: skip
    device = next(net.parameters()).device
    with torch.inference_mode():
        painted = net(torch.from_numpy(x[None]).to(device))[0].clamp(0, 1).cpu().numpy()
    return np.ascontiguousarray(painted[:, mouth[box]].T)
