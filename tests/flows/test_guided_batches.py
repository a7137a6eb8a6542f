"""Depth maps go with pictures and points: on augmented spheres points are as far from the front as their labels say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flows.fit_cache import FitCache
from flows.guided_batches import GuidedBatches
from flows.pair_cache import PairCache, Source
from flows.residual_batches import ResidualBatches
from flows.sdf_batches import SdfBatches
from models.networks.fitted_head import CHANNELS
from models.networks.sdf_augment import NONE, Augmentation
from models.networks.sdf_nets import LABEL_SCALE
from models.networks.train_loop import Recipe
from tests.flows.sphere_store import R, sphere_store

MOVED = replace(NONE, flip=0.5, zoom=0.1, shift=0.08, roll=20.0)
RECIPE = Recipe(10, batch=3)


class Flat:
    """A fitted "head" that is a disc at one depth."""

    def maps(self, side: int) -> np.ndarray:
        maps = np.zeros((side, side, CHANNELS), np.float32)
        maps[side // 4 : -side // 4, side // 4 : -side // 4] = (0.5, 0, 0, 1, 1)
        return maps


class Fits:
    """Finds a head in all images but the first."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, image: np.ndarray) -> Flat | None:
        self.asked += 1
        return Flat() if self.asked > 1 else None


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    path = tmp_path_factory.mktemp("store") / "spheres"
    sphere_store(path)
    return PairCache(Source(path, "gen-000001.json", "train"), R)


def distances(cache: PairCache, how: Augmentation = MOVED) -> SdfBatches:
    return SdfBatches(cache, "base", RECIPE, 400, how)


@pytest.mark.parametrize("at", range(6))
def test_a_point_in_front_of_the_depth_map_is_outside(cache: PairCache, at: int) -> None:
    batch = GuidedBatches(distances(cache))(range(at, at + 1))
    x, y, z = batch.points[0].T
    row, column = ((1 - y) * R / 2).long().clamp(0, R - 1), ((x + 1) * R / 2).long().clamp(0, R - 1)
    rows, columns = torch.nonzero(batch.depth[0].isfinite()).float().mean(0)  # the sphere's middle
    flat = (
        torch.hypot(row - rows, column - columns) < 0.25 * R / 2
    )  # where a pixel's depth is that of its points
    ray, target = LABEL_SCALE * (z - batch.depth[0, row, column]), batch.target[0]
    told = flat & (target.abs() < 0.9) & (ray.abs() < 2)
    assert told.sum() > 20
    assert (ray - target)[told].abs().max() < 0.5
    assert torch.corrcoef(torch.stack([ray[told], target[told]]))[0, 1] > 0.95


def test_the_rest_is_the_batch_of_f_base(cache: PairCache) -> None:
    plain, guided = distances(cache)(range(3, 6)), GuidedBatches(distances(cache))(range(3, 6))
    for name in ("image", "points", "target"):
        assert torch.equal(getattr(plain, name), getattr(guided, name))
    assert guided.depth.shape == (3, R, R)


def test_fitted_heads_join_the_image_and_move_with_it(cache: PairCache) -> None:
    fits = FitCache(cache, Fits())
    batches = ResidualBatches(distances(cache), fits, moved=True)
    assert len(fits.found) == len(cache) - 1
    first, again = batches(range(4)), batches(range(4))
    assert first.image.shape == (4, 12 + CHANNELS, R, R)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.depth.nan_to_num(9), again.depth.nan_to_num(9))
    still = ResidualBatches(distances(cache, NONE), fits, moved=False)(range(1))
    assert still.image[0, 12].unique().tolist() == [0.5]  # beside the disc its depth is told
    assert still.image[0, -1].mean() == 0.25


def test_fits_are_made_once(cache: PairCache) -> None:
    FitCache(cache, Fits()).array("maps")
    nobody = Fits()
    FitCache(cache, nobody).array("maps")
    assert nobody.asked == 0
