"""The correction of a fitted head: distance to its surface in, what is missing to the true distance out.

A head model fitted to landmarks knows the pose well and the shape roughly. This network sees the image beside the
fitted head's depth and normals, is told each point's distance to the fitted surface, and adds what it finds wrong.
Before its first step it answers the fitted head itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.fitted_head import CHANNELS
from models.networks.hourglass import StackedHourglass
from models.networks.implicit import ImplicitField
from models.networks.sdf_nets import SdfSize


class ResidualField(nn.Module):
    """Signed distance as distance to the fitted head plus a correction, both in the networks' units."""

    def __init__(self, size: SdfSize) -> None:
        super().__init__()
        encoder = StackedHourglass(replace(size.base, inputs=size.base.inputs + CHANNELS))
        self.field = ImplicitField(encoder, size.base.features, size.base_head, known=1)
        last = self.field.head.layers[-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def begin(self, base: Mapping[str, Tensor]) -> None:
        """Take over the encoder of a trained f_base; the channels that it does not know start at zero."""
        state = {k.removeprefix("encoder."): v for k, v in base.items() if k.startswith("encoder.")}
        stem = state["stem.weight"]
        state["stem.weight"] = torch.cat([stem, stem.new_zeros(len(stem), CHANNELS, *stem.shape[2:])], dim=1)
        self.field.encoder.load_state_dict(state)

    def encode(self, image: Float[Tensor, "b i R R"]) -> list[Float[Tensor, "b c h w"]]:
        """Feature maps of image and fitted head."""
        return self.field.encode(image)

    def query(
        self,
        maps: Float[Tensor, "b c h w"],
        points: Float[Tensor, "b n 3"],
        fitted: Float[Tensor, "b n"],
    ) -> Float[Tensor, "b n"]:
        """Values at cube points whose scaled distance to the fitted head is ``fitted``."""
        return fitted + self.field.query(maps, points, fitted[..., None])

    def forward(
        self, image: Float[Tensor, "b i R R"], points: Float[Tensor, "b n 3"], fitted: Float[Tensor, "b n"]
    ) -> Sequence[Float[Tensor, "b n"]]:
        """Values by every feature map; the last is the answer."""
        return [self.query(maps, points, fitted) for maps in self.encode(image)]


@dataclass(frozen=True)
class ResidualBatch:
    """Inputs and scaled targets of one step."""

    image: Float[Tensor, "b i R R"]  # what f_base sees, then the fitted head's maps
    points: Float[Tensor, "b n 3"]
    fitted: Float[Tensor, "b n"]
    target: Float[Tensor, "b n"]


def residual_loss(net: nn.Module, batch: ResidualBatch) -> Mapping[str, Tensor]:
    """As :func:`models.networks.implicit.field_loss`; ``fit`` is the mean absolute error of the fitted head alone."""
    answers = [answer.float() for answer in net(batch.image, batch.points, batch.fitted)]
    losses = [F.mse_loss(answer, batch.target) for answer in answers]
    return {
        "loss": torch.stack(losses).mean(),
        "error": F.l1_loss(answers[-1], batch.target),
        "fit": F.l1_loss(batch.fitted, batch.target),
    }
