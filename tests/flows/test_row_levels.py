"""Every level of the ladder can be made, and a kept model holds what reconstructs and no adversary."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flows.levels import KINDS, LEVELS
from flows.train import kept
from models.networks.normal_maps import NORMAL_SIZES, NormalLesson, NormalNet, NormalWeights


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
    NormalNet(judged).load_state_dict(kept("norm", tensors))
