"""Shapes and sizes of the pix2pixHD networks, and what their losses say."""

from __future__ import annotations

import pytest
import torch

from models.networks.pix2pix import (
    Discriminators,
    DiscriminatorSize,
    Generator,
    GeneratorSize,
    feature_loss,
    verdict_loss,
)

TINY = GeneratorSize(inputs=4, width=4, halvings=2, blocks=1, local_blocks=1)


@pytest.mark.parametrize("side", [32, 64])
def test_the_answer_has_the_side_of_the_picture(side: int) -> None:
    made = Generator(TINY)(torch.randn(2, 4, side, side))
    assert made.shape == (2, 3, side, side)
    assert made.abs().max() < 1


def test_the_published_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        net = Generator(GeneratorSize(inputs=3))
    # 183 M each (facts §1.7).
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(183e6, rel=0.01)


def test_every_scale_judges_patches() -> None:
    judged = Discriminators(DiscriminatorSize(inputs=5, width=4))(torch.randn(2, 5, 64, 64))
    assert [len(scale) for scale in judged] == [5, 5]
    fine, coarse = (scale[-1].shape for scale in judged)
    assert fine[1] == coarse[1] == 1
    assert fine[-1] > coarse[-1]


def test_a_verdict_is_lost_by_its_distance() -> None:
    judged = [[torch.zeros(1), torch.full((1, 1, 3, 3), 0.25)]]
    assert float(verdict_loss(judged, 0.25)) == 0
    assert float(verdict_loss(judged, 1.0)) == pytest.approx(0.75**2)


def test_equal_features_cost_nothing() -> None:
    net = Discriminators(DiscriminatorSize(inputs=3, width=4))
    a, b = net(torch.randn(1, 3, 32, 32)), net(torch.randn(1, 3, 32, 32))
    assert float(feature_loss(a, a).detach()) == 0
    assert float(feature_loss(a, b).detach()) > 0


def test_the_coarse_half_sees_all_of_the_picture() -> None:
    net = Generator(GeneratorSize(inputs=1, width=2, halvings=3, blocks=2, local_blocks=0))
    image = torch.zeros(1, 1, 64, 64, requires_grad=True)
    net(image)[0, 0, 4, 4].backward()
    assert image.grad is not None
    assert image.grad[0, 0, 50:, 50:].abs().max() > 0
