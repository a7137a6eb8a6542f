"""Pixel-aligned look-up and the head over it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.networks.implicit import PAPER_MLP, ImplicitField, MlpSize, SkipMlp, pixel_features


@given(st.sampled_from([8, 16, 33]), st.integers(0, 7), st.integers(0, 7))
@settings(max_examples=25, deadline=None)
def test_a_pixels_centre_gives_its_own_features(side: int, row: int, column: int) -> None:
    maps = torch.arange(side * side, dtype=torch.float32).reshape(1, 1, side, side)
    x, y = (2 * column + 1) / side - 1, 1 - (2 * row + 1) / side
    found = pixel_features(maps, torch.tensor([[[x, y, 0.3]]]))
    assert float(found) == pytest.approx(row * side + column, abs=1e-3)


def test_maps_of_two_resolutions_are_looked_up_in_one_place() -> None:
    ramp = [(2 * torch.arange(n) + 1) / n - 1 for n in (16, 64)]
    maps = [r.expand(1, 1, len(r), len(r)).float() for r in ramp]
    points = torch.tensor([[[0.25, 0.1, 0.0], [-0.5, 0.2, 0.0]]])
    for m in maps:
        assert torch.allclose(pixel_features(m, points)[0, :, 0], points[0, :, 0], atol=1e-6)


def test_the_papers_head_has_a_million_parameters() -> None:
    count = sum(p.numel() for p in SkipMlp(257, PAPER_MLP).parameters())
    assert count == pytest.approx(1.18e6, rel=0.1)


class _Pass(nn.Module):
    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [image, image]


def test_every_map_is_answered_and_depth_matters() -> None:
    torch.manual_seed(0)
    field = ImplicitField(_Pass(), 3, MlpSize((16, 8), (1,)))
    image = torch.rand(2, 3, 8, 8)
    points = torch.rand(2, 5, 3) - 0.5
    answers = field(image, points)
    assert [tuple(a.shape) for a in answers] == [(2, 5)] * 2
    deeper = points + torch.tensor([0, 0, 0.3])
    assert not torch.allclose(field(image, deeper)[-1], answers[-1])


def test_points_do_not_depend_on_each_other() -> None:
    torch.manual_seed(0)
    field = ImplicitField(_Pass(), 3, MlpSize((16, 8), (1,)))
    image, points = torch.rand(1, 3, 8, 8), torch.rand(1, 7, 3) - 0.5
    alone = torch.cat([field(image, points[:, i : i + 1])[-1] for i in range(7)], 1)
    assert torch.allclose(alone, field(image, points)[-1], atol=1e-6)


@pytest.mark.parametrize("known", [0, 2])
@pytest.mark.parametrize("again", [(), (1,), (1, 2)])
def test_points_of_a_column_share_its_work_and_nothing_else(again: tuple[int, ...], known: int) -> None:
    torch.manual_seed(0)
    field = ImplicitField(_Pass(), 3, MlpSize((16, 12, 8), again), known=known)
    image = torch.rand(1, 3, 8, 8)
    places = (torch.rand(9, 2) - 0.5).repeat_interleave(torch.tensor([1, 4, 2, 1, 3, 1, 1, 5, 2]), 0)
    points = torch.cat([places, torch.rand(len(places), 1) - 0.5], 1)[None]
    more = torch.rand(1, len(places), known) if known else None
    learned = field.query(image, points, more)
    assert learned.requires_grad
    with torch.no_grad():
        assert torch.allclose(field.query(image, points, more), learned, atol=1e-6)
