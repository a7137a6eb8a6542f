"""f_base that draws before it answers: a depth map first, then signed distance as distance along the ray to it.

Labels lie within four hundredths of the cube of the surface, so f_base, whose answer is one number a point, learns
slowly where a surface is as a whole: most of its early answers are the middle between inside and outside. Here one
more convolution draws the depth of every pixel, which is told how far it is off everywhere at once; a point's
distance along the ray to that drawing is its first answer, and the point-wise layers correct it. Before its first
step the network answers its own drawing.

An orthographic image does not show how far away a face is, and the measures align depth (facts §2.6), so both the
drawing and the points are taken in the depth that the network chose: the median difference is told apart and counts
little (:data:`ALONG`).

The drawing may begin on something: told the depth and normals of a head model that was fitted to landmarks
(:mod:`models.networks.fitted_head`), the network draws what is wrong with it, and before its first step it answers
the fitted head. That is the row "residual".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
    """Signed distance as distance along the ray to a drawn depth map plus a correction, in the networks' units.

    Args:
        size: that of f_base.
        told: maps that follow f_base's input, the first of them a depth that the drawing begins on; 0 for none.
    """

    def __init__(self, size: SdfSize, told: int = 0) -> None:
        super().__init__()
        self.seen, self.told, features = size.base.inputs, told, size.base.features
        encoder = StackedHourglass(replace(size.base, inputs=self.seen + told))
        self.field = ImplicitField(encoder, features, size.base_head, known=1)
        self.drawing = nn.Conv2d(features, FINER**2, 1)
        last = self.field.head.layers[-1]
        for tensor in (self.drawing.bias, last.weight, last.bias, *([self.drawing.weight] if told else [])):
            nn.init.zeros_(tensor)

    def begin(self, plain: Mapping[str, Tensor]) -> None:
        """Take over the encoder of a trained network that is told nothing; what it does not know starts at zero."""
        prefix = "field.encoder."
        state = {k.removeprefix(prefix): v for k, v in plain.items() if k.startswith(prefix)}
        stem = state["stem.weight"]
        state["stem.weight"] = torch.cat([stem, stem.new_zeros(len(stem), self.told, *stem.shape[2:])], dim=1)
        self.field.encoder.load_state_dict(state)

    def encode(self, image: Float[Tensor, "b i R R"]) -> list[Drawn]:
        """Feature maps of every stack with their drawings; the drawing has the image's own side."""
        first = image[:, self.seen : self.seen + 1].float() if self.told else 0.0
        return [
            Drawn(maps, F.pixel_shuffle(self.drawing(maps), FINER).float() + first)
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
            image: what f_base sees, then what the network is told.
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

    image: Float[Tensor, "b i R R"]  # what f_base sees, then what the network is told
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
