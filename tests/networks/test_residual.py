"""The correction starts at the fitted head, learns what is wrong with it, and takes over what f_base knows."""

from __future__ import annotations

from dataclasses import replace

import torch

from models.networks.fitted_head import CHANNELS
from models.networks.hourglass import HourglassSize
from models.networks.implicit import MlpSize
from models.networks.residual import ResidualBatch, ResidualField, residual_loss
from models.networks.sdf_nets import SIZES, base_field
from models.networks.train_loop import Recipe, Trainer, one_process

SIZE = replace(
    SIZES["small"], base=HourglassSize(inputs=3, stem=8, middle=16, features=16, stacks=1, depth=1),
    base_head=MlpSize((32, 16), (1,)),
)  # fmt: skip


def network() -> ResidualField:
    torch.manual_seed(0)
    return ResidualField(SIZE)


def batch(positions: range) -> ResidualBatch:
    """Spheres that the fit takes for smaller ones; the picture's grey tells by how much."""
    source = torch.Generator().manual_seed(positions.start)
    wrong = torch.rand(2, 1, generator=source) * 0.5
    image = torch.zeros(2, 3 + CHANNELS, 32, 32)
    image[:, :3] = wrong[..., None, None]
    points = torch.rand(2, 64, 3, generator=source) * 2 - 1
    fitted = points.norm(dim=-1) - 0.3
    return ResidualBatch(image, points, fitted, fitted - wrong)


def test_at_first_it_answers_the_fitted_head() -> None:
    some = batch(range(2))
    (answer,) = network()(some.image, some.points, some.fitted)
    assert torch.equal(answer, some.fitted)


def test_it_learns_what_is_wrong() -> None:
    worker = Trainer(network(), residual_loss, Recipe(150, batch=2, warmup=2), one_process(bf16=False))
    shares = [worker.losses["error"] / worker.losses["fit"] for _ in worker.run(batch)]
    assert shares[0] == 1
    assert sum(shares[-20:]) / 20 < 0.4


def test_the_encoder_of_f_base_is_taken_over_and_sees_nothing_new() -> None:
    torch.manual_seed(1)
    base, net = base_field(SIZE), network()
    net.begin(base.state_dict())
    image = torch.rand(1, 3, 32, 32)
    (old,), (new,) = base.encode(image), net.encode(torch.cat([image, torch.rand(1, CHANNELS, 32, 32)], 1))
    assert torch.allclose(old, new, atol=1e-5)
