"""Completion: eyes and inner mouth for a face rendered from skin only (paper, figure 3; facts §1.11, §6.5).

Plain inpainting of a whole image would spend nearly all of its work on pixels that must not change, and would see an
eye at a different size in every photograph. So each hole is brought into a canonical crop: upright, a fixed number of
pixels per millimetre, right eye mirrored onto the left. One small U-Net paints eyes (two at a time: at the bottleneck
each sees the other, mirrored, so that light and gaze agree), another one the mouth, and only hole pixels are written
back. The cost does not depend on the image size.

What an eye looks at cannot be read off a hole. The network is therefore given a *sketch*: sclera, an iris disc of
human size and a pupil, drawn at a chosen place in a chosen colour, and it turns the sketch into an eye. In
training the sketch follows the iris found in the photograph; in the pipeline both eyes look at the camera.

What a mouth shows cannot be read off a hole either, but the head has teeth and a tongue: the sketch of a mouth is their
render (``models.geometry.proxies.draw_interior``). Its network only multiplies light and colour, by a bounded field too
smooth to touch the lines between teeth: free to paint or to add, it answers a blur of all mouths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.crops import CropFrame, cut_inside, cut_known, face_axes, hole_frames
from models.networks.unet import UNet, autocast, smooth_fill

# Radius of the iris, nearly the same in all adults (5.85 mm), in the millimetres of :func:`face_axes`, whose mean
# face is a little large; with the offsets below, medians over 43 eyes of near-frontal photographs.
IRIS_MM = 6.5
# From the middle of the aperture, in iris radii: the tear duct is part of the aperture.
IRIS_OUT, IRIS_UP = 0.3, 0.38
GAIN = 0.35  # bound of the correction of a mouth: its colours are multiplied by exp(-GAIN) to exp(GAIN)
FIELD_PX = 8  # crop pixels per value of the correcting field, wider than a tooth


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
    return _stacked(colour, hole, drawn, disc)


def mouth_sketch(
    colour: Float[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], inside: Float[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "5 h w"]:
    """Input of the mouth network: known RGB with the drawn interior in the hole, the hole, and zeros."""
    return _stacked(colour, hole, inside, np.zeros(hole.shape))


def _stacked(colour: np.ndarray, hole: np.ndarray, drawn: np.ndarray, disc: np.ndarray) -> np.ndarray:
    base = np.where(hole[..., None], drawn, colour)
    return np.concatenate([base.transpose(2, 0, 1), hole[None], disc[None]]).astype(np.float32)


class MouthNet(nn.Module):
    """A smooth, bounded field that corrects the light and colour of a drawn mouth; 1 before training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.unet = UNet(8, 3, (width, width * 5 // 3, width * 8 // 3), stem=4)

    def forward(self, x: Float[Tensor, "b 8 h w"]) -> Float[Tensor, "b 3 h w"]:
        """What each channel of the drawn mouth is multiplied by."""
        coarse = F.avg_pool2d(self.unet(x).float(), FIELD_PX, ceil_mode=True, count_include_pad=False)
        field = F.interpolate(coarse, size=x.shape[-2:], mode="bicubic", align_corners=False)
        return torch.exp(GAIN * torch.tanh(field))


class CompletionNet(nn.Module):
    """Both crop networks. Input (b, 5, h, w) of a sketch; output RGB (b, 3, h, w), the input's outside the hole.

    Eyes come in pairs: samples ``2 i`` and ``2 i + 1`` are the two eyes of one face (or the same one twice).
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.eye = UNet(8, 3, (width, width * 5 // 3, width * 8 // 3), stem=2, partner=True)
        self.mouth = MouthNet(width // 2)

    def forward(self, part: str, x: Float[Tensor, "b 5 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Paint the hole of each crop of one kind, ``"eye"`` or ``"mouth"``."""
        base, hole = x[:, :3], x[:, 3:4]
        if part == "eye":
            return torch.where(hole > 0, base + self.eye(_inputs(x)), base)
        return torch.where(hole > 0, base * self.gain(x), base)

    def gain(self, x: Float[Tensor, "b 5 h w"]) -> Float[Tensor, "b 3 h w"]:
        """The factors of mouth crops, all over the crop."""
        factors: Tensor = self.mouth(_inputs(x))
        return factors


def _inputs(x: Float[Tensor, "b 5 h w"]) -> Float[Tensor, "b 8 h w"]:
    """The sketch with the smooth fill, which tells how light and skin go on across the hole."""
    return torch.cat([x - 0.5, smooth_fill(x[:, :3], 1 - x[:, 3:4]) - 0.5], dim=1)


def load_completion(path: Path, device: str = "cpu") -> CompletionNet:
    """The network with its weights (safetensors), channels last, in the precision the device is quick in."""
    tensors = load_file(path)
    net = CompletionNet(width=tensors["eye.head.weight"].shape[0])
    net.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=True)
    return net.eval().to(device, memory_format=torch.channels_last)


def complete(
    net: CompletionNet,
    render: UInt8[np.ndarray, "h w 3"],
    interior: UInt8[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    landmarks: Float[np.ndarray, "68 2"],
    iris_colour: tuple[float, float, float] = IRIS_COLOURS[0],
    irises: Sequence[Iris | None] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The render with its holes painted; every pixel outside the hole is the render's.

    ``interior`` shows teeth, tongue and the dark in the pixels of the mouth; no other of its pixels is read.
    Landmarks (pixel frame) say how large and how upright the face is; the crops themselves sit on the hole.
    ``irises`` overrides the frontal gaze, one per crop in the order of :func:`hole_frames`.
    """
    frames = hole_frames(landmarks, hole)
    scale, _, _ = face_axes(landmarks.astype(np.float64))
    out = render.copy()
    eyes: list[tuple[CropFrame, np.ndarray, np.ndarray]] = []
    for i, (frame, pixels) in enumerate(frames):
        colour, unknown = cut_known(frame, render, hole)
        if frame.part == "mouth":
            x = mouth_sketch(colour, unknown, cut_inside(frame, interior, pixels))
            out[pixels] = _corrected(net, frame, pixels, interior, x)
            continue
        aperture = frame.cut(pixels.astype(np.float32)) > 0.5
        iris = irises[i] if irises is not None else None
        if iris is None:
            iris = frontal_iris(frame, aperture if aperture.any() else unknown, scale, iris_colour)
        eyes.append((frame, pixels, eye_sketch(colour, unknown, iris)))
    if not eyes:
        return out
    crops = [x for _, _, x in eyes]
    x, device = _tensor(
        net, crops if len(crops) == 2 else crops * 2
    )  # in a profile the eye is its own partner
    with torch.inference_mode(), autocast(device):
        painted = net("eye", x).float().clamp(0, 1).cpu().numpy().transpose(0, 2, 3, 1)
    for (frame, pixels, _), crop in zip(eyes, painted, strict=False):
        image = frame.paste(np.ascontiguousarray(crop), render.shape[:2])
        out[pixels] = _levels(image[pixels])
    return out


def _corrected(
    net: CompletionNet, frame: CropFrame, pixels: np.ndarray, interior: np.ndarray, x: np.ndarray
) -> UInt8[np.ndarray, "n 3"]:
    """The interior's colours at the pixels of a mouth, corrected; teeth keep the sharpness of the image."""
    crops, device = _tensor(net, [x])
    with torch.inference_mode(), autocast(device):
        factors = net.gain(crops)[0].float().cpu().numpy().transpose(1, 2, 0)
    gain = frame.paste(np.ascontiguousarray(factors), pixels.shape)
    return _levels(interior[pixels] / 255 * gain[pixels])


def _tensor(net: CompletionNet, crops: Sequence[np.ndarray]) -> tuple[Tensor, str]:
    device = str(next(net.parameters()).device)
    return torch.from_numpy(np.stack(crops)).to(device, memory_format=torch.channels_last), device


def _levels(values: Float[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3"]:
    return np.clip(np.round(values * 255), 0, 255).astype(np.uint8)
