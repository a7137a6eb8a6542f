"""One network of the ladder, trained to its last step: devices, checkpoints, curves, looks at held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from prefect import task
from prefect.cache_policies import NO_CACHE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from flows.levels import LEVELS, Level
from flows.train_page import show
from models.networks.train_loop import Recipe, Trainer, averaged_weights
from models.networks.train_swap_loop import Curve
from models.networks.unet import native_bf16
from storage.errors import StoreError
from storage.registry import Registry

if TYPE_CHECKING:
    from lightning_fabric import Fabric

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
    devices: int = 1  # GPUs, or CPU processes where there is no GPU
    threads: int = 2  # of each CPU process

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
    """Train one level to its step, from the last checkpoint on; gives its averaged weights.

    Raises:
        StoreError: no pair to learn from or to look at.
        ValueError: the checkpoint is of another recipe or size, or the batch cannot be shared out to the devices.
    """
    fabric = devices(run.devices)
    level = LEVELS[name]
    recipe = run.recipe(level)
    for split in ("train", "val"):  # what processes would make at the same time is made before they start
        level.batches(run.store, recipe, run.preset, split)(range(1))
    fabric.launch(fit, run, name)
    weights = averaged_weights(run.out / name)
    if weights is None:
        msg = f"{run.out / name} holds no checkpoint after training; is the disk full?"
        raise StoreError(msg)
    show(run.out / name, name)
    return weights


def devices(count: int) -> Fabric:
    """``count`` GPUs, or CPU processes where there is none, as one; bfloat16 where it is native."""
    from lightning_fabric import Fabric

    bf16 = native_bf16("cuda" if torch.cuda.is_available() else "cpu")
    return Fabric(
        accelerator="auto", devices=count, strategy="ddp_spawn" if count > 1 else "auto",
        precision="bf16-mixed" if bf16 else "32-true",
    )  # fmt: skip


def fit(fabric: Fabric, run: TrainRun, name: str) -> None:
    """What every process does; the first one writes."""
    level = LEVELS[name]
    recipe, folder = run.recipe(level), run.out / name
    torch.set_num_threads(run.threads)
    torch.manual_seed(recipe.seed)
    net = level.network(run.preset)
    if level.after and (weights := averaged_weights(run.out / level.after)):
        net.begin(weights)
    worker = Trainer(net, level.loss, recipe, fabric)
    first = fabric.is_global_zero
    if worker.resume(folder) and first:
        _out.print(f"{name}: going on at step {worker.step} of {recipe.steps}")
    batches = level.batches(run.store, recipe, run.preset, "train")
    held = level.batches(run.store, recipe, run.preset, "val")
    checked = [held(range(at, at + recipe.batch)) for at in range(0, CHECKED, recipe.batch)] if first else []
    curve, sums = Curve(folder) if first else None, dict[str, float]()
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_out, disable=not first) as progress:
        bar = progress.add_task(name, total=recipe.steps, completed=worker.step)
        for step in worker.run(batches):
            progress.update(bar, completed=step)
            for key, value in worker.losses.items():
                sums[key] = sums.get(key, 0.0) + value / RECORD
            if step % RECORD == 0 and curve is not None:
                curve.log(step, sums)
                sums.clear()
            if (step % CHECK == 0 or step == recipe.steps) and curve is not None:
                curve.log(step, {f"val/{k}": v for k, v in worker.validate(checked).items()})
                show(folder, name)
            if step % recipe.save_every == 0 or step == recipe.steps:
                worker.save(folder)
