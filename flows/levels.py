"""What can be trained: every network of the ladder with its loss, batches and numbers, and the kind of model it joins.

A new row is a :class:`Level` here and nothing else: loop, checkpoints, curves, resuming, evaluation and promotion
are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from flows.pair_cache import PairCache
from flows.sdf_batches import Labels, SdfBatches, caches
from models.networks.implicit import field_loss
from models.networks.sdf_augment import NONE, Augmentation
from models.networks.sdf_nets import SIZES, base_field, fine_field
from models.networks.train_loop import Loss, Recipe, Sample


@dataclass(frozen=True)
class Level:
    """One network.

    Args:
        name: of its checkpoint's folder, and the prefix of its tensors in a kept model.
        network: a fresh one, for a preset.
        loss: see :data:`models.networks.train_loop.Loss`.
        batches: from (store, recipe, preset, split): the batch of given positions. Training pairs are augmented, those
            of other splits are not.
        recipe: numbers, for a preset.
    """

    name: str
    network: Callable[[str], nn.Module]
    loss: Loss
    batches: Callable[[Path, Recipe, str, str], Sample]
    recipe: Callable[[str], Recipe]


def _base_recipe(preset: str) -> Recipe:
    return Recipe(10_000) if preset == "small" else Recipe(260_000, batch=12, rate=1e-3, warmup=8600)


def _fine_recipe(preset: str) -> Recipe:
    return Recipe(2000, rate=1e-3) if preset == "small" else Recipe(130_000, batch=24, rate=1e-3, warmup=4300)


def _sdf_batches(labels: Labels) -> Callable[[Path, Recipe, str, str], Sample]:
    def make(store: Path, recipe: Recipe, preset: str, split: str) -> Sample:
        size = SIZES[preset]
        side = size.image if labels == "base" else size.fine_image
        cache = PairCache(caches(store), store, split, side)
        return SdfBatches(cache, labels, recipe, size.points, Augmentation() if split == "train" else NONE)

    return make


LEVELS: Mapping[str, Level] = {
    level.name: level
    for level in (
        Level(
            "base",
            lambda preset: base_field(SIZES[preset]),
            field_loss,
            _sdf_batches("base"),
            _base_recipe,
        ),
        Level(
            "fine",
            lambda preset: fine_field(SIZES[preset]),
            field_loss,
            _sdf_batches("fine"),
            _fine_recipe,
        ),
    )
}

# What --rows may name: a level, and the kind of model that it becomes a part of.
KINDS: Mapping[str, str] = {"base": "sdf", "fine": "sdf"}
