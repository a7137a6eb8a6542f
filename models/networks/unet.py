"""The small U-Net that both swap networks share, and the smooth fill that it starts from.

Design (measured in ``docs/swap.md``): no normalisation layers, because batch statistics would tie a pair to its
neighbours; residual blocks whose last convolution starts near zero; the last layer starts at zero, so that an
untrained network returns exactly the smooth fill and training can only move away from it. An optional pixel-unshuffle
stem does the work at half resolution, which keeps a 256 x 256 image under the budget on one core.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Same shape as the input."""
        return x + self.second(F.silu(self.first(F.silu(x))))


class UNet(nn.Module):
    """Fully convolutional encoder and decoder with skips.

    ``widths[i]`` is the channel count at ``1 / 2^i`` of the working resolution, which is ``1 / stem`` of the image.
    Any image size works: the input is padded by replication to a multiple of :attr:`multiple` and cropped back.

    ``partner=True`` adds an exchange at the bottleneck: each sample also sees the bottleneck of its partner (sample
    ``i ^ 1`` of the batch, i.e. the mirrored other eye), so that two eyes agree in light, colour and gaze.
    """

    def __init__(
        self, inputs: int, outputs: int, widths: Sequence[int], *, stem: int = 1, partner: bool = False
    ) -> None:
        super().__init__()
        self.stem = stem
        self.multiple = stem * 2 ** (len(widths) - 1)
        self.head = nn.Conv2d(inputs * stem * stem, widths[0], 3, padding=1)
        self.encode = nn.ModuleList(ResidualBlock(w) for w in widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))
        self.exchange = nn.Conv2d(2 * widths[-1], widths[-1], 1) if partner else None
        self.context = nn.Linear(widths[-1], widths[-1])
        self.middle = ResidualBlock(widths[-1])
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(nn.Conv2d(2 * w, w, 1) for w in widths[:-1])
        self.decode = nn.ModuleList(ResidualBlock(w) for w in widths[:-1])
        self.tail = nn.Conv2d(widths[0], outputs * stem * stem, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o h w"]:
        """Image-sized output; zero everywhere before the first training step."""
        height, width = x.shape[-2:]
        pad_h, pad_w = -height % self.multiple, -width % self.multiple
        if pad_h or pad_w:
            x = F.pad(x, (0, pad_w, 0, pad_h), mode="replicate")
        if self.stem > 1:
            x = F.pixel_unshuffle(x, self.stem)
        x = self.head(x)
        skips: list[Tensor] = []
        for level, block in enumerate(self.encode):
            x = block(x)
            if level < len(self.down):
                skips.append(x)
                x = self.down[level](x)
        if self.exchange is not None:
            other = x.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)
            x = x + self.exchange(torch.cat([x, other], dim=1))
        x = x + self.context(x.mean((2, 3)))[:, :, None, None]
        x = self.middle(x)
        for level in reversed(range(len(self.up))):
            x = F.interpolate(self.up[level](x), scale_factor=2, mode="nearest")
            x = self.merge[level](torch.cat([x, skips[level]], dim=1))
            x = self.decode[level](x)
        x = self.tail(F.silu(x))
        if self.stem > 1:
            x = F.pixel_shuffle(x, self.stem)
        return x[..., :height, :width]


def smooth_fill(
    colour: Float[Tensor, "b c h w"], known: Float[Tensor, "b 1 h w"], levels: int = 7
) -> Float[Tensor, "b c h w"]:
    """Fill unknown pixels smoothly from known ones; known pixels come back unchanged.

    A push-pull pyramid with a little relaxation on every level, which comes close to the harmonic fill: known
    colours average downwards by their weights, the answer is interpolated upwards into what is still unknown, and the
    unknown is then averaged with its neighbours a few times. ``known`` is 0 or 1; with no known pixel the result is 0.
    """
    stack: list[tuple[Tensor, Tensor]] = []
    value, weight = colour * known, known
    for _ in range(levels):
        stack.append((value, weight))
        if min(value.shape[-2:]) < 2:
            break
        value = F.avg_pool2d(value, 2, ceil_mode=True, count_include_pad=False)
        weight = F.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False)
    filled = (value.mean((2, 3), keepdim=True) / weight.mean((2, 3), keepdim=True).clamp_min(1e-6)).expand_as(
        value
    )
    for level, (value, weight) in reversed(list(enumerate(stack))):
        up = F.interpolate(filled, size=value.shape[-2:], mode="bilinear", align_corners=False)
        fixed = weight > 0
        filled = torch.where(fixed, value / weight.clamp_min(1e-6), up)
        # The finest levels cost most and gain least.
        for _ in range(2 if level < 2 else 8):
            p = F.pad(filled, (1, 1, 1, 1), mode="replicate")
            around = p[..., 2:, 1:-1] + p[..., :-2, 1:-1] + p[..., 1:-1, 2:] + p[..., 1:-1, :-2]
            filled = torch.where(fixed, filled, around / 4)
    return filled


def native_bf16(device: str) -> bool:
    """Whether the device multiplies bfloat16 in hardware; emulated, it is slower than float32."""
    return device != "cpu" or bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def autocast(device: str) -> torch.autocast:
    """bfloat16 where the device computes in it, else a context that changes nothing."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=native_bf16(device))
