"""PRNet: shapes, sizes, what it learns, and vertices read off a map that is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load

from models.networks.classes import Parsing
from models.networks.hierarchical import to_bytes
from models.networks.position_map import (
    POSITION_SIZES,
    PositionBatch,
    PositionMap,
    PositionNet,
    PositionSize,
    at_vertices,
    kept_position_net,
    position_loss,
)
from models.networks.train_loop import Recipe, Trainer, one_process

TINY = PositionSize(image=32, map=16, widths=(8, 16, 32), convolutions=1)
UVS = torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.5, 0.75]])
FACES = torch.tensor([[0, 1, 2]], dtype=torch.int32)


def mean(size: PositionSize) -> torch.Tensor:
    return torch.linspace(-0.5, 0.5, 3 * size.map**2).reshape(3, size.map, size.map)


def ramp(side: int) -> torch.Tensor:
    """x is u, y is v, z is their sum: what bilinear lookup gives back exactly."""
    axis = (torch.arange(side) + 0.5) / side
    u, v = axis[None].expand(side, side), 1 - axis[:, None].expand(side, side)
    return torch.stack([u, v, u + v])[None]


@pytest.mark.parametrize("size", [TINY, PositionSize(image=32, map=32, widths=(8, 16, 32), convolutions=2)])
def test_a_map_has_three_numbers_for_every_texel(size: PositionSize) -> None:
    assert PositionNet(size, UVS, FACES, mean(size))(torch.randn(2, 12, 32, 32)).shape == (
        2,
        3,
        size.map,
        size.map,
    )


def test_presets_differ_in_numbers_only_and_in_size() -> None:
    counts = {
        name: sum(p.numel() for p in PositionNet(size, UVS, FACES, mean(size)).parameters())
        for name, size in POSITION_SIZES.items()
    }
    assert counts == {"paper": 10_099_519, "small": 988_383}


def test_an_untrained_network_answers_with_the_mean_head() -> None:
    answer = PositionNet(TINY, UVS, FACES, mean(TINY))(torch.randn(2, 12, 32, 32))
    assert torch.allclose(answer, mean(TINY).expand(2, -1, -1, -1), atol=1e-6)


@pytest.mark.parametrize("side", [16, 64])
def test_vertices_are_read_at_their_texture_coordinates(side: int) -> None:
    found = at_vertices(ramp(side), UVS)
    assert torch.allclose(found, torch.stack([UVS[:, 0], UVS[:, 1], UVS.sum(1)], 1), atol=1e-5)


def test_a_head_comes_back_in_its_topology() -> None:
    image, semantic = np.zeros((48, 48, 3), np.uint8), np.full((48, 48), Parsing.SKIN, np.uint8)
    made = PositionMap(PositionNet(TINY, UVS, FACES, mean(TINY))).reconstruct(image, semantic)
    assert made.vertices.shape == (3, 3)
    assert np.array_equal(made.faces, FACES.numpy())
    with pytest.raises(ValueError, match="no face"):
        PositionMap(PositionNet(TINY, UVS, FACES, mean(TINY))).reconstruct(image, np.zeros_like(semantic))


def test_one_sample_is_learnt() -> None:
    torch.manual_seed(0)
    batch = PositionBatch(torch.rand(1, 12, 32, 32), ramp(16), torch.ones(1, 16, 16))
    trainer = Trainer(
        PositionNet(TINY, UVS, FACES, mean(TINY)),
        position_loss,
        Recipe(steps=120, batch=1, warmup=5, rate=1e-2),
        one_process(False),
    )
    for _ in trainer.run(lambda positions: batch):
        pass
    assert trainer.losses["distance"] < 0.1


def test_texels_without_weight_do_not_count() -> None:
    weight = torch.ones(1, 16, 16)
    weight[:, :8] = 0
    net = PositionNet(TINY, UVS, FACES, mean(TINY))
    image = torch.rand(1, 12, 32, 32)
    answer = net(image).detach()
    wrong = answer.clone()
    wrong[:, :, :8] += 9
    assert float(position_loss(net, PositionBatch(image, wrong, weight))["loss"].detach()) < 1e-9


def test_kept_weights_make_the_same_network_with_its_topology() -> None:
    net = PositionNet(TINY, UVS, FACES, mean(TINY))
    tensors = load(to_bytes({"prnet": net.state_dict()}))
    again = kept_position_net(TINY, "prnet", tensors)
    assert again is not None
    assert torch.equal(again.faces, FACES)
    assert again.faces.dtype == torch.int32
    assert torch.equal(again.uvs, UVS)
    assert torch.equal(again.mean, mean(TINY))
    image = torch.rand(1, 12, 32, 32)
    with torch.inference_mode():
        assert torch.equal(again(image), net.eval()(image))
    assert kept_position_net(TINY, "prnet-fitted", tensors) is None
