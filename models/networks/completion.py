"""Completion: eyes and inner mouth for a face rendered from skin only (paper, figure 3; facts §1.11, §6.5).

Plain inpainting of a whole image would spend nearly all of its work on pixels that must not change, and would see an
eye at a different size in every photograph. So each hole is brought into a canonical crop: upright, a fixed number of
pixels per millimetre, left eye mirrored onto the right. A small U-Net paints eyes, two at a time: at the bottleneck
each sees the other, mirrored, so that light and gaze agree. Only hole pixels are written back.
The cost hardly depends on the image size.

What an eye looks at cannot be read off a hole. The network is therefore given a *sketch*: sclera, an iris disc of
human size and a pupil, drawn at a chosen place in a chosen colour, and it turns the sketch into an eye. In
training the sketch follows the iris found in the photograph; in the pipeline both eyes look near the camera.

The mouth is painted by a network of its own (:mod:`models.networks.mouth`), at the size of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from models.networks.crops import CropFrame, cut_known, face_axes, hole_frames
from models.networks.kept import swap_network
from models.networks.mouth import MouthNet, paint_mouth, rendered_share
from models.networks.unet import UNet, autocast, smooth_fill

# Radius of the iris, nearly the same in all adults (5.85 mm), in the millimetres of :func:`face_axes`, whose mean
# face is a little large; with the offsets below, medians over 43 eyes of near-frontal photographs.
IRIS_MM = 6.5
# From the middle of the aperture, in iris radii: the tear duct is part of the aperture.
IRIS_OUT, IRIS_UP = 0.3, 0.38
LUMA = np.array([0.299, 0.587, 0.114])
GREY_CHROMA = 2.5  # mean spread of R, G, B of a render below which its photograph is black and white


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


def looking_iris(
    frame: CropFrame,
    aperture: Bool[np.ndarray, "ch cw"],
    px_per_mm: float,
    colour: tuple[float, float, float],
    gaze: tuple[float, float] = (0.0, 0.0),
) -> Iris:
    """The iris of an eye that looks at the camera, placed in the lid aperture as in photographs, of human size.

    ``gaze`` moves it: millimetres to image right and down, as seen by an upright face.
    """
    rows, columns = np.nonzero(aperture)
    radius = IRIS_MM * px_per_mm / frame.zoom
    per_mm = px_per_mm / frame.zoom
    right = -gaze[0] if frame.part == "eye_left" else gaze[0]
    # The temple is at the left of every eye crop, the left eye's being mirrored.
    u = (columns.min() + columns.max() + 1) / 2 - IRIS_OUT * radius + right * per_mm
    return Iris(float(u), float(rows.mean() + 0.5 - IRIS_UP * radius + gaze[1] * per_mm), radius, colour)


def skin_level(colour: Float[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, " 3"]:
    """Median colour of the skin near a hole (the known pixels of a crop that are not black)."""
    known = ~hole & (colour.max(-1) > 0.02)
    return np.median(colour[known], axis=0) if known.any() else np.full(3, 0.5)


def eye_sketch(
    colour: Float[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], iris: Iris
) -> Float[np.ndarray, "5 h w"]:
    """Input of the eye network: known RGB with a sketch of the eye in the hole, the hole, and the iris disc."""
    level = skin_level(colour, hole)
    bright = float(level.mean())
    rows, columns = np.mgrid[: hole.shape[0], : hole.shape[1]] + 0.5
    drawn = np.zeros_like(colour)
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
    """The networks of both parts. Input (b, c, h, w); output RGB (b, 3, h, w), the input's outside the hole.

    Eyes come in pairs of sketches: samples ``2 i`` and ``2 i + 1`` are the two eyes of one face, or one eye twice.
    Mouths come as :func:`models.networks.mouth.mouth_input` makes them.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.eye = UNet(8, 3, (width, width * 5 // 3, width * 8 // 3), stem=2, partner=True)
        self.mouth = MouthNet()

    def forward(self, part: str, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 h w"]:
        """Paint the hole of each picture of one kind, ``"eye"`` or ``"mouth"``."""
        if part == "mouth":
            painted: Tensor = self.mouth(x)
            return painted
        base, hole = x[:, :3], x[:, 3:4]
        # The smooth fill tells how light and skin go on across the hole.
        seen = torch.cat([x - 0.5, smooth_fill(base, 1 - hole) - 0.5], dim=1)
        return torch.where(hole > 0, base + self.eye(seen), base)


def load_completion(path: Path, device: str = "cpu") -> CompletionNet:
    """The network with its weights (safetensors), channels last, in the precision the device is quick in.

    Raises:
        ValueError: the file is damaged, or of another network.
    """
    return swap_network(path, CompletionNet, "eye.head.weight", device)


def complete(
    net: CompletionNet,
    render: UInt8[np.ndarray, "h w 3"],
    interior: UInt8[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    landmarks: Float[np.ndarray, "68 2"],
    iris_colour: tuple[float, float, float] = IRIS_COLOURS[0],
    gaze: tuple[float, float] = (0.0, 0.0),
    irises: Sequence[Iris | None] | None = None,
    rendered: tuple[str, ...] = (),
) -> UInt8[np.ndarray, "h w 3"]:
    """The render with its holes painted; every pixel outside the hole is the render's.

    ``interior`` shows teeth, tongue and the dark in the pixels of the mouth; no other of its pixels is read.
    Landmarks (pixel frame) say how large and how upright the face is; the crops themselves sit on the hole.
    ``gaze`` moves both irises, mm to image right and down. ``irises`` overrides them, one per crop in the order
    of :func:`hole_frames`. Openings that are ``rendered`` ("eyes", "mouth") are the interior's; a mouth
    fades to the network's as the lips close. A render without colour gets eyes and a mouth without colour.
    """
    frames = hole_frames(landmarks, hole)
    scale, _, _ = face_axes(landmarks.astype(np.float64))
    out = render.copy()
    eyes: list[tuple[CropFrame, np.ndarray, np.ndarray]] = []
    for i, (frame, pixels) in enumerate(frames):
        if frame.part == "mouth":
            share = rendered_share(pixels, landmarks) if "mouth" in rendered else 0.0
            painted = paint_mouth(net.mouth, render, interior, pixels, hole, landmarks)
            out[pixels] = _levels((1 - share) * painted + share * interior[pixels] / 255)
            continue
        if "eyes" in rendered:
            out[pixels] = interior[pixels]
            continue
        colour, unknown = cut_known(frame, render, hole)
        aperture = frame.cut(pixels.astype(np.float32)) > 0.5
        iris = irises[i] if irises is not None else None
        if iris is None:
            aperture = aperture if aperture.any() else unknown
            iris = looking_iris(frame, aperture, scale, iris_colour, gaze)
        eyes.append((frame, pixels, eye_sketch(colour, unknown, iris)))
    if eyes:
        _paint_eyes(net, eyes, out)
    known = ~hole & (render.max(-1) > 0)
    if known.any() and np.ptp(render[known], axis=-1).mean() <= GREY_CHROMA:
        out[hole] = np.round(out[hole] @ LUMA)[:, None].astype(np.uint8)
    return out


def _paint_eyes(
    net: CompletionNet,
    eyes: Sequence[tuple[CropFrame, np.ndarray, np.ndarray]],
    out: UInt8[np.ndarray, "h w 3"],
) -> None:
    """Write one or two eyes, each (frame, pixels, sketch), into the picture."""
    crops = [x for _, _, x in eyes]
    device = str(next(net.parameters()).device)
    # In a profile the eye is its own partner.
    stacked = torch.from_numpy(np.stack(crops if len(crops) == 2 else crops * 2))
    with torch.inference_mode(), autocast(device):
        painted = net("eye", stacked.to(device, memory_format=torch.channels_last)).float()
    images = painted.clamp(0, 1).cpu().numpy().transpose(0, 2, 3, 1)
    for (frame, pixels, _), crop in zip(eyes, images, strict=False):
        out[pixels] = _levels(frame.paste(np.ascontiguousarray(crop), out.shape[:2])[pixels])


def _levels(values: Float[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3"]:
    return np.clip(np.round(values * 255), 0, 255).astype(np.uint8)
