"""Networks, batches and numbers of the rows that are not f_base or f_fine: f_norm, PIFu and PRNet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from assets.places import PlaceAtlas
from assets.registry import default_head
from flows.normal_batches import NormalBatches
from flows.occupancy_batches import OccupancyBatches
from flows.pair_cache import PairCache, Source
from flows.position_batches import PositionBatches, one_atlas
from flows.sdf_batches import SdfBatches
from models.networks.normal_maps import NORMAL_SIZES
from models.networks.position_map import POSITION_SIZES, PositionNet, PositionSize
from models.networks.sdf_augment import NONE, Augmentation
from models.networks.sdf_nets import SIZES
from models.networks.train_loop import Recipe, Sample

Batches = Callable[[Source, Recipe, str], Sample]  # from (source, recipe, preset)
Arrays = Callable[[Source, PositionSize], dict[str, np.ndarray]]  # from (source, size)

TYPICAL = np.float32(150.0)  # mm of a cube unit in an ordinary crop


def occupancy_batches(source: Source, recipe: Recipe, preset: str) -> Sample:
    """Those of f_base with other labels."""
    size = SIZES[preset]
    cache = PairCache(source, size.image)
    return OccupancyBatches(SdfBatches(cache, "base", recipe, size.points, _moves(source.split)))


def normal_recipe(preset: str) -> Recipe:
    """``paper``: Adam with a first beta of 0.5 and 2e-4, 200 epochs of 100,000 pairs (facts §4)."""
    if preset == "small":
        return Recipe(3000, batch=4, rate=2e-3)
    return Recipe(2_500_000, batch=8, rate=2e-4, momentum=0.5, square=0.999, decay=0.0)


def normal_batches(source: Source, recipe: Recipe, preset: str) -> Sample:
    """Pictures and normal maps."""
    cache = PairCache(source, NORMAL_SIZES[preset].image)
    return NormalBatches(cache, recipe, _moves(source.split))


def position_net(preset: str) -> PositionNet:
    """PRNet with the topology of the head that ships."""
    atlas = PlaceAtlas(default_head(), POSITION_SIZES[preset].map)
    uvs, faces = torch.from_numpy(atlas.vertex_uvs), torch.from_numpy(atlas.faces)
    mean = torch.from_numpy(atlas.places(atlas.head.mean) / TYPICAL).permute(2, 0, 1)
    return PositionNet(POSITION_SIZES[preset], uvs, faces, mean)


def position_recipe(preset: str) -> Recipe:
    """``paper``: Adam, 1e-4, batches of 16, 30 epochs of 100,000 pairs (PRNet)."""
    return Recipe(4000) if preset == "small" else Recipe(190_000, batch=16, rate=1e-4)


def position_batches(arrays: Arrays) -> Batches:
    """Pictures and position maps of pairs or of fitted photographs."""

    def make(source: Source, recipe: Recipe, preset: str) -> Sample:
        size = POSITION_SIZES[preset]
        atlas = one_atlas(source.store, size)
        return PositionBatches(arrays(source, size), atlas, recipe, _moves(source.split))

    return make


def _moves(split: str) -> Augmentation:
    """Training pairs are augmented, those of other splits are not."""
    return Augmentation() if split == "train" else NONE
