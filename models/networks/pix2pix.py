"""pix2pixHD: a coarse-to-fine generator and patch discriminators at several scales (Wang et al. 2018; facts §4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class GeneratorSize:
    """Numbers of a generator. The global half works at half of the image's side, the enhancer at all of it."""

    inputs: int = 12  # colour and one-hot part groups, see models.networks.sdf_input
    outputs: int = 3
    width: int = 32  # channels of the enhancer at full side; the global half begins with twice as many
    halvings: int = 4  # of the global half
    blocks: int = 9  # residual blocks at its bottom
    local_blocks: int = 3  # and of the enhancer


@dataclass(frozen=True)
class DiscriminatorSize:
    """Numbers of the discriminators: each looks at half the side of the one before."""

    inputs: int = 15  # what the generator reads, and its answer
    width: int = 64
    layers: int = 3
    scales: int = 2


class ResidualBlock(nn.Module):
    """Two mirrored-border 3 x 3 convolutions with instance normalisation around a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Same shape as the input."""
        y = F.relu(F.instance_norm(self.first(x)))
        return x + F.instance_norm(self.second(y))


class Down(nn.Module):
    """Half the side, twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2*c h/2 w/2"]:
        """Convolve, normalise, rectify."""
        return F.relu(F.instance_norm(self.conv(x)))


class Up(nn.Module):
    """Twice the side, half the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c/2 2*h 2*w"]:
        """Convolve, normalise, rectify."""
        return F.relu(F.instance_norm(self.conv(x)))


class Generator(nn.Module):
    """The global generator without its last layer, and one local enhancer around it (``netG='local'``)."""

    def __init__(self, size: GeneratorSize) -> None:
        super().__init__()
        wide, n = 2 * size.width, size.halvings
        self.coarse = nn.Sequential(
            Stem(size.inputs, wide),
            *(Down(wide * 2**i) for i in range(n)),
            *(ResidualBlock(wide * 2**n) for _ in range(size.blocks)),
            *(Up(wide * 2**i) for i in range(n, 0, -1)),
        )
        self.fine = nn.Sequential(Stem(size.inputs, size.width), Down(size.width))
        self.merge = nn.Sequential(*(ResidualBlock(wide) for _ in range(size.local_blocks)), Up(wide))
        self.last = nn.Conv2d(size.width, size.outputs, 7, padding=3, padding_mode="reflect")

    def forward(self, image: Float[Tensor, "b i R R"]) -> Float[Tensor, "b o R R"]:
        """Values in (-1, 1). The side must be a multiple of ``2^(halvings + 1)``."""
        small = F.avg_pool2d(image, 3, stride=2, padding=1, count_include_pad=False)
        return torch.tanh(self.last(self.merge(self.coarse(small) + self.fine(image))))


class Stem(nn.Module):
    """A 7 x 7 convolution at the full side."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 7, padding=3, padding_mode="reflect")

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b c h w"]:
        """Convolve, normalise, rectify."""
        return F.relu(F.instance_norm(self.conv(x)))


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches; gives its features too, for matching."""

    def __init__(self, size: DiscriminatorSize) -> None:
        super().__init__()
        widths = [size.inputs, *(size.width * min(2**i, 8) for i in range(size.layers + 1))]
        strides = [2] * size.layers + [1]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=s, padding=2)
            for a, b, s in zip(widths[:-1], widths[1:], strides, strict=True)
        )
        self.verdict = nn.Conv2d(widths[-1], 1, 4, padding=2)

    def forward(self, x: Float[Tensor, "b i h w"]) -> list[Tensor]:
        """Feature maps, and the verdict of every patch as the last."""
        found = []
        for i, conv in enumerate(self.convs):
            y = conv(x)
            x = F.leaky_relu(F.instance_norm(y) if i else y, 0.2)
            found.append(x)
        return [*found, self.verdict(x)]


class Discriminators(nn.Module):
    """One discriminator for each scale."""

    def __init__(self, size: DiscriminatorSize) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(size) for _ in range(size.scales))

    def forward(self, x: Float[Tensor, "b i h w"]) -> list[list[Tensor]]:
        """Features and verdict of every scale, the finest first."""
        found = []
        for net in self.scales:
            found.append(net(x))
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        return found


def verdict_loss(judged: list[list[Tensor]], wanted: float) -> Float[Tensor, ""]:
    """Least squares of every verdict to 1 (true) or 0 (made), summed over scales (LSGAN)."""
    return torch.stack([(scale[-1].float() - wanted).square().mean() for scale in judged]).sum()


def feature_loss(made: list[list[Tensor]], true: list[list[Tensor]]) -> Float[Tensor, ""]:
    """Mean absolute difference of the features of made and true pictures, 4 over layers a scale (facts §4)."""
    layers = len(made[0]) - 1
    total = [
        (a.float() - b.detach().float()).abs().mean()
        for ours, theirs in zip(made, true, strict=True)
        for a, b in zip(ours[:-1], theirs[:-1], strict=True)
    ]
    return torch.stack(total).sum() * 4 / layers / len(made)
