"""How far a filled hole is from the truth: PSNR, SSIM and a distance of learned features, each inside the hole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch.nn import functional as F

from models.networks.bisenet import MEAN, STD, load_bisenet

Picture = UInt8[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]
SIGMA = 1.5  # pixels of the Gaussian window of SSIM
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # of SSIM (Wang et al. 2004)


def psnr(a: Picture, b: Picture, where: Mask) -> float:
    """Peak signal-to-noise ratio in dB over the pixels of a mask."""
    error = float(np.mean((a[where].astype(np.float64) - b[where]) ** 2))
    return 10 * np.log10(255.0**2 / max(error, 1e-6))


def ssim(a: Picture, b: Picture, where: Mask) -> float:
    """Structural similarity over the pixels of a mask, mean of the channels; 1 for equal pictures."""
    x, y = a.astype(np.float64), b.astype(np.float64)

    def blur(image: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
        return cv2.GaussianBlur(image, (0, 0), SIGMA)

    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    index = (2 * mx * my + C1) * (2 * vxy + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    return float(index[where].mean())


@dataclass(frozen=True)
class FeatureDistance:
    """Distance of two pictures in the trunk of the face parser, which had no part in training.

    As in LPIPS without its fitted weights: features at strides 4 and 8, each of unit length, squared difference, mean
    over the hole's share of them. 0 for equal pictures, at most 4.
    """

    weights: Path
    side: int = 512

    def __call__(self, a: Picture, b: Picture, where: Mask) -> float:
        """Mean over the two scales."""
        inside = torch.from_numpy(where.astype(np.float32))[None, None]
        distances = []
        for one, two in zip(self._features(a), self._features(b), strict=True):
            share = F.interpolate(inside, size=one.shape[-2:], mode="area")
            squared = ((one - two) ** 2).sum(1, keepdim=True)
            distances.append(float((squared * share).sum() / share.sum()))
        return float(np.mean(distances))

    @torch.inference_mode()
    def _features(self, picture: Picture) -> list[torch.Tensor]:
        trunk = load_bisenet(self.weights).cp.resnet
        x = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32) / 255)
        x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False)
        x = (x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
        x = F.max_pool2d(F.relu(trunk.bn1(trunk.conv1(x))), 3, 2, 1)
        fourth = trunk.layer1(x)
        return [F.normalize(f, dim=1) for f in (fourth, trunk.layer2(fourth))]
