"""Position maps go with their pictures, whether they come from pairs or from fitted photographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from assets.places import PlaceAtlas
from flows import position_batches
from flows.fitted_photos import FittedPhoto
from flows.pair_cache import PairCache, Source
from flows.position_batches import PositionBatches, fitted_maps, one_atlas, pair_maps
from models.geometry.camera import ScaledOrtho
from models.heads.synthetic import synthetic_head
from models.networks.position_map import PositionSize
from models.networks.sdf_augment import NONE, Augmentation
from models.networks.train_loop import Recipe
from storage.errors import StoreError
from tests.flows.sphere_store import R, sphere_store

SIZE = PositionSize(image=R, map=64, widths=(8, 16))
RECIPE = Recipe(steps=10, batch=3)
HEAD = synthetic_head()


def posed(number: int) -> np.ndarray:
    """The synthetic head a bit to the right, by its number."""
    return (HEAD.mean * 0.005 + np.float32([0.01 * number, 0, 0])).astype(np.float32)


def source(store: Path, split: str = "train") -> Source:
    return Source(store, "gen-000001.json", split)


class Meshes:
    """Decodes no store: every pair wears the synthetic head."""

    def __init__(self, store: object) -> None:
        pass

    def read(self, key: str) -> SimpleNamespace:
        return SimpleNamespace(
            vertices=posed(int(key)), head=HEAD, pose=ScaledOrtho(1.0, np.eye(3), np.zeros(2))
        )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sphere_store(tmp_path / "spheres")
    monkeypatch.setattr(position_batches, "MeshReader", Meshes)
    monkeypatch.setattr(position_batches, "default_head", lambda: replace(HEAD, name="sphere"))
    return tmp_path / "spheres"


def test_maps_of_pairs_are_those_of_their_meshes(store: Path) -> None:
    arrays = pair_maps(source(store), SIZE)
    keys = PairCache(source(store), R).reader.keys
    atlas = one_atlas(store, SIZE)
    assert len(arrays["places"]) == len(arrays["image"]) == len(keys)
    for i, key in enumerate(keys):
        assert np.allclose(arrays["places"][i], atlas.places(posed(int(key))), atol=5e-4)


def test_batches_are_functions_of_their_positions(store: Path) -> None:
    arrays, atlas = pair_maps(source(store), SIZE), one_atlas(store, SIZE)
    made = PositionBatches(arrays, atlas, RECIPE, Augmentation())
    first, again = made(range(3)), PositionBatches(arrays, atlas, RECIPE, Augmentation())(range(3))
    for name in ("image", "places", "weight"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert first.places.shape == (3, 3, 64, 64)
    assert first.weight.shape == (3, 64, 64)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_places_move_as_the_picture_does(store: Path, flip: float) -> None:
    arrays, atlas = pair_maps(source(store), SIZE), one_atlas(store, SIZE)
    how = replace(NONE, flip=flip, zoom=0.1, shift=0.05, roll=15.0)
    moved = PositionBatches(arrays, atlas, RECIPE, how).example(0)[2]
    plain = PositionBatches(arrays, atlas, RECIPE, NONE).example(0)[2]
    face = atlas.atlas.face
    if flip:
        plain = atlas.mirrored(plain)
    a, b = (p[face][::50].astype(np.float64) for p in (plain, moved))
    # A similarity of the plane and its scale along z: all distances grow alike.
    sizes = [np.linalg.norm(p[:, None] - p[None], axis=-1) for p in (a, b)]
    ratio = sizes[1][sizes[0] > 0.1] / sizes[0][sizes[0] > 0.1]
    assert np.ptp(ratio) < 0.01
    assert 0.89 < ratio.mean() < 1.11
    assert np.linalg.det(np.linalg.lstsq(a - a.mean(0), b - b.mean(0), rcond=None)[0]) > 0


def test_photographs_become_maps_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def photos(root: Path, split: str, most: int) -> list[FittedPhoto]:
        asked.append((split, most))
        picture = np.full((2 * R, 2 * R, 3), 60, np.uint8)
        return [FittedPhoto(picture, picture[..., 0], posed(i), HEAD) for i in range(3)]

    monkeypatch.setattr(position_batches, "fitted_photos", photos)
    for _ in range(2):
        arrays = fitted_maps(source(store, "val"), SIZE)
        assert arrays["image"].shape == (3, R, R, 3)
    assert asked == [("val", position_batches.FITTED["val"])]
    atlas = PlaceAtlas(HEAD, 64)
    assert np.allclose(arrays["places"][2], atlas.places(posed(2)), atol=5e-4)
    monkeypatch.setattr(position_batches, "fitted_photos", lambda *_: [])
    with pytest.raises(StoreError, match="no photograph of the split 'test'"):
        fitted_maps(source(store, "test"), SIZE)


def test_another_head_is_told_in_a_sentence(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position_batches, "default_head", lambda: HEAD)
    with pytest.raises(StoreError, match="'sphere', and position maps know"):
        one_atlas(store, SIZE)
