"""The shared U-Net and the push-pull fill."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.networks.unet import UNet, smooth_fill


def trained(net: torch.nn.Module) -> torch.nn.Module:
    """Weights as after some training: the last layer is no longer zero."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator))
    return net.eval()


def test_untrained_network_answers_zero() -> None:
    assert UNet(4, 3, (8, 16), stem=2)(torch.rand(1, 4, 32, 48)).abs().max() == 0


@settings(max_examples=8, deadline=None)
@given(height=st.integers(9, 40), width=st.integers(9, 40), stem=st.sampled_from([1, 2]))
def test_any_size_comes_back(height: int, width: int, stem: int) -> None:
    net = trained(UNet(2, 3, (4, 8, 8), stem=stem))
    answer = net(torch.rand(1, 2, height, width))
    assert answer.shape == (1, 3, height, width)
    assert torch.isfinite(answer).all()


def test_partners_see_each_other_and_nobody_else() -> None:
    net = trained(UNet(2, 3, (4, 8), partner=True))
    x = torch.rand(4, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    before = net(x)
    x[0] += 1
    after = net(x)
    assert (after[1] - before[1]).abs().max() > 1e-5  # the partner
    torch.testing.assert_close(after[2:], before[2:])  # the other pair


def test_samples_do_not_depend_on_their_neighbours() -> None:
    net = trained(UNet(2, 3, (4, 8)))
    x = torch.rand(3, 2, 16, 16)
    torch.testing.assert_close(net(x)[1:2], net(x[1:2]), atol=1e-5, rtol=1e-4)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), size=st.sampled_from([(7, 9), (16, 16), (33, 20)]))
def test_fill_keeps_known_pixels_and_stays_in_their_range(seed: int, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    colour = torch.rand(1, 3, *size, generator=generator)
    known = (torch.rand(1, 1, *size, generator=generator) > 0.7).float()
    known[..., 0, 0] = 1
    filled = smooth_fill(colour, known)
    keep = known.expand_as(colour) > 0
    torch.testing.assert_close(filled[keep], colour[keep])
    for channel in range(3):
        low, high = colour[:, channel][known[:, 0] > 0].aminmax()
        assert filled[:, channel].min() >= low - 1e-4
        assert filled[:, channel].max() <= high + 1e-4


def test_fill_of_a_constant_is_that_constant() -> None:
    known = torch.zeros(1, 1, 32, 32)
    known[..., :8] = 1
    filled = smooth_fill(torch.full((1, 3, 32, 32), 0.4), known)
    torch.testing.assert_close(filled, torch.full_like(filled, 0.4))


def test_fill_of_nothing_is_black() -> None:
    assert smooth_fill(torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)).abs().max() == pytest.approx(0)
