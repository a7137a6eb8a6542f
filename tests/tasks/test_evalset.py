from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "flows"))
from sphere_store import sphere_store
from toy_bench import toy_bench

from assets.registry import default_head
from storage.errors import StoreError
from tasks.evalset import BenchSet, StoreSet, yaw_column


@pytest.mark.parametrize(
    ("yaw", "column"),
    [
        (0, "0-5°"),
        (-4.9, "0-5°"),
        (5, "5-30°"),
        (-30, "30-60°"),
        (59.9, "30-60°"),
        (90, "60-90°"),
        (101, "60-90°"),
    ],
)
def test_columns_are_the_benchmarks_bins(yaw: float, column: str) -> None:
    assert yaw_column(yaw) == column


def test_a_benchmark_as_a_set(tmp_path: Path) -> None:
    bench = toy_bench(tmp_path)
    chosen = BenchSet(bench)
    first, second = chosen.items
    assert (first.column, first.kind, second.column, second.kind) == ("0-5°", "inside", "5-30°", "outside")
    assert chosen.image(first).shape == (32, 32, 3)
    truth, head = chosen.truth(first), default_head()
    assert np.allclose(truth.millimetres, head.mean, atol=0.01)
    assert truth.score(truth.vertices, truth.faces).cd < 0.01
    assert len({item.digest for item in chosen.items}) == 2


def test_a_stores_held_out_pairs_as_a_set(tmp_path: Path) -> None:
    store = sphere_store(tmp_path / "spheres")
    chosen = StoreSet(store.root, ("val", "test"))
    assert len(chosen.items) > 1
    assert all(chosen.image(item).shape == (*chosen.semantic(item).shape, 3) for item in chosen.items)
    with pytest.raises(StoreError, match="has no pair of the splits"):
        _ = StoreSet(store.root, ("none",)).items
