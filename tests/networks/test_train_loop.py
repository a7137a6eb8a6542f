"""The loop learns, and a killed run ends where an unbroken one does, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.networks.hourglass import HourglassSize, StackedHourglass
from models.networks.implicit import FieldBatch, ImplicitField, MlpSize, field_loss
from models.networks.train_loop import CHECKPOINT, Recipe, Trainer, one_process

SIZE = HourglassSize(inputs=3, stem=8, middle=16, features=16, stacks=2, depth=1)
RECIPE = Recipe(steps=12, batch=2, warmup=2, save_every=4)


def network() -> ImplicitField:
    torch.manual_seed(0)
    return ImplicitField(StackedHourglass(SIZE), SIZE.features, MlpSize((32, 16), (1,)))


def trainer(recipe: Recipe) -> Trainer:
    return Trainer(network(), field_loss, recipe, one_process(bf16=False))


def batch(positions: range) -> FieldBatch:
    """Spheres whose radius the picture tells by its grey."""
    source = torch.Generator().manual_seed(positions.start)
    radius = torch.rand(2, 1, generator=source) * 0.4 + 0.2
    image = radius[..., None, None].expand(2, 3, 32, 32).contiguous()
    points = torch.rand(2, 64, 3, generator=source) * 2 - 1
    return FieldBatch(image, points, points.norm(dim=-1) - radius)


def test_the_error_falls() -> None:
    worker = trainer(replace(RECIPE, steps=150))
    losses = [worker.loss for _ in worker.run(batch)]
    assert sum(losses[-10:]) < 0.3 * sum(losses[:10])


@pytest.mark.parametrize("killed_at", [1, 5, 11])
def test_a_killed_run_ends_as_an_unbroken_one(tmp_path: Path, killed_at: int) -> None:
    whole = trainer(RECIPE)
    losses = [whole.loss for _ in whole.run(batch)]
    first = trainer(RECIPE)
    for step in first.run(batch):
        if step == killed_at:
            first.save(tmp_path)
            break
    second = trainer(RECIPE)
    assert second.resume(tmp_path)
    rest = [second.loss for _ in second.run(batch)]
    assert rest == losses[killed_at:]
    assert all(torch.equal(a, second.averaged[k]) for k, a in whole.averaged.items())


def test_there_is_nothing_to_resume_at_first(tmp_path: Path) -> None:
    assert not trainer(RECIPE).resume(tmp_path)


def test_another_recipe_is_refused(tmp_path: Path) -> None:
    trainer(RECIPE).save(tmp_path)
    with pytest.raises(ValueError, match="batch 2, not 4"):
        trainer(replace(RECIPE, batch=4)).resume(tmp_path)


def test_a_checkpoint_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = trainer(RECIPE)
    worker.save(tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def torn(tensors: object, path: Path, meta: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("models.networks.train_loop.save_file", torn)
    with pytest.raises(OSError, match="No space"):
        worker.save(tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
