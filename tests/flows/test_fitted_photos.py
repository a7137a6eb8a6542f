"""Photographs of a plan with their fitted heads: each split its own, and what is missing is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from flows import fitted_photos as module
from flows.fitted_photos import fitted_photos
from models.geometry.camera import ScaledOrtho
from models.heads.synthetic import synthetic_head
from storage.errors import StoreError
from storage.plan import PlanRow
from tasks.sources import SourceError

R = 32
HEAD = synthetic_head()


def row(number: int, source: str, split: str, turn: float = 0.0) -> PlanRow:
    return PlanRow(f"{number:08d}", number, 0, 0, source, HEAD.name, "none", split, turn=turn)


ROWS = (
    row(0, "a", "train"),
    row(1, "b", "val"),
    row(2, "a", "train"),
    row(3, "c", "train"),
    row(4, "gone", "test"),
)


def arrays(source: str) -> Mapping[str, np.ndarray]:
    if source == "gone":
        raise SourceError("source 'gone' is not in the cache.")
    return {
        "photo": np.full((R, R, 3), ord(source), np.uint8), "parsing": np.ones((R, R), np.uint8),
        "landmarks": np.full((68, 2), 16, np.float32), "scale": np.float32(0.005),
        "rotation": np.eye(3, dtype=np.float32), "translation": np.float32([0.1, 0]),
        "identity": np.full(len(HEAD.id_basis), 0.1 * ord(source) / 97, np.float32),
        "expression": np.zeros(len(HEAD.exp_basis), np.float32),
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _no_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = SimpleNamespace(load=lambda source, head: arrays(source))
    monkeypatch.setattr(module, "load_config", lambda store: SimpleNamespace(make_recipe=lambda: recipe))
    monkeypatch.setattr(module, "head_model", lambda name: HEAD)
    plan = SimpleNamespace(rows=ROWS)
    monkeypatch.setattr(module.Store, "open", staticmethod(lambda path: SimpleNamespace(plan=plan)))


def test_a_split_has_its_photographs_each_once() -> None:
    found = list(fitted_photos(Path("store"), "train", 10))
    assert [int(photo.image[0, 0, 0]) for photo in found] == [ord("a"), ord("c")]
    assert len(list(fitted_photos(Path("store"), "train", 1))) == 1


def test_vertices_are_the_fitted_head_in_its_pose() -> None:
    photo = next(fitted_photos(Path("store"), "val", 1))
    given = arrays("b")
    pose = ScaledOrtho(0.005, np.eye(3), np.array([0.1, 0]))
    assert np.allclose(
        photo.vertices, pose.to_cube(HEAD.vertices(given["identity"], given["expression"])), atol=1e-5
    )


def test_a_photograph_that_is_not_annotated_is_told() -> None:
    with pytest.raises(StoreError, match=r"'gone' is not in the cache\. PRNet on fitted photographs needs"):
        list(fitted_photos(Path("store"), "test", 1))
