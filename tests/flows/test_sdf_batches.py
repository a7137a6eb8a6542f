"""Batches are functions of the step, and their labels are those of the shapes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flows.sdf_batches import FAR, RIM, SdfBatches, far_points
from models.networks.sdf_augment import NONE, Augmentation
from models.networks.sdf_nets import LABEL_SCALE, SIZES
from models.networks.train_loop import Recipe
from storage.reader import PairReader
from tests.flows.sphere_store import R, radius_of, sphere_fields, sphere_store

RECIPE = Recipe(steps=10, batch=3)
SIZE = replace(SIZES["small"], image=R, points=200)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "spheres"
    sphere_store(path)
    return path


def batches(store: Path, **more: object) -> SdfBatches:
    return replace(SdfBatches(store, "base", RECIPE, SIZE, Augmentation()), **more)  # type: ignore[arg-type]


def test_a_step_has_one_batch(store: Path) -> None:
    first, again = batches(store)(range(9, 12)), batches(store)(range(9, 12))
    for name in ("image", "points", "target"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.points, batches(store)(range(12, 15)).points)


def test_an_epoch_uses_every_training_pair_once(store: Path) -> None:
    source = batches(store, how=NONE)
    count = len(source.reader)
    greys = {float(source.example(at).image.astype(float).sum()) for at in range(count)}
    wanted = {float(source.read(i, np.random.default_rng(0)).image.astype(float).sum()) for i in range(count)}
    assert greys == wanted


def test_labels_are_distances_to_the_sphere(store: Path) -> None:
    source = batches(store, how=NONE)
    example = source.read(0, np.random.default_rng(1))
    radius = radius_of(source.reader.keys[0])
    far = round(FAR * SIZE.points)
    true = np.linalg.norm(example.points, axis=1) - radius
    assert np.allclose(example.value[far:], true[far:], atol=2e-4)
    assert (np.sign(example.value[:far]) == np.sign(true[:far])).all()
    assert (np.abs(example.value[:far]) == np.float32(RIM)).all()


def test_targets_are_scaled_and_shapes_fit(store: Path) -> None:
    batch = batches(store)(range(3))
    assert batch.image.shape == (3, 12, R, R)
    assert batch.points.shape == (3, 200, 3)
    assert float(batch.target.abs().max()) <= LABEL_SCALE * 0.04 * 1.15


def test_residuals_come_without_far_points(store: Path) -> None:
    source = batches(store, level="fine", how=NONE)
    assert (source.read(0, np.random.default_rng(0)).value == np.float32(np.float16(-1e-4))).all()


def test_another_image_side_changes_the_picture_alone(store: Path) -> None:
    source = batches(store, how=NONE, size=replace(SIZE, image=32))
    small, large = (
        source.read(0, np.random.default_rng(0)),
        batches(store, how=NONE).read(0, np.random.default_rng(0)),
    )
    assert small.image.shape == (32, 32, 3)
    assert np.array_equal(small.points, large.points)


def test_splits_do_not_meet(store: Path) -> None:
    keys = [set(PairReader(store, split, ("image",)).keys) for split in ("train", "val", "test")]
    assert all(keys)
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]


def test_far_points_are_in_front_of_the_face_or_inside_it() -> None:
    fields = sphere_fields("00000003")
    found = far_points(fields["depth"], fields["mask"], 500, np.random.default_rng(0))
    distance = np.linalg.norm(found[:, :3], axis=1) - radius_of("00000003")
    assert (distance[found[:, 3] > 0] > 0.02).all()
    assert (distance[found[:, 3] < 0] < -0.02).all()
    assert 0.3 < (found[:, 3] > 0).mean() < 0.7


def test_without_a_face_there_are_no_far_points() -> None:
    assert far_points(np.full((8, 8), -2.0), np.zeros((8, 8), bool), 5, np.random.default_rng(0)).shape == (
        0,
        4,
    )
