"""One network of the ladder, trained to its last step: checkpoints, curves and what a run page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from prefect import task
from prefect.cache_policies import NO_CACHE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from flows.levels import LEVELS, Level
from models.networks.train_loop import Recipe, Trainer, averaged_weights, one_process
from models.networks.train_swap_loop import Curve
from models.networks.unet import native_bf16
from storage.registry import Registry

RECORD = 25  # steps between points of the curve
CHECK = 500  # steps between looks at held-out pairs
CHECKED = 96  # of them
_out = Console(stderr=True)


@dataclass(frozen=True)
class TrainRun:
    """What a training run is told."""

    store: Path
    out: Path
    preset: str
    rows: tuple[str, ...]  # levels to train
    steps: Mapping[str, int]  # of levels whose preset's number is not wanted
    pairs: int  # held-out pairs that are measured
    command: str

    def recipe(self, level: Level) -> Recipe:
        """Numbers of a level."""
        recipe = level.recipe(self.preset)
        return replace(recipe, steps=self.steps.get(level.name, recipe.steps))

    @property
    def models(self) -> Registry:
        """Where finished models are kept."""
        return Registry(self.out / "models")


@task(name="train", task_run_name="train-{name}", cache_policy=NO_CACHE, persist_result=False)
def train_level(run: TrainRun, name: str) -> dict[str, Tensor]:
    """Train one level to its step, from the last checkpoint on; gives its averaged weights."""
    level = LEVELS[name]
    recipe, folder = run.recipe(level), run.out / name
    torch.manual_seed(recipe.seed)
    net = level.network(run.preset)
    if level.after and (weights := averaged_weights(run.out / level.after)):
        net.begin(weights)
    worker = Trainer(net, level.loss, recipe, one_process(native_bf16("cpu")))
    if worker.resume(folder):
        _out.print(f"{name}: going on at step {worker.step} of {recipe.steps}")
    batches = level.batches(run.store, recipe, run.preset, "train")
    held = level.batches(run.store, recipe, run.preset, "val")
    checked = [held(range(at, at + recipe.batch)) for at in range(0, CHECKED, recipe.batch)]
    curve, sums = Curve(folder), dict[str, float]()
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_out) as progress:
        bar = progress.add_task(name, total=recipe.steps, completed=worker.step)
        for step in worker.run(batches):
            progress.update(bar, completed=step)
            for key, value in worker.losses.items():
                sums[key] = sums.get(key, 0.0) + value / RECORD
            if step % RECORD == 0:
                curve.log(step, sums)
                sums.clear()
            if step % CHECK == 0 or step == recipe.steps:
                curve.log(step, {f"val/{k}": v for k, v in worker.validate(checked).items()})
            if step % recipe.save_every == 0 or step == recipe.steps:
                worker.save(folder)
    return worker.averaged
