"""kill -9 in the middle of an epoch of any level: the run goes on to the same losses and the same weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from flows.train_page import read_curves
from models.networks.train_loop import CHECKPOINT, averaged_weights
from tests.flows.killed_training import STEPS
from tests.flows.sphere_store import sphere_store

LEVELS = ("base", "fine", "guided", "residual", "norm", "pifu", "prnet", "prnet-fitted")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed")
    sphere_store(root / "store", pairs=16)
    done = subprocess.run(
        [sys.executable, "-m", "tests.flows.killed_training", str(root / "store"), str(root), *LEVELS],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return root


@pytest.mark.parametrize("name", LEVELS)
def test_losses_are_those_of_an_unbroken_run(out: Path, name: str) -> None:
    whole, killed = (read_curves(out / kind / name / "curves.csv") for kind in ("whole", "killed"))
    assert len(whole["loss"]) == STEPS
    assert whole == killed


@pytest.mark.parametrize("name", LEVELS)
def test_weights_are_those_of_an_unbroken_run(out: Path, name: str) -> None:
    whole, killed = (averaged_weights(out / kind / name) for kind in ("whole", "killed"))
    assert whole is not None
    assert killed is not None
    assert all(torch.equal(value, killed[key]) for key, value in whole.items())
    assert not list((out / "killed" / name).glob(f".{CHECKPOINT}*"))
