"""BiSeNet with a ResNet-18 context path: face parsing into 19 classes (facts §5.1).

Written for the public CelebAMask-HQ checkpoint ``79999_iter.pth``: module names are its key names, so all
191 tensors load strictly. The checkpoint numbers the classes its own way; :func:`to_official` renumbers them
(facts §5.2).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 - only its name, to report a refused checkpoint

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 19
INPUT_SIDE = 512
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Index: class of the checkpoint; value: official CelebAMask-HQ class.
OFFICIAL = np.array([0, 1, 6, 7, 4, 5, 3, 8, 9, 15, 2, 10, 11, 12, 17, 16, 18, 13, 14], np.uint8)


class WeightsError(ValueError):
    """A checkpoint does not hold the tensors of this network."""


class ConvBNReLU(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, inner: int, outer: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, h, w) -> (B, outer, h, w)."""
        return F.relu(self.bn(self.conv(x)))


class BasicBlock(nn.Module):
    """Residual block of ResNet-18."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.downsample: nn.Module = nn.Identity()
        if inner != outer or stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, h, w) -> (B, outer, h / stride, w / stride)."""
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(self.downsample(x) + residual)


class ResNet18(nn.Module):
    """The trunk, giving features at strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        widths = (64, 64, 128, 256, 512)
        for i in range(1, 5):
            blocks = (
                BasicBlock(widths[i - 1], widths[i], 1 if i == 1 else 2),
                BasicBlock(widths[i], widths[i], 1),
            )
            setattr(self, f"layer{i}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, h, w) -> 128, 256 and 512 channels."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    """Features times a gate computed from their mean."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(inner, outer)
        self.conv_atten = nn.Conv2d(outer, outer, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, h, w) -> (B, outer, h, w)."""
        features = self.conv(x)
        gate = self.bn_atten(self.conv_atten(features.mean((2, 3), keepdim=True)))
        return features * gate.sigmoid()


class ContextPath(nn.Module):
    """Trunk plus attention, summed from coarse to fine."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()
        self.arm16 = AttentionRefinement(256, 128)
        self.arm32 = AttentionRefinement(512, 128)
        self.conv_head32 = ConvBNReLU(128, 128)
        self.conv_head16 = ConvBNReLU(128, 128)
        self.conv_avg = ConvBNReLU(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, h, w) -> two maps of 128 channels at stride 8: spatial detail and context."""
        eighth, sixteenth, last = self.resnet(x)
        whole = self.conv_avg(last.mean((2, 3), keepdim=True))
        coarse = F.interpolate(self.arm32(last) + whole, size=sixteenth.shape[2:], mode="nearest")
        middle = self.arm16(sixteenth) + self.conv_head32(coarse)
        return eighth, self.conv_head16(F.interpolate(middle, size=eighth.shape[2:], mode="nearest"))


class FeatureFusion(nn.Module):
    """Joins the two paths and gates the result by its mean, with a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convblk = ConvBNReLU(width, width, 1)
        self.conv1 = nn.Conv2d(width, width // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(width // 4, width, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Two maps of width / 2 channels -> one of width."""
        features = self.convblk(torch.cat([spatial, context], dim=1))
        gate = self.conv2(F.relu(self.conv1(features.mean((2, 3), keepdim=True))))
        return features + features * gate.sigmoid()


class Head(nn.Module):
    """Class scores at the resolution of its input."""

    def __init__(self, inner: int, middle: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(inner, middle)
        self.conv_out = nn.Conv2d(middle, CLASSES, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inner, h, w) -> (B, 19, h, w)."""
        return self.conv_out(self.conv(x))


class BiSeNet(nn.Module):
    """Normalised RGB (B, 3, h, w) -> class scores (B, 19, h/8, w/8), in the checkpoint's class order.

    ``conv_out16`` and ``conv_out32`` were used in training only; they are kept so that checkpoints load
    strictly.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cp = ContextPath()
        self.ffm = FeatureFusion(256)
        self.conv_out = Head(256, 256)
        self.conv_out16 = Head(128, 64)
        self.conv_out32 = Head(128, 64)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores at an eighth of the input side."""
        return self.conv_out(self.ffm(*self.cp(x)))


def fast_bf16() -> bool:
    """Does this CPU multiply bfloat16 in hardware (AVX-512 BF16 or AMX)? Emulated, it is slower than
    float32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@functools.cache
def load_bisenet(weights: Path, device: str = "cpu") -> BiSeNet:
    """The network with a checkpoint's weights, in evaluation mode and channels-last, once per process.

    Raises:
        WeightsError: the file is no checkpoint, or its tensors are not exactly this network's.
    """
    fix = "Run 'facepairs assets fetch' to get the right file."
    try:
        tensors = torch.load(weights, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError) as error:
        msg = f"'{weights.name}' is not a checkpoint torch can load safely ({type(error).__name__}). {fix}"
        raise WeightsError(msg) from error
    network = BiSeNet()
    try:
        network.load_state_dict(tensors, strict=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        count = len(network.state_dict())
        msg = f"'{weights.name}' does not hold the {count} tensors of BiSeNet: {error}. {fix}"
        raise WeightsError(msg) from error
    return network.eval().to(device, memory_format=torch.channels_last)


@dataclass(frozen=True)
class FaceParser:
    """Square RGB pictures to official CelebAMask-HQ classes. ``bf16`` None means: where the device is fast
    at it."""

    weights: Path
    device: str = "cpu"
    bf16: bool | None = None

    @property
    def half(self) -> bool:
        """Whether convolutions run in bfloat16 here."""
        if self.bf16 is not None:
            return self.bf16
        return fast_bf16() if self.device == "cpu" else False

    @torch.inference_mode()
    def scores(
        self, photos: UInt8[np.ndarray, "B R R 3"], side: int = INPUT_SIDE
    ) -> Float[Tensor, "B 19 R R"]:
        """Class scores at the photos' size, in the checkpoint's order. One photo at a time: batches would
        make a photo's answer depend on its neighbours, and gain nothing on a CPU.
        """
        network = load_bisenet(self.weights, self.device)
        mean = torch.tensor(MEAN, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(STD, device=self.device).view(1, 3, 1, 1)
        answers = []
        for photo in photos:
            x = (
                torch.from_numpy(np.ascontiguousarray(photo)).to(self.device).permute(2, 0, 1)[None].float()
                / 255
            )
            if photo.shape[0] != side:
                shrinks = photo.shape[0] > side
                x = F.interpolate(
                    x, size=(side, side), mode="bilinear", align_corners=False, antialias=shrinks
                )
            x = ((x - mean) / std).contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=self.half):
                y = network(x)
            size = (photo.shape[0], photo.shape[1])
            answers.append(F.interpolate(y.float(), size=size, mode="bilinear", align_corners=False))
        return torch.cat(answers)

    def parse(self, photos: UInt8[np.ndarray, "B R R 3"]) -> UInt8[np.ndarray, "B R R"]:
        """Most likely class of every pixel, in the official order; left and right as the network says."""
        return to_official(self.scores(photos).argmax(1).cpu().numpy().astype(np.uint8))


def to_official(classes: UInt8[np.ndarray, "*n"]) -> UInt8[np.ndarray, "*n"]:
    """The checkpoint's class numbers to official CelebAMask-HQ numbers (facts §5.2)."""
    return OFFICIAL[classes]
