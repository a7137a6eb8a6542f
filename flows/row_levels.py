"""Networks, batches and numbers of the rows that are not f_base or f_fine: f_norm, PIFu and PRNet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from assets.places import PlaceAtlas
from assets.registry import default_head
from flows.normal_batches import NormalBatches
from flows.occupancy_batches import OccupancyBatches
from flows.pair_cache import PairCache
from flows.position_batches import PositionBatches, one_atlas
from flows.sdf_batches import SdfBatches, caches
from models.networks.normal_maps import NORMAL_SIZES
from models.networks.position_map import POSITION_SIZES, PositionNet, PositionSize
from models.networks.sdf_augment import NONE, Augmentation
from models.networks.sdf_nets import SIZES
from models.networks.train_loop import Recipe, Sample

Batches = Callable[[Path, Recipe, str, str], Sample]  # from (store, recipe, preset, split)
Arrays = Callable[[Path, str, PositionSize], dict[str, np.ndarray]]  # from (store, split, size)


def occupancy_batches(store: Path, recipe: Recipe, preset: str, split: str) -> Sample:
    """Those of f_base with other labels."""
    size = SIZES[preset]
    cache = PairCache(caches(store), store, split, size.image)
    return OccupancyBatches(SdfBatches(cache, "base", recipe, size.points, _moves(split)))


def normal_recipe(preset: str) -> Recipe:
    """``paper``: Adam with a first beta of 0.5 and 2e-4, 200 epochs of 100,000 pairs (facts §4)."""
    if preset == "small":
        return Recipe(3000, batch=4, rate=2e-3)
    return Recipe(2_500_000, batch=8, rate=2e-4, momentum=0.5, square=0.999, decay=0.0)


def normal_batches(store: Path, recipe: Recipe, preset: str, split: str) -> Sample:
    """Pictures and normal maps."""
    cache = PairCache(caches(store), store, split, NORMAL_SIZES[preset].image)
    return NormalBatches(cache, recipe, _moves(split))


def position_net(preset: str) -> PositionNet:
    """PRNet with the topology of the head that ships."""
    atlas = PlaceAtlas(default_head(), POSITION_SIZES[preset].map)
    uvs, faces = torch.from_numpy(atlas.vertex_uvs), torch.from_numpy(atlas.faces)
    return PositionNet(POSITION_SIZES[preset], uvs, faces)


def position_recipe(preset: str) -> Recipe:
    """``paper``: Adam, 1e-4, batches of 16, 30 epochs of 100,000 pairs (PRNet)."""
    return Recipe(5000) if preset == "small" else Recipe(190_000, batch=16, rate=1e-4)


def position_batches(arrays: Arrays) -> Batches:
    """Pictures and position maps of pairs or of fitted photographs."""

    def make(store: Path, recipe: Recipe, preset: str, split: str) -> Sample:
        size = POSITION_SIZES[preset]
        atlas = one_atlas(store, size)
        return PositionBatches(arrays(store, split, size), atlas, recipe, _moves(split))

    return make


def _moves(split: str) -> Augmentation:
    """Training pairs are augmented, those of other splits are not."""
    return Augmentation() if split == "train" else NONE
