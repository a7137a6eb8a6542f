"""Two small networks of ``@vladmandic/face-api`` (MIT) that take no part in making pairs: a detector and 68 points.

They are the audit's second pair of eyes. The detector is a tiny YOLO on depthwise separable convolutions, one box per
cell and anchor; the landmark network is four dense blocks on a 112² picture of the face's box. Weights stay in eight
bits, as they were published: ``value = code * scale + low`` per tensor (``assets/build_observer.py`` writes the file).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from models.networks.bisenet import WeightsError

# A face that fills a crop is found at one of these sides; of 47 such crops 416 alone finds 77 %, both together 98 %.
DETECTOR_SIDES = (192, 256)
ANCHORS = (
    (1.603231, 2.094468),
    (6.041143, 7.080126),
    (2.882459, 3.518061),
    (4.266906, 5.178857),
    (9.041765, 10.66308),
)
DETECTOR_MEAN = (117.001, 114.697, 97.404)
POINTS_SIDE = 112
POINTS_MEAN = (122.782, 117.001, 104.298)
SCORE = 0.5  # of the detector, as its authors set it
OVERLAP = 0.4  # boxes that share more than this are one face
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class FaceBox:
    """A detected face: left, top, right, bottom in pixels of the picture, and the detector's score in 0..1."""

    box: tuple[float, float, float, float]
    score: float


@functools.cache
def load_observer(weights: Path) -> Weights:
    """Tensors by name, float32 in PyTorch's order, once per process.

    Raises:
        WeightsError: the file is not what ``assets/build_observer.py`` writes.
    """
    fix = "Run 'git checkout -- assets/data/weights' to get the right file."
    try:
        stored = load_file(weights)
        names = [name for name in stored if not name.endswith(".range")]
        tensors = {n: stored[n].float() * stored[f"{n}.range"][0] + stored[f"{n}.range"][1] for n in names}
        tensors["detector.conv8.bias"], tensors["points.fc.bias"]
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        msg = (
            f"'{weights.name}' does not hold the observer's networks ({type(error).__name__}: {error}). {fix}"
        )
        raise WeightsError(msg) from error
    return tensors


@torch.inference_mode()
def find_faces(weights: Weights, image: UInt8[np.ndarray, "H W 3"], score: float = SCORE) -> list[FaceBox]:
    """Faces of a picture, the surest first."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    square[:height, :width] = image
    looks = [detector(weights, _input(square, n, DETECTOR_MEAN))[0] for n in DETECTOR_SIDES]
    boxes = np.concatenate([_boxes(out.double().numpy(), side) for out in looks])
    found: list[FaceBox] = []
    for row in boxes[np.argsort(-boxes[:, 4], kind="stable")]:
        box = (float(row[0]), float(row[1]), float(row[2]), float(row[3]))
        if row[4] > score and all(overlap(box, kept.box) <= OVERLAP for kept in found):
            found.append(FaceBox(box, float(row[4])))
    return found


@torch.inference_mode()
def find_points(
    weights: Weights, image: UInt8[np.ndarray, "H W 3"], box: tuple[float, float, float, float]
) -> Float[np.ndarray, "68 2"]:
    """iBUG-68 points (pixels, u right and v down) of the face in a box; outside the picture there is black."""
    left, top, right, bottom = box
    side = max(right - left, bottom - top, 1.0)
    # The network saw boxes padded to a square, the face in the middle.
    left, top = (left + right - side) / 2, (top + bottom - side) / 2
    scale = side / POINTS_SIDE
    # OpenCV's pixel centres are whole numbers, ours are halves.
    turn = np.array([[scale, 0, left + 0.5 * scale - 0.5], [0, scale, top + 0.5 * scale - 0.5]])
    if scale > 1:  # warpAffine does not average: smooth before shrinking
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.5 * (scale**2 - 1) ** 0.5 + 1e-3))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    face = cv2.warpAffine(image, turn, (POINTS_SIDE, POINTS_SIDE), flags=flags)
    out = landmarks(weights, _input(np.asarray(face), POINTS_SIDE, POINTS_MEAN))[0]
    return out.double().numpy().reshape(68, 2) * side + [left, top]


def detector(weights: Weights, x: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B 25 h/32 w/32"]:
    """Per cell and anchor: centre x, centre y, width, height, score, all before their activations."""
    x = _leaky(F.conv2d(x, weights["detector.conv0.filters"], weights["detector.conv0.bias"], padding=1))
    for k in range(1, 6):
        x = F.max_pool2d(x, 2, 2)
        x = _leaky(_separable(weights, f"detector.conv{k}", x, padding=1))
    x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 2, 1)
    return F.conv2d(x, weights["detector.conv8.filters"], weights["detector.conv8.bias"])


def landmarks(weights: Weights, x: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B 136"]:
    """x, y of each point as shares of the box's side."""
    for k in range(4):
        x = _dense_block(weights, f"points.dense{k}", x, first=k == 0)
    return F.linear(F.avg_pool2d(x, 7, 2).flatten(1), weights["points.fc.weights"], weights["points.fc.bias"])


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Shared area over united area of two boxes."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, wide) * max(0.0, high)
    return shared / max((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared, 1e-9)


def _boxes(out: Float[np.ndarray, "25 n n"], side: int) -> Float[np.ndarray, "m 5"]:
    """Left, top, right, bottom (pixels) and score of every cell and anchor."""
    n = out.shape[-1]
    cells = out.reshape(len(ANCHORS), 5, n, n)
    sigmoid = 1 / (1 + np.exp(-cells[:, (0, 1, 4)]))
    row, column = np.mgrid[:n, :n]
    anchors = np.array(ANCHORS)[:, :, None, None]
    u, v = (sigmoid[:, 0] + column) / n * side, (sigmoid[:, 1] + row) / n * side
    half = np.exp(np.minimum(cells[:, 2:4], 10)) * anchors / n * side / 2
    rows = np.stack([u - half[:, 0], v - half[:, 1], u + half[:, 0], v + half[:, 1], sigmoid[:, 2]], axis=-1)
    return rows.reshape(-1, 5)


def _input(
    image: UInt8[np.ndarray, "h w 3"], side: int, mean: tuple[float, float, float]
) -> Float[Tensor, "1 3 side side"]:
    if image.shape[0] != side:
        way = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (side, side), interpolation=way))
    x = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    return (x - torch.tensor(mean).view(1, 3, 1, 1)) / 255


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1)


def _separable(weights: Weights, name: str, x: Tensor, padding: int, stride: int = 1) -> Tensor:
    """One filter per channel, then a mix of the channels."""
    x = F.conv2d(x, weights[f"{name}.depthwise_filter"], None, stride, padding, groups=x.shape[1])
    return F.conv2d(x, weights[f"{name}.pointwise_filter"], weights[f"{name}.bias"])


def _dense_block(weights: Weights, name: str, x: Tensor, first: bool) -> Tensor:
    """Four convolutions, each of which sees the sum of those before; the first halves the side."""
    x = F.pad(x, (0, 1, 0, 1))  # what TensorFlow's "same" adds at stride 2 and an even side
    if first:
        x = F.conv2d(x, weights[f"{name}.conv0.filters"], weights[f"{name}.conv0.bias"], stride=2)
    else:
        x = _separable(weights, f"{name}.conv0", x, padding=0, stride=2)
    total = x = F.relu(x)
    for k in range(1, 4):
        total = total + _separable(weights, f"{name}.conv{k}", x, padding=1)
        x = F.relu(total)
    return x
