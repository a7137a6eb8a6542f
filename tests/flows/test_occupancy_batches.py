"""PIFu learns from the points of f_base, by their side of the surface alone."""

from __future__ import annotations

from pathlib import Path

import torch

from flows.occupancy_batches import OccupancyBatches
from flows.pair_cache import PairCache, Source
from flows.sdf_batches import SdfBatches
from models.networks.sdf_augment import Augmentation
from models.networks.train_loop import Recipe
from tests.flows.sphere_store import R, sphere_store


def test_labels_are_sides_of_the_same_points(tmp_path: Path) -> None:
    sphere_store(tmp_path / "spheres")
    cache = PairCache(Source(tmp_path / "spheres", "gen-000001.json", "train"), R)
    distances = SdfBatches(cache, "base", Recipe(steps=1, batch=3), 200, Augmentation())
    known, batch = distances(range(3)), OccupancyBatches(distances)(range(3))
    assert torch.equal(batch.points, known.points)
    assert torch.equal(batch.image, known.image)
    assert torch.equal(batch.target == 1, known.target < 0)
    assert set(batch.target.unique().tolist()) == {0.0, 1.0}
