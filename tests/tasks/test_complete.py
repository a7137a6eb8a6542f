"""Stage complete: contract, independence of rows, missing weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from assets.registry import AssetError
from models.networks.completion import CompletionNet
from storage.plan import PlanRow
from tasks.complete import Complete
from tasks.contract import Batch, Stage

SIDE = 96


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = CompletionNet(width=12)
    generator = torch.Generator().manual_seed(1)
    tensors = {k: v + 0.03 * torch.randn(v.shape, generator=generator) for k, v in net.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "completion.safetensors"
    save_file(tensors, path)
    return path


def batch(rows: tuple[int, ...]) -> Batch:
    points = np.zeros((len(rows), 68, 2), np.float32)
    points[:, 36:42], points[:, 42:48], points[:, 48:] = (34, 40), (62, 40), (48, 68)
    hole = np.zeros((len(rows), SIDE, SIDE), bool)
    hole[:, 37:43, 28:40] = hole[:, 37:43, 56:68] = hole[:, 64:70, 40:56] = True
    render = np.stack(
        [np.random.default_rng(i).integers(90, 160, (SIDE, SIDE, 3), dtype=np.uint8) for i in rows]
    )
    plan = tuple(PlanRow(f"{i:08d}", i, 0, 7, "s", "h", "t", "train") for i in rows)
    return Batch(plan, {"landmarks": points, "render": render, "interior": 255 - render, "hole_mask": hole})


def test_is_a_stage_and_keeps_its_contract(weights: Path) -> None:
    stage = Complete(weights=weights)
    assert isinstance(stage, Stage)
    given = batch((0, 1))
    gives = stage(given)
    assert not gives.rejects
    completed = gives.fields["completed"]
    assert completed.dtype == np.uint8
    hole = given["hole_mask"]
    np.testing.assert_array_equal(completed[~hole], given["render"][~hole])
    assert (completed[hole] != given["render"][hole]).any()


def test_a_row_does_not_depend_on_its_neighbours(weights: Path) -> None:
    stage = Complete(weights=weights)
    together = stage(batch((4, 5, 6))).fields["completed"]
    alone = stage(batch((5,))).fields["completed"]
    np.testing.assert_array_equal(together[1], alone[0])


def test_a_head_that_renders_its_openings_shows_the_interior(weights: Path) -> None:
    given = batch((3,))
    completed = Complete(weights=weights, rendered=("eyes", "mouth"))(given).fields["completed"]
    hole = given["hole_mask"]
    np.testing.assert_array_equal(completed[hole], given["interior"][hole])


def test_gaze_differs_between_pairs(weights: Path) -> None:
    """Two pairs of the same face: only what is drawn per pair differs."""
    given = batch((4, 5))
    fields = {name: np.stack([value[0], value[0]]) for name, value in given.fields.items()}
    completed = Complete(weights=weights)(Batch(given.rows, fields)).fields["completed"]
    assert (completed[0] != completed[1]).any()


def test_missing_weights_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="facepairs train-swap completion"):
        Complete(weights=tmp_path / "completion.safetensors")(batch((0,)))


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    save_file({"eye.head.weight": torch.zeros(3, 3)}, tmp_path / "completion.safetensors")
    with pytest.raises(AssetError, match="does not hold"):
        Complete(weights=tmp_path / "completion.safetensors")(batch((0,)))
