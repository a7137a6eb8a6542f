"""PRNet: a head as a picture of its atlas whose colours are places in the cube (Feng et al. 2018).

As in PRNet: residual blocks down to 8 x 8 features, transposed convolutions up again, no skip between the two, since
the picture and the atlas share no pixels. Group normalisation in place of batch normalisation, so that a pair does
not depend on its neighbours. What the decoder paints is added to the mean head's map under an affine map that the
bottom features give, so that a short training spends its steps on faces and not on the plainness of skin (ADR 17).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.hierarchical import Reconstruction, restored
from models.networks.sdf_input import face_mask, seen_by


@dataclass(frozen=True)
class PositionSize:
    """Numbers of the network: widths at the image's side, at half of it, and so on; and the side of its map."""

    inputs: int = 12
    image: int = 256
    map: int = 256
    widths: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    convolutions: int = 2  # after each doubling of the map


POSITION_SIZES = {
    "paper": PositionSize(),
    "small": PositionSize(image=128, map=128, widths=(16, 32, 64, 96, 128), convolutions=1),
}


def normed(channels: int) -> nn.GroupNorm:
    """Group normalisation over groups of 32 channels or more."""
    return nn.GroupNorm(max(1, channels // 32), channels)


class Bottleneck(nn.Module):
    """PRNet's residual block: 1 x 1 to half the channels, 4 x 4 (3 x 3 where the side stays), 1 x 1."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        self.convs = nn.ModuleList(
            (
                nn.Conv2d(inputs, half, 1, bias=False),
                nn.Conv2d(half, half, 2 + stride, stride=stride, padding=1, bias=False),
                nn.Conv2d(half, outputs, 1, bias=False),
            )
        )
        self.norms = nn.ModuleList((normed(half), normed(half), normed(outputs)))
        same = stride == 1 and inputs == outputs
        self.skip = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d g v"]:
        """Normalised after the skip is added, as published."""
        y = F.relu(self.norms[0](self.convs[0](x)))
        y = F.relu(self.norms[1](self.convs[1](y)))
        return F.relu(self.norms[2](self.convs[2](y) + self.skip(x)))


class PositionNet(nn.Module):
    """One image to one position map.

    Args:
        size: numbers.
        uvs: where each vertex of the head lies in the atlas, v up.
        faces: the head's triangles.
        mean: position map of the mean head, of order one. All three are kept with the weights, so that these make
            meshes by themselves.
    """

    uvs: Float[Tensor, "V 2"]
    faces: Int[Tensor, "F 3"]
    mean: Float[Tensor, "3 S S"]

    def __init__(
        self,
        size: PositionSize,
        uvs: Float[Tensor, "V 2"],
        faces: Int[Tensor, "F 3"],
        mean: Float[Tensor, "3 S S"],
    ) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("uvs", uvs.float())
        self.register_buffer("faces", faces.int())
        self.register_buffer("mean", mean.float())
        widths = size.widths
        self.stem = nn.Conv2d(size.inputs, widths[0], 3, padding=1, bias=False)
        self.norm = normed(widths[0])
        self.encode = nn.Sequential(
            *(
                block
                for a, b in pairwise(widths)
                for block in (Bottleneck(a, b, stride=2), Bottleneck(b, b, stride=1))
            )
        )
        bottom = size.image >> (len(widths) - 1)
        doublings = (size.map // bottom).bit_length() - 1
        down = widths[::-1][: doublings + 1]
        self.middle = Grow(down[0], down[0], doubled=False)
        self.decode = nn.Sequential(
            *(
                layer
                for a, b in pairwise(down)
                for layer in (
                    Grow(a, b, doubled=True),
                    *(Grow(b, b, doubled=False) for _ in range(size.convolutions)),
                )
            )
        )
        self.pose = nn.Linear(down[0] * bottom**2, 12)
        self.last = nn.Conv2d(down[-1], 3, 3, padding=1)
        with torch.no_grad():  # before the first step every answer is the mean head, upright in the middle
            for layer in (self.pose, self.last):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
            self.pose.bias.copy_(torch.eye(3, 4).ravel())
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Float[Tensor, "b i R R"]) -> Float[Tensor, "b 3 S S"]:
        """Cube x, y, z of every texel; row 0 is v = 1."""
        x = F.relu(self.norm(self.stem(image.contiguous(memory_format=torch.channels_last))))
        x = self.middle(self.encode(x))
        affine = self.pose(x.flatten(1)).float().unflatten(1, (3, 4))
        posed = torch.einsum("bij,jhw->bihw", affine[..., :3], self.mean) + affine[..., 3, None, None]
        return posed + self.last(self.decode(x)).float()


class Grow(nn.Module):
    """A transposed convolution, with a stride of 2 where the map doubles."""

    def __init__(self, inputs: int, outputs: int, doubled: bool) -> None:
        super().__init__()
        self.conv = (
            nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
            if doubled
            else nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        )
        self.norm = normed(outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d g v"]:
        """Convolve, normalise, rectify."""
        return F.relu(self.norm(self.conv(x)))


@dataclass(frozen=True)
class PositionBatch:
    """What the network learns from in one step."""

    image: Float[Tensor, "b i R R"]
    places: Float[Tensor, "b 3 S S"]  # cube
    weight: Float[Tensor, "b S S"]  # of each texel


def position_loss(net: nn.Module, batch: PositionBatch) -> Mapping[str, Tensor]:
    """Weighted squared distance of places, and its root for the curve."""
    squared = (net(batch.image).float() - batch.places).square().sum(1)
    loss = (squared * batch.weight).sum() / batch.weight.sum().clamp_min(1e-6)
    return {"loss": loss, "distance": loss.detach().sqrt()}


@dataclass(frozen=True, eq=False)
class PositionMap:
    """PRNet at work."""

    net: PositionNet

    @property
    def image(self) -> int:
        """Side of the images that the network reads."""
        return self.net.size.image

    def reconstruct(
        self, image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"]
    ) -> Reconstruction:
        """The whole head of one image, in the head model's topology.

        Args:
            image: square crop, sRGB.
            semantic: its CelebAMask classes.

        Raises:
            ValueError: the mask shows no face.
        """
        if not face_mask(semantic).any():
            msg = "the parsing shows no face in this image; pass a crop whose face fills half of it or more."
            raise ValueError(msg)
        with torch.inference_mode():
            places = self.net(seen_by(image, semantic, self.image)).float()
        vertices = at_vertices(places, self.net.uvs).numpy()
        return Reconstruction(vertices, self.net.faces.numpy(), places[0, 0].numel())


def at_vertices(places: Float[Tensor, "1 3 S S"], uvs: Float[Tensor, "V 2"]) -> Float[Tensor, "V 3"]:
    """Bilinear lookup of a position map at texture coordinates (v up)."""
    grid = torch.stack([2 * uvs[:, 0] - 1, 1 - 2 * uvs[:, 1]], -1)
    found = F.grid_sample(
        places, grid[None, None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return found[0, :, 0].T.contiguous()


def kept_position_net(size: PositionSize, level: str, tensors: Mapping[str, Tensor]) -> PositionNet | None:
    """The network of a level with its kept weights and topology; None where there are none."""
    uvs, faces, mean = (tensors.get(f"{level}.{name}") for name in ("uvs", "faces", "mean"))
    if uvs is None or faces is None or mean is None:
        return None
    return restored(level, tensors, lambda: PositionNet(size, uvs, faces, mean))
