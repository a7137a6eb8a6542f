"""What can be trained: every network of the ladder with its loss, batches and numbers, and the kind of model it joins.

A new row is a :class:`Level` here and nothing else: loop, checkpoints, curves, resuming, evaluation and promotion
are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import nn

from assets.registry import asset_path, default_head
from flows.fit_cache import FitCache
from flows.guided_batches import GuidedBatches
from flows.pair_cache import PairCache, Source
from flows.position_batches import fitted_maps, pair_maps
from flows.residual_batches import ResidualBatches
from flows.row_levels import (
    normal_batches,
    normal_recipe,
    occupancy_batches,
    position_batches,
    position_net,
    position_recipe,
)
from flows.sdf_batches import Labels, SdfBatches
from models.networks.face_landmarker import FaceLandmarker
from models.networks.fitted_head import CHANNELS, HeadFitter
from models.networks.guided import GuidedField, guided_loss
from models.networks.implicit import field_loss
from models.networks.normal_maps import NORMAL_SIZES, NormalLesson, normal_loss
from models.networks.occupancy import occupancy_field
from models.networks.position_map import position_loss
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
        batches: from (source, recipe, preset): the batch of given positions. Training pairs are augmented, those
            of other splits are not.
        recipe: numbers, for a preset.
        after: level whose trained weights its network begins with, by its method ``begin``.
        training_only: prefixes of tensors that a kept model does without, such as adversaries.
    """

    name: str
    network: Callable[[str], nn.Module]
    loss: Loss
    batches: Callable[[Source, Recipe, str], Sample]
    recipe: Callable[[str], Recipe]
    after: str = ""
    training_only: tuple[str, ...] = ()


def _base_recipe(preset: str) -> Recipe:
    return Recipe(12_000) if preset == "small" else Recipe(260_000, batch=12, rate=1e-3, warmup=8600)


def _fine_recipe(preset: str) -> Recipe:
    return Recipe(2000, rate=1e-3) if preset == "small" else Recipe(130_000, batch=24, rate=1e-3, warmup=4300)


def _sdf_batches(labels: Labels) -> Callable[[Source, Recipe, str], SdfBatches]:
    def make(source: Source, recipe: Recipe, preset: str) -> SdfBatches:
        size = SIZES[preset]
        side = size.image if labels == "base" else size.fine_image
        how = Augmentation() if source.split == "train" else NONE
        return SdfBatches(PairCache(source, side), labels, recipe, size.points, how)

    return make


def _guided_batches(source: Source, recipe: Recipe, preset: str) -> Sample:
    return GuidedBatches(_sdf_batches("base")(source, recipe, preset))


def head_fitter() -> HeadFitter:
    """The detector and the head model that ship."""
    return HeadFitter(FaceLandmarker(asset_path("face_landmarker"), smallest=32.0), default_head())


def _residual_batches(source: Source, recipe: Recipe, preset: str) -> Sample:
    distances = _sdf_batches("base")(source, recipe, preset)
    return ResidualBatches(distances, FitCache(distances.cache, head_fitter()), moved=source.split == "train")


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
        Level(
            "guided",
            lambda preset: GuidedField(SIZES[preset]),
            guided_loss,
            _guided_batches,
            _base_recipe,
        ),
        Level(
            "residual",
            lambda preset: GuidedField(SIZES[preset], told=CHANNELS),
            guided_loss,
            _residual_batches,
            lambda preset: replace(_base_recipe(preset), rate=1e-3),
            after="guided",
        ),
        Level(
            "norm",
            lambda preset: NormalLesson(NORMAL_SIZES[preset]),
            normal_loss,
            normal_batches,
            normal_recipe,
            training_only=("judge.",),
        ),
        Level(
            "pifu",
            lambda preset: occupancy_field(SIZES[preset]),
            field_loss,
            occupancy_batches,
            _base_recipe,
        ),
        Level("prnet", position_net, position_loss, position_batches(pair_maps), position_recipe),
        Level("prnet-fitted", position_net, position_loss, position_batches(fitted_maps), position_recipe),
    )
}

# What --rows may name: a level, and the kind of model that it becomes a part of.
KINDS: Mapping[str, str] = {
    "base": "sdf", "fine": "sdf", "guided": "sdf", "residual": "sdf", "norm": "sdf", "pifu": "pifu", "prnet": "prnet",
    "prnet-fitted": "prnet-fitted",
}  # fmt: skip
