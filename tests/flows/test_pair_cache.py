"""What is cached is what the store holds, and points lie where a network is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.pair_cache import FAR, FRONT, KEPT, RIM, PairCache, Source, choose, far_points
from storage.errors import StoreError
from storage.generation import latest
from tests.flows.sphere_store import R, radius_of, sphere_fields, sphere_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "spheres"
    sphere_store(path)
    return path


def source(store: Path, split: str = "train") -> Source:
    found = latest(store)
    assert found is not None
    return Source(store, found.name, split)


def test_pictures_and_labels_are_those_of_the_store(store: Path) -> None:
    cache = PairCache(source(store), R)
    for i in range(len(cache)):
        pair = cache.reader[i]
        assert np.array_equal(cache.array("image")[i], pair["image"])
        known = {tuple(p): v for p, v in zip(pair["sdf_index"].tolist(), pair["sdf_value"], strict=True)}
        kept = zip(cache.array("index")[i].tolist(), cache.array("value")[i], strict=True)
        assert all(known[tuple(p)] == v for p, v in kept)
    assert cache.array("index").shape == (len(cache), KEPT, 3)


def test_a_cache_is_made_once_and_the_same_again(store: Path, tmp_path: Path) -> None:
    first = PairCache(source(store), 32)
    before = {path.name: path.read_bytes() for path in first.root.iterdir()}
    stamp = first.root.stat().st_mtime_ns
    assert PairCache(source(store), 32).root.stat().st_mtime_ns == stamp
    first.root.rename(tmp_path / "old")
    again = PairCache(source(store), 32)
    assert {path.name: path.read_bytes() for path in again.root.iterdir()} == before


def test_a_cache_that_breaks_off_leaves_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.pair_cache.far_points", broken)
    cache = PairCache(source(store), 16)
    with pytest.raises(OSError, match="No space"):
        cache.array("image")
    assert not list(cache.source.decoded.glob("*/*16*"))
    assert not list(cache.source.decoded.glob("*/.*"))


def test_a_split_without_pairs_is_told(store: Path) -> None:
    with pytest.raises(StoreError, match="no pair of the split 'nothing'"):
        PairCache(source(store, "nothing"), R).array("image")


def test_most_points_lie_near_what_is_seen() -> None:
    key = "00000003"
    fields = sphere_fields(key)
    chosen = choose(fields["sdf_index"], fields["depth"], fields["mask"], np.random.default_rng(0), 1000)
    index = fields["sdf_index"][chosen].astype(float)
    place = 2 * (index + 0.5) / 256 - 1
    wide = radius_of(key) + 7 / 128 * np.sqrt(2)
    assert (np.hypot(place[:, 0], place[:, 1]) < wide).all()
    front = place[: round(FRONT * 1000)]
    assert (front[:, 2] > -0.06).all()
    assert (place[len(front) :, 2] < 0.1).mean() > 0.8


def test_a_pair_without_a_face_takes_any_point() -> None:
    fields = sphere_fields("00000003")
    nobody = np.zeros_like(fields["mask"])
    assert len(choose(fields["sdf_index"], fields["depth"], nobody, np.random.default_rng(0), 100)) == 100


def test_far_points_are_in_front_of_the_face_or_inside_it() -> None:
    fields = sphere_fields("00000003")
    found = far_points(fields["depth"], fields["mask"], 500, np.random.default_rng(0))
    distance = np.linalg.norm(found[:, :3], axis=1) - radius_of("00000003")
    assert (distance[found[:, 3] > 0] > 0.02).all()
    assert (distance[found[:, 3] < 0] < -0.02).all()
    assert 0.3 < (found[:, 3] > 0).mean() < 0.7


def test_without_a_face_far_points_lie_in_front_of_everything() -> None:
    found = far_points(np.full((8, 8), -2.0), np.zeros((8, 8), bool), FAR, np.random.default_rng(0))
    assert found.shape == (FAR, 4)
    assert (found[:, 2] > 0.9).all()
    assert (found[:, 3] == np.float32(RIM)).all()
