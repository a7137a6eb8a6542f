"""Every level of the ladder can be made, trained and kept; adversaries are not kept, and f_base is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from flows import promotion, sdf_scores, train
from flows.levels import KINDS, LEVELS
from flows.train_run import TrainSettings
from models.geometry.metrics import Scores
from models.networks.normal_maps import NORMAL_SIZES, NormalLesson, NormalNet, NormalSize, NormalWeights
from models.networks.pix2pix import DiscriminatorSize, GeneratorSize
from models.networks.rows import whole
from models.networks.sdf_nets import SIZES
from storage.errors import StoreError
from tests.flows.sphere_store import R, sphere_store
from tests.flows.test_train import TINY

GENERATOR = GeneratorSize(width=2, halvings=2, blocks=1, local_blocks=1)
TINY_NORMAL = NormalSize(R, GENERATOR, GENERATOR, DiscriminatorSize(width=2), NormalWeights())


@pytest.mark.parametrize("name", ["norm", "pifu", "prnet", "prnet-fitted"])
def test_a_row_has_a_network_and_numbers_for_every_preset(name: str) -> None:
    level = LEVELS[name]
    with torch.device("meta"):
        counts = [sum(p.numel() for p in level.network(preset).parameters()) for preset in ("small", "paper")]
    assert 0 < counts[0] < counts[1]
    assert level.recipe("small").steps < level.recipe("paper").steps
    assert name in KINDS


def test_adversaries_are_not_kept() -> None:
    judged = replace(NORMAL_SIZES["small"], weights=NormalWeights())
    tensors = NormalLesson(judged).state_dict()
    assert any(name.startswith("judge.") for name in tensors)
    NormalNet(judged).load_state_dict(train.kept("norm", tensors))


def test_rows_are_trained_and_kept_by_the_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_server: str
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", run_server)
    monkeypatch.setitem(SIZES, "tiny", TINY)
    monkeypatch.setitem(NORMAL_SIZES, "tiny", TINY_NORMAL)
    row = sdf_scores.Row("00000000", 0.0, "model", Scores(2.0, 0.1, 0.1, 99.0))
    monkeypatch.setattr(promotion, "score_pairs", lambda *_: [row])
    sphere_store(tmp_path / "spheres")

    def run(*rows: str) -> list[dict[str, object]]:
        steps = dict.fromkeys(rows, 2)
        settings = TrainSettings(
            out=tmp_path / "run", preset="tiny", masks="labels", rows=rows, steps=steps, pairs=1, threads=1
        )
        return train.train(train.run_of(tmp_path / "spheres", settings))

    with pytest.raises(StoreError, match="'norm' stands on f_base"):
        run("norm")
    kept = run("base", "norm", "pifu")
    assert len(kept) == 2
    for model in train.Registry(tmp_path / "run" / "models").models():
        data = model.weights.read_bytes()
        levels = {name.split(".")[0] for name in load(data)}
        assert levels == ({"base", "norm"} if model.config["kind"] == "sdf" else {"pifu"})
        assert not any(".judge." in name for name in load(data))
        assert whole(data, model.config).image == R
