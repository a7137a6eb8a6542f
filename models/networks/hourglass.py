"""The stacked hourglass with group normalisation that reads features for every pixel (PIFu; facts §1.7).

``PAPER`` is what RAFaRe's released configuration says; ``SMALL`` differs in numbers only and trains on two CPU cores.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class HourglassSize:
    """Numbers of a stacked hourglass. Features come at a quarter of the image's side."""

    inputs: int = 12  # colour and one-hot part groups, see models.networks.sdf_input
    stem: int = 64  # channels after the first convolution
    middle: int = 128  # and before the stacks
    features: int = 256  # of every stack
    stacks: int = 4
    depth: int = 2  # halvings inside a stack
    grouped: int = 8  # channels that are normalised together, at least


PAPER = HourglassSize()
# Groups of 32 channels: smaller ones take the normalisation's slow path on a CPU, ten times the time (ADR 016).
SMALL = HourglassSize(stem=16, middle=32, features=96, stacks=1, depth=4, grouped=32)


def groups(channels: int, grouped: int) -> nn.GroupNorm:
    """Group normalisation: at most 32 groups of ``grouped`` channels or more."""
    return nn.GroupNorm(max(1, min(32, channels // grouped)), channels)


class ConvBlock(nn.Module):
    """Three pre-activated 3 x 3 convolutions of a half, a quarter and a quarter of the channels, side by side."""

    def __init__(self, inputs: int, outputs: int, grouped: int) -> None:
        super().__init__()
        sizes = ((inputs, outputs // 2), (outputs // 2, outputs // 4), (outputs // 4, outputs // 4))
        self.norms = nn.ModuleList(groups(a, grouped) for a, _ in sizes)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in sizes)
        self.skip = (
            nn.Sequential(groups(inputs, grouped), nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False))
            if inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Same height and width."""
        parts, y = [], x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = conv(F.relu(norm(y)))
            parts.append(y)
        return torch.cat(parts, dim=1) + self.skip(x)


class Hourglass(nn.Module):
    """Down ``depth`` times and up again, with a block on the way beside each level."""

    def __init__(self, depth: int, channels: int, grouped: int) -> None:
        super().__init__()
        self.beside, self.down, self.up = (
            nn.ModuleList(ConvBlock(channels, channels, grouped) for _ in range(depth)) for _ in range(3)
        )
        self.middle = ConvBlock(channels, channels, grouped)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Same shape; height and width must be multiples of ``2 ** depth``."""
        return self._level(x, 0)

    def _level(self, x: Tensor, level: int) -> Tensor:
        aside = self.beside[level](x)
        low = self.down[level](F.avg_pool2d(x, 2))
        low = self._level(low, level + 1) if level + 1 < len(self.down) else self.middle(low)
        low = self.up[level](low)
        # Centres of pixels stay where they are (docs/frames.md); the published code aligns corners instead, and takes
        # the bicubic kernel, which costs as much as ten convolutions on a CPU (ADR 016).
        return aside + F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)


class StackedHourglass(nn.Module):
    """Features of every stack, at a quarter of the image's side."""

    def __init__(self, size: HourglassSize) -> None:
        super().__init__()
        self.size = size
        self.stem = nn.Conv2d(size.inputs, size.stem, 7, stride=2, padding=3)
        g = size.grouped
        self.norm = groups(size.stem, g)
        self.first = ConvBlock(size.stem, size.middle, g)
        self.second = ConvBlock(size.middle, size.middle, g)
        self.third = ConvBlock(size.middle, size.features, g)
        c, n = size.features, size.stacks
        self.hourglasses = nn.ModuleList(Hourglass(size.depth, c, g) for _ in range(n))
        self.blocks = nn.ModuleList(ConvBlock(c, c, g) for _ in range(n))
        self.mixes = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, c, 1), groups(c, g), nn.ReLU()) for _ in range(n)
        )
        self.outputs = nn.ModuleList(nn.Conv2d(c, c, 1) for _ in range(n))
        self.returns = nn.ModuleList(nn.Conv2d(c, c, 1) for _ in range(n - 1))
        self.carries = nn.ModuleList(nn.Conv2d(c, c, 1) for _ in range(n - 1))

    def forward(self, image: Float[Tensor, "b i R R"]) -> list[Float[Tensor, "b c R/4 R/4"]]:
        """One feature map for each stack; training supervises all of them, inference uses the last."""
        x = F.relu(self.norm(self.stem(image.contiguous(memory_format=torch.channels_last))))
        x = self.third(self.second(F.avg_pool2d(self.first(x), 2)))
        found = []
        for i, hourglass in enumerate(self.hourglasses):
            y = self.mixes[i](self.blocks[i](hourglass(x)))
            features = self.outputs[i](y)
            found.append(features)
            if i + 1 < len(self.hourglasses):
                x = x + self.carries[i](y) + self.returns[i](features)
        return found
