"""f_norm: two independent generators, for the normals that the viewer sees and for those at the back (facts §1.7).

Convention of both maps as in ``models.geometry.maps``: x right, y up, z to the viewer, same pixels as the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.pix2pix import (
    Discriminators,
    DiscriminatorSize,
    Generator,
    GeneratorSize,
    feature_loss,
    verdict_loss,
)
from models.networks.sdf_input import seen_by


@dataclass(frozen=True)
class NormalWeights:
    """Weights of the losses.

    pix2pixHD has no direct loss and a perceptual one; with labels as exact as ours the direct ones lead (facts §4,
    trap 3), and a picture network trained on photographs has nothing to say about normals.
    """

    difference: float = 2.0  # absolute difference of components
    angle: float = 4.0  # one minus the cosine
    outside: float = 0.1  # of head pixels that are not in the face, where nothing is carved
    features: float = 10.0  # discriminator features
    adversary: float = 1.0  # verdict of the discriminators


@dataclass(frozen=True)
class NormalSize:
    """Numbers of both generators, of their discriminators and losses, and the side of the image that they read."""

    image: int
    front: GeneratorSize
    back: GeneratorSize
    judge: DiscriminatorSize
    weights: NormalWeights


NORMAL_SIZES = {
    "paper": NormalSize(512, GeneratorSize(), GeneratorSize(), DiscriminatorSize(), NormalWeights()),
    "small": NormalSize(
        256,
        GeneratorSize(width=8, halvings=3, blocks=4, local_blocks=1),
        GeneratorSize(width=4, halvings=3, blocks=2, local_blocks=1),
        DiscriminatorSize(width=8),
        NormalWeights(features=0.0, adversary=0.0),
    ),
}


class NormalNet(nn.Module):
    """Both generators. Channels-last: twice as fast in bfloat16 on a CPU."""

    def __init__(self, size: NormalSize) -> None:
        super().__init__()
        self.side = size.image
        self.front, self.back = Generator(size.front), Generator(size.back)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Float[Tensor, "b i R R"]) -> Float[Tensor, "b 2 3 R R"]:
        """Front and back maps as the generators paint them, not yet of unit length."""
        image = image.contiguous(memory_format=torch.channels_last)
        return torch.stack([self.front(image), self.back(image)], dim=1)

    def maps(
        self, image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"]
    ) -> tuple[Float[np.ndarray, "S S 3"], Float[np.ndarray, "S S 3"]]:
        """Unit normals, front and back, of one image; they mean something in its face."""
        with torch.inference_mode():
            made = unit(self(seen_by(image, semantic, self.side)).float())[0]
        front, back = made.permute(0, 2, 3, 1).numpy()
        return front, back


class NormalJudge(nn.Module):
    """The adversaries of both generators."""

    def __init__(self, size: NormalSize) -> None:
        super().__init__()
        self.front, self.back = Discriminators(size.judge), Discriminators(size.judge)

    def forward(
        self, image: Float[Tensor, "b i R R"], maps: Float[Tensor, "b 2 3 R R"]
    ) -> list[list[Tensor]]:
        """Features and verdicts of every scale, of the front and then of the back map."""
        front, back = (torch.cat([image, maps[:, k].to(image.dtype)], dim=1) for k in (0, 1))
        return [*self.front(front), *self.back(back)]


@dataclass(frozen=True)
class NormalBatch:
    """What f_norm learns from in one step."""

    image: Float[Tensor, "b i R R"]
    normals: Float[Tensor, "b 2 3 R R"]  # front and back, unit; zeros where there is no head
    face: Bool[Tensor, "b R R"]


class NormalLesson(NormalNet):
    """The generators while they are trained, with their adversaries when these have a say."""

    def __init__(self, size: NormalSize) -> None:
        super().__init__(size)
        self.weights = size.weights
        judged = size.weights.adversary > 0 or size.weights.features > 0
        self.judge = NormalJudge(size) if judged else None

    def forward(self, image: Tensor, normals: Tensor, face: Tensor) -> dict[str, Tensor]:
        """All scalars of a step: what is minimised, and the angles of front and back in degrees."""
        batch, weights = NormalBatch(image, normals, face), self.weights
        made = super().forward(image)
        loss = direct_loss(made, batch, weights)
        found = {}
        if self.judge is not None:
            fixed = {k: v.detach() for k, v in self.judge.named_parameters()}
            shown = _on_head(made, batch)
            fake = torch.func.functional_call(self.judge, fixed, (image, shown))
            true, told = self.judge(image, normals), self.judge(image, shown.detach())
            found["judge"] = 0.5 * (verdict_loss(told, 0.0) + verdict_loss(true, 1.0))
            found["verdict"] = verdict_loss(fake, 1.0)
            found["features"] = feature_loss(fake, true)
            loss = loss + weights.adversary * found["verdict"] + weights.features * found["features"]
            loss = loss + found["judge"]
        front, back = mean_angle(made.detach(), batch)
        return {"loss": loss, "front": front, "back": back} | found


def normal_loss(net: nn.Module, batch: NormalBatch) -> Mapping[str, Tensor]:
    """The scalars of :class:`NormalLesson`."""
    return net(batch.image, batch.normals, batch.face)


def unit(maps: Float[Tensor, "*b 3 R R"]) -> Float[Tensor, "*b 3 R R"]:
    """Vectors of length one."""
    return F.normalize(maps, dim=-3, eps=1e-6)


def direct_loss(
    made: Float[Tensor, "b 2 3 R R"], batch: NormalBatch, weights: NormalWeights
) -> Float[Tensor, ""]:
    """Weighted difference of components and of angle over the pixels of the head."""
    made = made.float()
    head = batch.normals.abs().sum(2) > 0  # (b, 2, R, R)
    weight = torch.where(batch.face[:, None], 1.0, weights.outside) * head
    components = (made - batch.normals).abs().sum(2)
    turned = 1 - (unit(made) * batch.normals).sum(2)
    error = weights.difference * components + weights.angle * turned
    return (error * weight).sum() / weight.sum().clamp_min(1.0)


def mean_angle(made: Float[Tensor, "b 2 3 R R"], batch: NormalBatch) -> Float[Tensor, " 2"]:
    """Mean angle in the face, degrees, of front and back."""
    cosine = (unit(made.float()) * batch.normals).sum(2).clamp(-1, 1)
    weight = batch.face[:, None] * (batch.normals.abs().sum(2) > 0)
    angle = torch.rad2deg(torch.arccos(cosine))
    return (angle * weight).sum((0, 2, 3)) / weight.sum((0, 2, 3)).clamp_min(1.0)


def _on_head(made: Tensor, batch: NormalBatch) -> Tensor:
    """The judges see no background, which the true maps do not have."""
    return made * (batch.normals.abs().sum(2, keepdim=True) > 0)
