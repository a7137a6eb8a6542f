from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assets.registry import default_head
from models.geometry.camera import ScaledOrtho
from models.geometry.truth import CubeTruth
from storage.errors import StoreError
from storage.registry import Registry
from tasks.eval_rows import Seen, Trained, find_models, floors, rows_of, trained_rows

POSE = ScaledOrtho(1 / 120, np.diag([1.0, 1.0, 1.0]), np.array([0.02, -0.05]))


def seen_head(shape: np.ndarray) -> Seen:
    """A picture in which the landmarks are known, without a picture."""
    head = default_head()
    vertices = head.vertices(shape, np.zeros(1)).astype(np.float64)
    truth = CubeTruth(
        POSE.to_cube(vertices).astype(np.float32), head.faces, np.ones(len(head.faces), bool), POSE
    )
    seen = Seen(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), truth)
    seen.__dict__["landmarks"] = POSE.to_cube(head.landmarks(vertices))[:, :2]
    return seen


def test_floors_of_the_mean_head_are_exact() -> None:
    seen = seen_head(np.zeros(3))
    assert seen.truth is not None
    for row in floors():
        scores = seen.truth.score(*row.surface(seen))
        assert scores.cd < (0.02 if row.kind == "true pose" else 0.5), row.name


def test_the_fit_is_nearer_than_the_posed_mean() -> None:
    rng, errors = np.random.default_rng(2), []
    for _ in range(3):
        seen = seen_head(1.2 * rng.normal(size=20).astype(np.float32))
        assert seen.truth is not None
        errors.append([seen.truth.score(*row.surface(seen)).cd for row in floors()])
    _, posed, fitted = np.mean(errors, axis=0)
    assert fitted < posed


def test_no_face_is_the_benchmarks_failure() -> None:
    seen = Seen(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8))
    for row in floors():
        with pytest.raises(ValueError, match=r"finds no face|true pose is known"):
            row.surface(seen)


def test_models_give_the_rows_that_they_can_fill(tmp_path: Path) -> None:
    kept = Registry(tmp_path)
    sdf = kept.add(b"a", {"kind": "sdf", "levels": ["base", "fine"], "preset": "small"}, {}, "")
    prnet = kept.add(b"b", {"kind": "prnet", "labels": "fitted"}, {}, "")
    pifu = kept.add(b"c", {"kind": "pifu"}, {}, "")
    assert rows_of(sdf) == ("base", "base+fine")
    assert [row.name for row in trained_rows((sdf, pifu, prnet))] == [
        "prnet-fitted",
        "pifu",
        "base",
        "base+fine",
    ]
    drawn = kept.add(b"g", {"kind": "sdf", "levels": ["base", "guided", "fine"]}, {}, "")
    assert rows_of(drawn) == ("base", "base+fine", "guided", "guided+fine")
    whole = kept.add(b"f", {"kind": "sdf", "levels": ["base", "fine", "norm", "residual"]}, {}, "")
    above = ("base+fine+norm", "base+fine+integrated", "residual", "residual+fine")
    assert rows_of(whole)[2:] == (*above, "residual+fine+norm", "residual+fine+integrated")
    twin = kept.add(b"d", {"kind": "pifu"}, {}, "")
    assert {row.name for row in trained_rows((pifu, twin))} == {f"pifu ({pifu.name})", f"pifu ({twin.name})"}
    other = kept.add(b"e", {"kind": "swap"}, {}, "")
    with pytest.raises(StoreError, match="no row of the tables is for"):
        rows_of(other)


def test_a_digest_is_of_weights_row_and_configuration(tmp_path: Path) -> None:
    kept = Registry(tmp_path)
    one = kept.add(b"a", {"kind": "pifu", "preset": "small", "command": "x"}, {}, "")
    two = kept.add(b"b", {"kind": "pifu", "preset": "small", "command": "x"}, {}, "")
    digests = {Trained(row, model).digest for model in (one, two) for row in ("pifu", "base")}
    assert len(digests) == 4
    assert len({row.digest for row in floors()}) == 3


def test_models_are_found_by_either_folder(tmp_path: Path) -> None:
    kept = Registry(tmp_path / "models")
    model = kept.add(b"a", {"kind": "pifu"}, {}, "")
    with pytest.raises(StoreError, match="neither a trained model nor"):
        find_models((tmp_path / "models",))
    kept.promote(model)
    assert find_models((tmp_path / "models",)) == find_models((model.folder,))
    with pytest.raises(StoreError, match="neither a trained model nor"):
        find_models((tmp_path / "absent",))


def test_rows_of_one_model_share_their_first_field() -> None:
    torch = pytest.importorskip("torch")
    from models.networks.hierarchical import HierarchicalSdf
    from models.networks.sdf_nets import SIZES, base_field
    from tasks.eval_rows import _sharing

    torch.manual_seed(0)
    nets = [
        _sharing(HierarchicalSdf(base_field(SIZES["small"]).eval(), None, 256), "one model") for _ in range(2)
    ]
    assert nets[0].base is nets[1].base
    assert _sharing(nets[0], "another").base is not nets[0].base
    assert _sharing("what is no hierarchy", "one model") == "what is no hierarchy"
