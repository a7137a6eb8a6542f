"""Batches of f_base and f_fine from a published generation; a function of (seed, step), whoever asks.

Each epoch is the store's :class:`storage.reader.EpochOrder`, cut into batches. Points near the surface come from
the stored labels; some far ones, with distances clipped at the band's rim, are read off the depth map, because a
network that never saw them makes shells far from the face (facts §3.4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float

from models.geometry.camera import voxel_centres
from models.networks.implicit import FieldBatch
from models.networks.sdf_augment import Augmentation, Example, augment
from models.networks.sdf_input import face_mask, sdf_input
from models.networks.sdf_nets import LABEL_SCALE, RESIDUAL_SCALE, SdfSize
from models.networks.train_loop import Recipe
from storage.reader import EpochOrder, PairReader

GRID = 256  # of the stored voxel indices
FAR = 0.1  # share of the points that lie outside the band
RIM = 0.04  # distance at which labels end, cube units
CLEAR = 0.06  # distance along the ray from which a point counts as far
DEEP = 0.25  # how far behind the face's surface a head is surely solid
FIELDS = ("image", "semantic", "depth", "sdf_index")
Level = Literal["base", "fine"]


@dataclass(frozen=True)
class SdfBatches:
    """Batches of one level from one split of a store.

    Args:
        store: folder of the store.
        level: "base" learns distances, "fine" the residuals of equation 2.
        recipe: its seed.
        size: side of the images that the network reads, and points of a pair.
        how: augmentation.
        split: of the photographs.
    """

    store: Path
    level: Level
    recipe: Recipe
    size: SdfSize
    how: Augmentation
    split: str = "train"

    @cached_property
    def reader(self) -> PairReader:
        """Field-selective reader of the latest generation."""
        label = "sdf_value" if self.level == "base" else "sdf_residual"
        return PairReader(self.store, self.split, (*FIELDS, label))

    def __call__(self, positions: range) -> FieldBatch:
        """The batch of some positions of the run, counted over all epochs."""
        return collate([self.example(at) for at in positions], self.level)

    def example(self, at: int) -> Example:
        """The ``at``-th augmented example of the run, counted over all epochs."""
        epoch, position = divmod(at, len(self.reader))
        index = _order(len(self.reader), self.recipe.seed, epoch)[position]
        rng = np.random.default_rng(np.random.SeedSequence(self.recipe.seed, spawn_key=(1, at)))
        return augment(self.read(index, rng), rng, self.how)

    def read(self, index: int, rng: np.random.Generator) -> Example:
        """Pair ``index`` with randomly chosen points, as it is stored."""
        pair = self.reader[index]
        count = self.size.points
        value = pair["sdf_value" if self.level == "base" else "sdf_residual"]
        chosen = rng.integers(0, len(value), count)
        points = voxel_centres(GRID).astype(np.float32)[pair["sdf_index"][chosen]]
        values = value[chosen].astype(np.float32)
        if self.level == "base":
            far = far_points(pair["depth"], face_mask(pair["semantic"]), round(FAR * count), rng)
            points[: len(far)], values[: len(far)] = far[:, :3], far[:, 3]
        example = Example(pair["image"], pair["semantic"], points, values)
        return example if len(pair["image"]) == self.size.image else _resized(example, self.size.image)


@lru_cache(maxsize=2)
def _order(length: int, seed: int, epoch: int) -> list[int]:
    return list(EpochOrder(length, seed, epoch))


def _resized(example: Example, size: int) -> Example:
    """Another side of the picture; points live in the cube and stay."""
    side = (size, size)
    shrink = cv2.INTER_AREA if size < len(example.image) else cv2.INTER_LINEAR
    return replace(
        example,
        image=cv2.resize(example.image, side, interpolation=shrink),
        semantic=cv2.resize(example.semantic, side, interpolation=cv2.INTER_NEAREST),
    )


def far_points(
    depth: Float[np.ndarray, "R R"], face: np.ndarray, count: int, rng: np.random.Generator
) -> Float[np.ndarray, "n 4"]:
    """Points in front of the face (distance RIM) and inside the head behind it (-RIM): x, y, z, distance.

    Behind the face is solid only away from its border, where a ray may leave a cheek again.
    """
    inner = cv2.erode(face.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
    rows, columns = np.nonzero(inner)
    if not len(rows):
        return np.zeros((0, 4), np.float32)
    pick = rng.integers(0, len(rows), count)
    rows, columns = rows[pick], columns[pick]
    axis = voxel_centres(len(depth))
    surface = depth[rows, columns]
    in_front = rng.random(count) < 0.5
    share = rng.random(count)
    z = np.where(
        in_front, surface + CLEAR + share * (1 - surface - CLEAR), surface - CLEAR - share * (DEEP - CLEAR)
    )
    found = np.stack([axis[columns], -axis[rows], z, np.where(in_front, RIM, -RIM)], 1)
    return found.astype(np.float32)


def collate(examples: list[Example], level: Level) -> FieldBatch:
    """Network inputs and scaled targets of some examples."""
    scale = LABEL_SCALE if level == "base" else RESIDUAL_SCALE
    image = torch.from_numpy(np.stack([e.image for e in examples]))
    semantic = torch.from_numpy(np.stack([e.semantic for e in examples]))
    return FieldBatch(
        sdf_input(image, semantic),
        torch.from_numpy(np.stack([e.points for e in examples])),
        torch.from_numpy(np.stack([e.value for e in examples])) * scale,
    )
