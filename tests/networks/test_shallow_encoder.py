"""The encoder of f_fine: resolution, reach and size."""

from __future__ import annotations

import pytest
import torch

from models.networks.shallow_encoder import PAPER_SHALLOW, SMALL_SHALLOW, ShallowEncoder


def test_features_come_at_half_of_the_side() -> None:
    with torch.inference_mode():
        (found,) = ShallowEncoder(SMALL_SHALLOW)(torch.zeros(2, 12, 64, 64))
    assert tuple(found.shape) == (2, SMALL_SHALLOW.widths[-1], 32, 32)


def test_convolutions_reach_only_the_neighbourhood() -> None:
    torch.manual_seed(0)
    net = ShallowEncoder(SMALL_SHALLOW).eval()
    # Group normalisation sees everything; the convolutions alone must not.
    net.norm = torch.nn.Identity()
    net.norms = torch.nn.ModuleList(torch.nn.Identity() for _ in net.norms)
    image = torch.rand(1, 12, 96, 96)
    changed = image.clone()
    changed[..., 48, 48] += 1
    with torch.inference_mode():
        moved = (net(image)[0] != net(changed)[0]).any(1)[0]
    rows, columns = torch.nonzero(moved, as_tuple=True)
    assert int(rows.min()) >= 20
    assert int(rows.max()) <= 28
    assert int(columns.max()) - int(columns.min()) <= 9


def test_the_papers_encoder_is_small() -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in ShallowEncoder(PAPER_SHALLOW).parameters())
    assert count == pytest.approx(0.55e6, rel=0.1)
