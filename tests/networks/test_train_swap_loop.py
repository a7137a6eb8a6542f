"""The training loop learns, and a resumed run is the unbroken run."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from models.networks.train_swap_loop import (
    Curve,
    Item,
    PatchDiscriminator,
    Recipe,
    Trainer,
    masked_mean,
    reconstruction_loss,
    ship,
)
from models.networks.unet import UNet


def sample(rng: np.random.Generator) -> list[Item]:
    """Fill a hidden square with the picture's one colour."""
    colour = rng.random((2, 3, 1, 1)).astype(np.float32)
    target = torch.from_numpy(np.broadcast_to(colour, (2, 3, 16, 16)).copy())
    mask = torch.zeros(2, 1, 16, 16)
    mask[..., 4:12, 4:12] = 1
    return [Item("square", (target * (1 - mask), mask), target, mask)]


def paint(net: nn.Module, item: Item) -> Tensor:
    image, mask = item.inputs
    return torch.where(mask > 0, net(torch.cat([image, mask], 1)), image)


def trainer(steps: int, **recipe: float) -> Trainer:
    torch.manual_seed(0)
    numbers = {"warmup": 2, "adversary_from": 0.5, **recipe}
    return Trainer(UNet(4, 3, (8, 16)), paint, sample, Recipe(steps=steps, **numbers), ("square",))  # type: ignore[arg-type]


def test_loss_falls() -> None:
    """On one batch that comes again and again."""
    worker = trainer(40, adversary=0.0, rate=3e-3)
    worker.sample = lambda _: sample(np.random.default_rng(0))
    losses = [worker.losses["square/reconstruction"] for _ in worker.run()]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])
    assert worker.step == 40


def test_resumed_run_equals_the_unbroken_run(tmp_path: Path) -> None:
    """Killed between two steps, before and after the discriminator joins."""
    whole = trainer(8)
    for _ in whole.run():
        pass
    for stop in (2, 6):
        first = trainer(8)
        for step in first.run():
            if step == stop:
                break
        first.save(tmp_path)
        second = trainer(8)
        assert second.resume(tmp_path)
        assert second.step == stop
        for _ in second.run():
            pass
        for name, value in whole.net.state_dict().items():
            torch.testing.assert_close(second.net.state_dict()[name], value, atol=1e-6, rtol=1e-5)
        for name, value in whole.averaged.items():
            torch.testing.assert_close(second.averaged[name], value, atol=1e-6, rtol=1e-5)


def test_nothing_to_resume(tmp_path: Path) -> None:
    assert not trainer(1).resume(tmp_path)


def test_discriminator_joins_late_and_only_its_own_loss_moves_it() -> None:
    worker = trainer(4)
    start = {k: v.clone() for k, v in worker.adversaries.named_parameters()}
    names = []
    for _ in worker.run():
        names.append(set(worker.losses))
        moved = any((v != start[k]).any() for k, v in worker.adversaries.named_parameters())
        assert moved == ("square/verdict" in worker.losses)
    assert "square/verdict" not in names[0]
    assert "square/verdict" in names[-1]


def test_checkpoint_is_replaced_whole(tmp_path: Path) -> None:
    worker = trainer(2)
    worker.save(tmp_path)
    worker.advance()
    worker.save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_loss_is_zero_for_the_truth_and_blind_outside_the_mask() -> None:
    item = sample(np.random.default_rng(0))[0]
    assert reconstruction_loss(item, item.target, 1.0) == pytest.approx(0)
    outside = item.target.clone()
    outside[..., 0, :] += 1
    assert reconstruction_loss(item, outside, 1.0) == pytest.approx(0)
    inside = item.target.clone()
    inside[..., 6, 6] += 1
    assert reconstruction_loss(item, inside, 1.0) > 0.01


def test_fidelity_counts_easy_pictures_as_much_as_hard_ones() -> None:
    """Halving the error of a picture gains the same whether it was large or small."""
    item = sample(np.random.default_rng(0))[0]

    def term(first: float, second: float) -> float:
        wrong = item.target.clone()
        wrong[0] += first
        wrong[1] += second
        plain = reconstruction_loss(item, wrong, 1.0)
        return float(reconstruction_loss(item, wrong, 1.0, 1.0) - plain)

    assert term(0.4, 0.4) - term(0.2, 0.4) == pytest.approx(term(0.4, 0.4) - term(0.4, 0.2), abs=1e-3)
    assert term(0.4, 0.4) - term(0.2, 0.4) == pytest.approx(np.log(4) / 2, abs=0.01)
    assert term(0.1, 0.1) == pytest.approx(0, abs=0.02)


def test_parts_without_an_adversary_are_trained_all_the_same() -> None:
    worker = trainer(4)
    worker.sample = lambda rng: [replace(item, part="free") for item in sample(rng)]
    before = {k: v.clone() for k, v in worker.adversaries.named_parameters()}
    for _ in worker.run():
        assert set(worker.losses) == {"free/reconstruction"}
    assert all(torch.equal(v, before[k]) for k, v in worker.adversaries.named_parameters())


def test_masked_mean() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    assert masked_mean(torch.arange(16.0).view(1, 1, 4, 4), mask) == pytest.approx(6.5)
    assert masked_mean(torch.ones(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)) == 0


def test_discriminator_shapes() -> None:
    verdict, features = PatchDiscriminator(8)(torch.rand(2, 3, 48, 80), torch.ones(2, 1, 48, 80))
    assert verdict.shape == (2, 1, 6, 10)
    assert [f.shape[1] for f in features] == [8, 16, 32]


def test_curve_and_shipped_weights(tmp_path: Path) -> None:
    curve = Curve(tmp_path)
    curve.log(1, {"a": 0.5})
    curve.log(2, {"a": 0.25})
    with (tmp_path / "curves.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(r["step"], r["name"], float(r["value"])) for r in rows] == [("1", "a", 0.5), ("2", "a", 0.25)]
    assert any((tmp_path / "tensorboard").iterdir())
    ship({"w": torch.ones(2)}, tmp_path / "w.safetensors", {"step": "2"})
    assert load_file(tmp_path / "w.safetensors")["w"].dtype == torch.bfloat16
