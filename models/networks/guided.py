"""f_base that draws before it answers: a depth map first, then signed distance as distance along the ray to it.

Labels lie within four hundredths of the cube of the surface, so f_base, whose answer is one number a point, learns
slowly where a surface is as a whole: most of its early answers are the middle between inside and outside. Here one
more convolution draws the depth of every pixel, which is told how far it is off everywhere at once; a point's
distance along the ray to that drawing is its first answer, and the point-wise layers correct it. Before its first
step the network answers its own drawing.

An orthographic image does not show how far away a face is, and the measures align depth (facts §2.6), so both the
drawing and the points are taken in the depth that the network chose: the median difference is told apart and counts
little (:data:`ALONG`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.hourglass import StackedHourglass
from models.networks.implicit import ImplicitField, pixel_features
from models.networks.sdf_nets import LABEL_SCALE, SdfSize

FINER = 4  # pixels of the drawing along the side of a pixel of the features
TOLD = 2.0  # largest distance to the drawing that a point is told, in the networks' units
ALONG = 0.05  # weight of the depth as a whole beside the shape of the drawing


@dataclass(frozen=True)
class Drawn:
    """What is known of an image."""

    features: Float[Tensor, "b c h w"]
    depth: Float[Tensor, "b 1 4h 4w"]  # cube z of the visible surface


class GuidedField(nn.Module):
    """Signed distance as distance along the ray to a drawn depth map plus a correction, in the networks' units."""

    def __init__(self, size: SdfSize) -> None:
        super().__init__()
        features = size.base.features
        self.field = ImplicitField(StackedHourglass(size.base), features, size.base_head, known=1)
        self.drawing = nn.Conv2d(features, FINER**2, 1)
        nn.init.zeros_(self.drawing.bias)
        last = self.field.head.layers[-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def encode(self, image: Float[Tensor, "b i R R"]) -> list[Drawn]:
        """Feature maps of every stack with their drawings; the drawing has the image's own side."""
        return [
            Drawn(maps, F.pixel_shuffle(self.drawing(maps), FINER).float())
            for maps in self.field.encode(image)
        ]

    def query(self, maps: Drawn, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n"]:
        """Values at cube points."""
        before = LABEL_SCALE * (points[..., 2:].float() - pixel_features(maps.depth, points))
        correction = self.field.query(maps.features, points, before.clamp(-TOLD, TOLD))
        return before.clamp(-1, 1)[..., 0] + correction

    def forward(
        self,
        image: Float[Tensor, "b i R R"],
        points: Float[Tensor, "b n 3"],
        depth: Float[Tensor, "b R R"],
    ) -> Sequence[tuple[Float[Tensor, "b n"], Float[Tensor, "b R R"], Float[Tensor, " b"]]]:
        """Values by every stack's maps, in the depth that each of them chose; the last are the answer.

        Args:
            image: what f_base sees.
            points: cube.
            depth: of the true surface, NaN where unknown.

        Returns:
            Values at the points; the drawing's error beside its median (0 where unknown); that median.
        """
        answers = []
        for maps in self.encode(image):
            off = maps.depth[:, 0] - depth
            median = torch.nanmedian(off.flatten(1), dim=1).values.nan_to_num()
            moved = points + F.pad(median.detach()[:, None, None], (2, 0))
            shape = (off - median.detach()[:, None, None]).nan_to_num()
            answers.append((self.query(maps, moved), shape, median))
        return answers


@dataclass(frozen=True)
class GuidedBatch:
    """Inputs and targets of one step."""

    image: Float[Tensor, "b i R R"]
    points: Float[Tensor, "b n 3"]  # cube
    target: Float[Tensor, "b n"]  # scaled distances
    depth: Float[Tensor, "b R R"]  # cube z, NaN where unknown


def guided_loss(net: nn.Module, batch: GuidedBatch) -> Mapping[str, Tensor]:
    """Squared error of the values and absolute error of the drawing, both in the networks' units, over every stack.

    ``error`` is the mean absolute error of the answer, ``drawing`` that of its depth map.
    """
    known = batch.depth.isfinite().sum().clamp(min=1)
    losses = []
    for values, shape, median in net(batch.image, batch.points, batch.depth):
        error, drawing = F.mse_loss(values.float(), batch.target), LABEL_SCALE * shape.abs().sum() / known
        losses.append(error + drawing + ALONG * LABEL_SCALE * median.abs().mean())
    return {
        "loss": torch.stack(losses).mean(),
        "error": F.l1_loss(values.float(), batch.target),
        "drawing": drawing,
    }
