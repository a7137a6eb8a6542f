"""The encoder of f_fine: few convolutions without pooling, so that fine detail keeps its place (facts §1.7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.hourglass import groups


@dataclass(frozen=True)
class ShallowSize:
    """Numbers of a shallow encoder. Features come at half of the image's side and see about 43 pixels of 512."""

    inputs: int = 12
    widths: tuple[int, ...] = (64, 128, 128, 256)  # of the stem and of the three convolutions after it
    grouped: int = 8  # channels that are normalised together, at least


PAPER_SHALLOW = ShallowSize()
SMALL_SHALLOW = ShallowSize(widths=(16, 32, 32, 32), grouped=32)


class ShallowEncoder(nn.Module):
    """A strided 7 x 7 convolution, then 3 x 3 ones with normalisation; no pooling and no skips."""

    def __init__(self, size: ShallowSize) -> None:
        super().__init__()
        self.size = size
        first, *rest = size.widths
        self.stem = nn.Conv2d(size.inputs, first, 7, stride=2, padding=3)
        self.norm = groups(first, size.grouped)
        pairs = list(zip(size.widths[:-1], rest, strict=True))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.norms = nn.ModuleList(groups(b, size.grouped) for _, b in pairs[:-1])

    def forward(self, image: Float[Tensor, "b i R R"]) -> list[Float[Tensor, "b c R/2 R/2"]]:
        """One feature map, in a list as :class:`StackedHourglass` gives them."""
        x = F.relu(self.norm(self.stem(image.contiguous(memory_format=torch.channels_last))))
        for conv, norm in zip(self.convs[:-1], self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        return [self.convs[-1](x)]
