"""Normal maps go with their pictures: on spheres every augmented map is again that of a sphere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flows.normal_batches import NormalBatches, decoded
from flows.pair_cache import PairCache, Source
from models.geometry.camera import voxel_centres
from models.geometry.maps import decode_normals
from models.networks.sdf_augment import NONE, Augmentation
from models.networks.train_loop import Recipe
from tests.flows.sphere_store import R, radius_of, sphere_fields, sphere_store

RECIPE = Recipe(steps=10, batch=3)
MOVED = replace(NONE, flip=0.5, zoom=0.15, shift=0.08, roll=20.0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    path = tmp_path_factory.mktemp("store") / "spheres"
    sphere_store(path)
    return PairCache(Source(path, "gen-000001.json", "train"), R)


def test_batches_are_functions_of_their_positions(cache: PairCache) -> None:
    source = NormalBatches(cache, RECIPE, Augmentation())
    first, again = source(range(6, 9)), NormalBatches(cache, RECIPE, Augmentation())(range(6, 9))
    for name in ("image", "normals", "face"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert first.image.shape == (3, 12, R, R)
    assert first.normals.shape == (3, 2, 3, R, R)
    assert not torch.equal(first.image, source(range(9, 12)).image)


@pytest.mark.parametrize("at", range(8))
def test_the_map_of_a_moved_sphere_points_away_from_its_middle(cache: PairCache, at: int) -> None:
    _, _, maps = NormalBatches(cache, RECIPE, MOVED).example(at)
    axis = voxel_centres(R)
    x, y = np.meshgrid(axis, -axis)
    for front, sign in zip(maps, (1, -1), strict=True):
        inside = np.abs(front).sum(0) > 0
        middle = np.array([x[inside].mean(), y[inside].mean()])
        core = inside & (np.hypot(x - middle[0], y - middle[1]) < 0.3)
        slope = np.polyfit((x - middle[0])[core], front[0][core], 1)[0]
        assert slope > 1  # n_x grows to the right whether the sphere was mirrored, turned or moved
        assert np.allclose(front[0][core], slope * (x - middle[0])[core], atol=0.05)
        assert np.allclose(front[1][core], slope * (y - middle[1])[core], atol=0.05)
        assert (sign * front[2][core] > 0).all()
        assert np.allclose(np.linalg.norm(front, axis=0)[inside], 1, atol=1e-4)


def test_maps_are_those_of_the_store(cache: PairCache) -> None:
    key = cache.reader.keys[2]
    fields = sphere_fields(key)
    exact = decode_normals(fields["normal_front"])
    assert np.allclose(decoded(fields["normal_front"], R), exact, atol=1e-4)
    half = decoded(fields["normal_front"], R // 2)
    assert half.shape == (R // 2, R // 2, 3)
    assert radius_of(key) > 0
