"""A sheet shows photo, truth and reconstruction of held-out pairs; a level that cannot reconstruct yet has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from flows import levels, train, train_run, train_sheet
from flows.train_run import TrainSettings
from models.networks import hierarchical, sdf_nets
from models.networks.sdf_nets import base_field
from tests.flows.sphere_store import R, sphere_store
from tests.flows.test_train import TINY


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> train_run.TrainRun:
    for module in (train_run, levels, hierarchical, sdf_nets):
        monkeypatch.setitem(module.SIZES, "tiny", TINY)
    monkeypatch.setattr(train_sheet, "SHOWN", 1)
    sphere_store(tmp_path / "store")
    return train.run_of(
        tmp_path / "store", TrainSettings(out=tmp_path / "out", preset="tiny", masks="labels")
    )


def test_photo_truth_and_reconstruction_side_by_side(run: train_run.TrainRun) -> None:
    torch.manual_seed(0)
    sheet = train_sheet.Sheet(run, "base")
    drawn = sheet.draw(base_field(TINY).state_dict())
    assert drawn is not None
    assert drawn.shape == (R, 3 * R, 3)
    assert np.array_equal(drawn[:, :R], sheet.pairs[0]["image"])
    middle, corner = drawn[R // 2, R + R // 2, 0], drawn[0, R, 0]
    assert middle > 120
    assert corner == 24


def test_f_fine_alone_has_none(run: train_run.TrainRun) -> None:
    assert train_sheet.Sheet(run, "fine").draw({}) is None
