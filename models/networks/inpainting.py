"""Inpainting: the complete face inside a target mask, from the part of it that is known (paper, figure 3; facts §6.1).

Input is the known face, the mask of what is known and the target mask; what the photograph shows outside the target
is hidden, so that the old face cannot leak into the new one. The network corrects a smooth push-pull fill, hence it
never does worse than continuing the colours at the known edge, and it is fully convolutional.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from models.networks.kept import swap_network
from models.networks.unet import UNet, autocast, smooth_fill


class InpaintingNet(nn.Module):
    """U-Net at half resolution over (smooth fill, known, target)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.unet = UNet(5, 3, (width, width * 3 // 2, 2 * width, 3 * width, 4 * width), stem=2)

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"],
        known: Float[Tensor, "b 1 h w"],
        target: Float[Tensor, "b 1 h w"],
    ) -> Float[Tensor, "b 3 h w"]:
        """RGB in [0, 1] inside the target: the image's where known, painted elsewhere, 0 outside the target."""
        fill = smooth_fill(image, known)
        residual = self.unet(torch.cat([(fill - 0.5) * target, known, target], dim=1))
        return torch.where(known > 0, image, fill + residual) * target


def load_inpainting(path: Path, device: str = "cpu") -> InpaintingNet:
    """The network with its weights (safetensors), channels last.

    Raises:
        ValueError: the file is damaged, or of another network.
    """
    return swap_network(path, InpaintingNet, "unet.head.weight", device)


def inpaint(
    net: InpaintingNet,
    completed: UInt8[np.ndarray, "h w 3"],
    known: Bool[np.ndarray, "h w"],
    target: Bool[np.ndarray, "h w"],
) -> UInt8[np.ndarray, "h w 3"]:
    """Complete face inside ``target``: exactly ``completed`` where known, painted in the band, black outside."""
    device = str(next(net.parameters()).device)
    known = known & target
    image = torch.from_numpy(completed.astype(np.float32).transpose(2, 0, 1)[None] / 255)
    masks = [torch.from_numpy(m[None, None].astype(np.float32)) for m in (known, target)]
    with torch.inference_mode(), autocast(device):
        painted = net(*(t.to(device, memory_format=torch.channels_last) for t in (image, *masks)))
    painted = painted[0].float().clamp(0, 1).cpu().numpy().transpose(1, 2, 0)
    out = np.clip(np.round(painted * 255), 0, 255).astype(np.uint8)
    out[known] = completed[known]
    out[~target] = 0
    return out
