"""Batches are functions of positions, and their labels are those of the shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flows.pair_cache import RIM, PairCache, Source
from flows.sdf_batches import FAR_SHARE, SdfBatches
from models.networks.sdf_augment import NONE, Augmentation
from models.networks.sdf_nets import LABEL_SCALE
from models.networks.train_loop import Recipe
from storage.reader import PairReader
from tests.flows.sphere_store import R, radius_of, sphere_store

POINTS = 200


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PairCache:
    path = tmp_path_factory.mktemp("store") / "spheres"
    sphere_store(path)
    return PairCache(Source(path, "gen-000001.json", "train"), R)


def batches(cache: PairCache, **more: object) -> SdfBatches:
    return replace(SdfBatches(cache, "base", Recipe(10, batch=3), POINTS, Augmentation()), **more)  # type: ignore[arg-type]


def test_positions_decide_the_batch(cache: PairCache) -> None:
    first, again = batches(cache)(range(9, 12)), batches(cache)(range(9, 12))
    for name in ("image", "points", "target"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.points, batches(cache)(range(12, 15)).points)


def test_a_pair_is_the_same_in_whatever_batch(cache: PairCache) -> None:
    whole, part = batches(cache)(range(4)), batches(cache)(range(2, 4))
    assert torch.equal(whole.image[2:], part.image)
    assert torch.equal(whole.target[2:], part.target)


def test_an_epoch_uses_every_training_pair_once(cache: PairCache) -> None:
    source = batches(cache, how=NONE)
    count = len(cache)
    greys = {float(source.example(at).image.astype(float).sum()) for at in range(count)}
    wanted = {float(source.read(i, np.random.default_rng(0)).image.astype(float).sum()) for i in range(count)}
    assert greys == wanted


def test_labels_are_distances_to_the_sphere(cache: PairCache) -> None:
    example = batches(cache, how=NONE).read(0, np.random.default_rng(1))
    radius = radius_of(cache.reader.keys[0])
    far = round(FAR_SHARE * POINTS)
    true = np.linalg.norm(example.points, axis=1) - radius
    assert np.allclose(example.value[far:], true[far:], atol=2e-4)
    assert (np.sign(example.value[:far]) == np.sign(true[:far])).all()
    assert (np.abs(example.value[:far]) == np.float32(np.float16(RIM))).all()


def test_augmented_labels_are_distances_to_the_moved_sphere(cache: PairCache) -> None:
    how = replace(NONE, flip=1.0, zoom=0.1, roll=30.0)
    example = batches(cache, how=how).example(0)
    far = round(FAR_SHARE * POINTS)
    distance, value = np.linalg.norm(example.points, axis=1)[far:], example.value[far:]
    zoomed = distance - value  # of a sphere about the middle: its radius, zoomed
    assert np.ptp(zoomed) < 1e-3


def test_targets_are_scaled_and_shapes_fit(cache: PairCache) -> None:
    batch = batches(cache)(range(3))
    assert batch.image.shape == (3, 12, R, R)
    assert batch.points.shape == (3, POINTS, 3)
    assert float(batch.target.abs().max()) <= LABEL_SCALE * 0.04 * 1.16


def test_residuals_come_without_far_points(cache: PairCache) -> None:
    source = batches(cache, labels="fine", how=NONE)
    assert (source.read(0, np.random.default_rng(0)).value == np.float32(np.float16(-1e-4))).all()


def test_splits_do_not_meet(cache: PairCache) -> None:
    store = cache.source.store
    keys = [set(PairReader(store, split, ("image",)).keys) for split in ("train", "val", "test")]
    assert all(keys)
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]
