"""f_norm: two independent generators, for the normals that the viewer sees and for those at the back (facts §1.7).

Convention of both maps as in ``models.geometry.maps``: x right, y up, z to the viewer, same pixels as the image.
"""

from __future__ import annotations

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
class NormalSize:
    """Numbers of both generators and of their discriminators, and the side of the image that they read."""

    image: int
    front: GeneratorSize
    back: GeneratorSize
    judge: DiscriminatorSize


NORMAL_SIZES = {
    "paper": NormalSize(512, GeneratorSize(), GeneratorSize(), DiscriminatorSize()),
    "small": NormalSize(
        256,
        GeneratorSize(width=8, halvings=3, blocks=4, local_blocks=1),
        GeneratorSize(width=4, halvings=3, blocks=2, local_blocks=1),
        DiscriminatorSize(width=8),
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
    normals: Float[Tensor, "b 2 3 R R"]  # unit; zeros where there is no head
    face: Bool[Tensor, "b R R"]


@dataclass(frozen=True)
class NormalWeights:
    """Weights of the losses.

    pix2pixHD has no direct loss and a perceptual one; with labels as exact as ours the direct ones lead (facts §4,
    trap 3), and a picture network trained on photographs has nothing to say about normals.
    """

    difference: float = 2.0  # absolute difference of components
    angle: float = 4.0  # one minus the cosine
    outside: float = 0.1  # of head pixels that are not in the face, where nothing is carved
    features: float = 0.0  # discriminator features; 10 in pix2pixHD
    adversary: float = 0.0  # verdict of the discriminators; 1 in pix2pixHD


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


def adversarial_loss(
    judge: NormalJudge, made: Float[Tensor, "b 2 3 R R"], batch: NormalBatch, weights: NormalWeights
) -> Float[Tensor, ""]:
    """What the generators learn from their adversaries."""
    fake, true = judge(batch.image, _on_head(made, batch)), judge(batch.image, batch.normals)
    return weights.adversary * verdict_loss(fake, 1.0) + weights.features * feature_loss(fake, true)


def judge_loss(judge: NormalJudge, made: Float[Tensor, "b 2 3 R R"], batch: NormalBatch) -> Float[Tensor, ""]:
    """What the adversaries learn: made maps are 0, true ones are 1."""
    fake = judge(batch.image, _on_head(made.detach(), batch))
    true = judge(batch.image, batch.normals)
    return 0.5 * (verdict_loss(fake, 0.0) + verdict_loss(true, 1.0))


def mean_angle(made: Float[Tensor, "b 2 3 R R"], batch: NormalBatch) -> Float[Tensor, " 2"]:
    """Mean angle in the face, degrees, of front and back."""
    cosine = (unit(made.float()) * batch.normals).sum(2).clamp(-1, 1)
    weight = batch.face[:, None] * (batch.normals.abs().sum(2) > 0)
    angle = torch.rad2deg(torch.arccos(cosine))
    return (angle * weight).sum((0, 2, 3)) / weight.sum((0, 2, 3)).clamp_min(1.0)


def _on_head(made: Tensor, batch: NormalBatch) -> Tensor:
    """The judges see no background, which the true maps do not have."""
    return made * (batch.normals.abs().sum(2, keepdim=True) > 0)
