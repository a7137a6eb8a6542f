"""Scores of reconstructions: exact ones are perfect, failures are counted and left out of the means."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from assets.registry import default_head
from flows import sdf_scores
from flows.sdf_scores import Row, means, score_pairs, table
from models.geometry.camera import ScaledOrtho
from models.geometry.metrics import Scores
from models.networks.hierarchical import Reconstruction
from tests.flows.sphere_store import sphere_store

POSE = ScaledOrtho(1 / 150, np.eye(3), np.zeros(2))


class Truth:
    """Stands for the store's mesh reader: the mean head for every pair."""

    def __init__(self, store: object) -> None:
        pass

    def read(self, key: str) -> SimpleNamespace:
        head = default_head()
        vertices = POSE.to_cube(head.mean.astype(np.float64)).astype(np.float32)
        return SimpleNamespace(vertices=vertices, head=head, pose=POSE)


class Model:
    """Gives the mean head moved by some millimetres, or fails."""

    def __init__(self, shift: float, fails: bool = False) -> None:
        self.shift, self.fails = shift, fails

    def reconstruct(self, image: np.ndarray, semantic: np.ndarray) -> Reconstruction:
        if self.fails:
            msg = "no surface"
            raise ValueError(msg)
        head = default_head()
        moved = head.mean.astype(np.float64) + np.array([self.shift, 0, 0])
        return Reconstruction(POSE.to_cube(moved).astype(np.float32), head.faces, 0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "spheres"
    sphere_store(path)
    return path


@pytest.fixture(autouse=True)
def _truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdf_scores, "MeshReader", Truth)


def rows(store: Path, model: Model) -> list[Row]:
    return list(score_pairs(store, model, ("val",), 1, lambda: None))  # type: ignore[arg-type]


def test_the_truth_itself_scores_zero(store: Path) -> None:
    found = {row.method: row.scores for row in rows(store, Model(0.0))}
    assert found["model"].cd < 0.01
    assert found["model"].cr > 99
    assert found["mean head, true pose"].cd < 0.01
    assert np.isnan(found["landmark fit"].cd)  # there is no face in a picture of a sphere


def test_a_shifted_shape_scores_worse(store: Path) -> None:
    near, far = (means(rows(store, Model(shift)))["model/cd"] for shift in (1.0, 4.0))
    assert 0 < near < far < 4


def test_a_failure_is_counted_and_left_out(store: Path) -> None:
    found = means(rows(store, Model(0.0, fails=True)))
    assert found["model/success"] == 0
    assert found["model/cd"] == -1


def test_the_table_has_a_row_a_method_and_a_column_a_bin() -> None:
    found = [
        Row("00000000", 3.0, "model", Scores(1.5, 0.06, 0.1, 99.0)),
        Row("00000001", -45.0, "model", Scores(2.5, 0.08, 0.2, 97.0)),
        Row("00000001", -45.0, "landmark fit", Scores(np.nan, np.nan, np.nan, np.nan)),
    ]
    lines = table(found).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| model | 1.50 | 0.060 | 99.0 | - | - | - | 2.50 | 0.080 | 97.0 |")
    assert lines[2].endswith("100.0 |")
    assert lines[3].endswith("0.0 |")
    assert means(found)["model/cd"] == 2.0
