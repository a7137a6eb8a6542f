"""Pixel-aligned implicit functions: features of a pixel and a depth in, one number out (PIFu; facts §1.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

DEPTH_SCALE = 1.28  # of cube z before it joins the features: half of 512 pixels over 200 (facts §1.4)


@dataclass(frozen=True)
class MlpSize:
    """Hidden widths of the head, and before which layers the input joins again."""

    widths: tuple[int, ...] = (1024, 512, 256, 128)
    again: tuple[int, ...] = (1, 2, 3)


PAPER_MLP = MlpSize()
SMALL_MLP = MlpSize(widths=(128, 96, 64, 32))
SMALL_FINE_MLP = MlpSize(widths=(64, 32), again=(1,))


class SkipMlp(nn.Module):
    """Point-wise layers whose input joins again on the way; leaky ReLU, no normalisation, no final activation."""

    def __init__(self, inputs: int, size: MlpSize) -> None:
        super().__init__()
        self.again = size.again
        widths = (inputs, *size.widths, 1)
        self.layers = nn.ModuleList(
            nn.Linear(a + (inputs if i in size.again else 0), b) for i, (a, b) in enumerate(pairwise(widths))
        )

    def forward(self, x: Float[Tensor, "b n i"]) -> Float[Tensor, "b n"]:
        """One number a point."""
        y = x
        for i, layer in enumerate(self.layers):
            if i:
                y = F.leaky_relu(y)
            y = layer(torch.cat([y, x], dim=-1) if i in self.again else y)
        return y[..., 0]

    def over_columns(
        self, columns: Float[Tensor, "c i-k"], which: Int[Tensor, " n"], rest: Float[Tensor, "n k"]
    ) -> Float[Tensor, " n"]:
        """The same for points that share most of their input: what it adds to a layer is computed once a column.

        Args:
            columns: leading part of the input, once for each column.
            which: column of each point.
            rest: trailing part of the input, which differs from point to point.
        """
        shared = columns.shape[1]
        y = rest.new_empty(len(which), 0)
        for i, layer in enumerate(self.layers):
            if i:
                y = F.leaky_relu(y)
            own = 0 if i == 0 else y.shape[1]
            if i and i not in self.again:
                y = layer(y)
                continue
            weight = layer.weight
            known = F.linear(columns, weight[:, own : own + shared], layer.bias)
            found = known.index_select(0, which)
            found.addmm_(rest, weight[:, own + shared :].T)
            if i:
                found.addmm_(y, weight[:, :own].T)
            y = found
        return y[:, 0]


def pixel_features(maps: Float[Tensor, "b c h w"], points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n c"]:
    """Bilinear features at the image place of cube points; the border is continued.

    A map spans the cube's x and y whatever its side (pixel centres at ``(2 j + 1) / w - 1``), so features of any
    resolution are looked up in the same place.
    """
    grid = torch.stack([points[..., 0], -points[..., 1]], dim=-1)[:, :, None]
    found = F.grid_sample(
        maps.float(), grid.float(), mode="bilinear", padding_mode="border", align_corners=False
    )
    return found[..., 0].transpose(1, 2)


class ImplicitField(nn.Module):
    """An encoder and a head: the value of a field at cube points, from one image.

    Args:
        encoder: gives a list of feature maps.
        channels: of these maps.
        size: of the head.
        known: numbers that are given for every point besides its place.
    """

    def __init__(self, encoder: nn.Module, channels: int, size: MlpSize, known: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = SkipMlp(channels + 1 + known, size)

    def encode(self, image: Float[Tensor, "b i R R"]) -> list[Float[Tensor, "b c h w"]]:
        """Feature maps: once an image, however many points are asked for."""
        return self.encoder(image)

    def query(
        self,
        maps: Float[Tensor, "b c h w"],
        points: Float[Tensor, "b n 3"],
        known: Float[Tensor, "b n k"] | None = None,
    ) -> Float[Tensor, "b n"]:
        """Values at cube points; where nothing is learned, points above each other share their column's work."""
        if not torch.is_grad_enabled() and len(points) == 1 and points.shape[1] > 1:
            return self._over_columns(maps, points[0], None if known is None else known[0])[None]
        parts = [pixel_features(maps, points), DEPTH_SCALE * points[..., 2:].float()]
        return self.head(torch.cat(parts if known is None else [*parts, known], dim=-1))

    def _over_columns(
        self, maps: Float[Tensor, "1 c h w"], points: Float[Tensor, "n 3"], known: Float[Tensor, "n k"] | None
    ) -> Float[Tensor, " n"]:
        """A grid's points come column after column: the features of each run of equal x, y are looked up once."""
        place = points[:, :2]
        begins = torch.cat([torch.ones(1, dtype=torch.bool), (place[1:] != place[:-1]).any(dim=1)])
        features = pixel_features(maps, points[None, begins])[0]
        depth = DEPTH_SCALE * points[:, 2:].float()
        rest = depth if known is None else torch.cat([depth, known.float()], dim=1)
        return self.head.over_columns(features, begins.cumsum(0) - 1, rest)

    def forward(
        self, image: Float[Tensor, "b i R R"], points: Float[Tensor, "b n 3"]
    ) -> Sequence[Float[Tensor, "b n"]]:
        """Values at cube points by every feature map (intermediate supervision); the last is the answer."""
        return [self.query(maps, points) for maps in self.encode(image)]


@dataclass(frozen=True)
class FieldBatch:
    """Inputs and scaled targets of one step."""

    image: Float[Tensor, "b i R R"]
    points: Float[Tensor, "b n 3"]  # cube
    target: Float[Tensor, "b n"]


def field_loss(net: nn.Module, batch: FieldBatch) -> Mapping[str, Tensor]:
    """Mean squared error over every feature map; ``error`` is the mean absolute one of the answer."""
    answers = [answer.float() for answer in net(batch.image, batch.points)]
    losses = [F.mse_loss(answer, batch.target) for answer in answers]
    return {"loss": torch.stack(losses).mean(), "error": F.l1_loss(answers[-1], batch.target)}
