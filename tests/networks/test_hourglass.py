"""Stacked hourglass: shapes, size, and that features stay in their place."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from models.networks.hourglass import PAPER, SMALL, HourglassSize, StackedHourglass

TINY = HourglassSize(inputs=4, stem=8, middle=16, features=16, stacks=2, depth=2)


@pytest.mark.parametrize("size", [TINY, SMALL])
def test_every_stack_gives_features_at_a_quarter_of_the_side(size: HourglassSize) -> None:
    with torch.inference_mode():
        found = StackedHourglass(size)(torch.zeros(2, size.inputs, 64, 64))
    assert [tuple(f.shape) for f in found] == [(2, size.features, 16, 16)] * size.stacks


def test_the_papers_encoder_has_fourteen_million_parameters() -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in StackedHourglass(PAPER).parameters())
    assert count == pytest.approx(14.4e6, rel=0.02)  # facts §1.7


def test_a_shifted_image_shifts_the_features() -> None:
    torch.manual_seed(0)
    net = StackedHourglass(TINY).eval()
    image = torch.rand(1, 4, 96, 96)
    moved = torch.roll(image, 16, dims=3)  # four feature pixels, a whole number of the hourglass's
    with torch.inference_mode():
        a, b = net(image)[-1], net(moved)[-1]
    inner = (slice(None), slice(None), slice(8, 16), slice(12, 16))
    shifted = torch.roll(a, 4, dims=3)
    assert torch.nn.functional.cosine_similarity(b[inner].flatten(), shifted[inner].flatten(), 0) > 0.9


def test_it_learns_a_map_by_heart() -> None:
    torch.manual_seed(0)
    net = StackedHourglass(TINY)
    image = torch.rand(1, 4, 32, 32)
    # Smooth, as the maps are that it is for: it interpolates bilinearly, so white noise is learned last.
    wanted = F.interpolate(torch.rand(1, 16, 3, 3), size=8, mode="bilinear", align_corners=False)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(150):
        loss = sum(((f - wanted) ** 2).mean() for f in net(image)) / TINY.stacks
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.3 * float(wanted.var())
