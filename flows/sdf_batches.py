"""Batches of the implicit fields from a published generation; a function of (seed, positions), whoever asks.

Each epoch is the store's :class:`storage.reader.EpochOrder`. Points near the surface come from the stored labels;
some far ones, with distances clipped at the band's rim, are read off the depth map.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import torch

from flows.pair_cache import GRID, PairCache
from models.geometry.camera import voxel_centres
from models.networks.implicit import FieldBatch
from models.networks.sdf_augment import Augmentation, Example, augment
from models.networks.sdf_input import sdf_input
from models.networks.sdf_nets import LABEL_SCALE, RESIDUAL_SCALE
from models.networks.train_loop import Recipe
from storage.reader import EpochOrder

FAR_SHARE = 0.1  # share of f_base's points that lie outside the band
Labels = Literal["base", "fine"]


@dataclass(frozen=True)
class SdfBatches:
    """Batches of one level.

    Args:
        cache: decoded pairs of one split.
        labels: "base" for distances, "fine" for the residuals of equation 2.
        recipe: its seed.
        points: of a pair and step.
        how: augmentation.
    """

    cache: PairCache
    labels: Labels
    recipe: Recipe
    points: int
    how: Augmentation

    def __call__(self, positions: range) -> FieldBatch:
        """The batch of some positions of the run, counted over all epochs."""
        return collate([self.example(at) for at in positions], self.labels)

    def example(self, at: int) -> Example:
        """The ``at``-th augmented example of the run."""
        index = dealt(len(self.cache), self.recipe.seed, at)
        rng = np.random.default_rng(np.random.SeedSequence(self.recipe.seed, spawn_key=(1, at)))
        return augment(self.read(index, rng), rng, self.how)

    def read(self, index: int, rng: np.random.Generator) -> Example:
        """Pair ``index`` with randomly chosen points, not augmented."""
        take = self.cache.array
        stored = take("index")
        chosen = rng.integers(0, stored.shape[1], self.points)
        points = self._axis[stored[index, chosen]]
        values = take("value" if self.labels == "base" else "residual")[index, chosen].astype(np.float32)
        if self.labels == "base":
            count = round(FAR_SHARE * self.points)
            far = take("far")
            far = far[index, rng.integers(0, far.shape[1], count)].astype(np.float32)
            points[:count], values[:count] = far[:, :3], far[:, 3]
        depth = take("depth")[index].astype(np.float32)
        return Example(take("image")[index], take("semantic")[index], points, values, depth)

    @cached_property
    def _axis(self) -> np.ndarray:
        return voxel_centres(GRID).astype(np.float32)


def dealt(length: int, seed: int, at: int) -> int:
    """Which sample comes at a position of the run, counted over all epochs."""
    epoch, position = divmod(at, length)
    return _order(length, seed, epoch)[position]


@lru_cache(maxsize=4)
def _order(length: int, seed: int, epoch: int) -> list[int]:
    return list(EpochOrder(length, seed, epoch))


def collate(examples: list[Example], labels: Labels) -> FieldBatch:
    """Network inputs and scaled targets of some examples."""
    scale = LABEL_SCALE if labels == "base" else RESIDUAL_SCALE
    image = torch.from_numpy(np.stack([e.image for e in examples]))
    semantic = torch.from_numpy(np.stack([e.semantic for e in examples]))
    return FieldBatch(
        sdf_input(image, semantic),
        torch.from_numpy(np.stack([e.points for e in examples])),
        torch.from_numpy(np.stack([e.value for e in examples])) * scale,
    )
