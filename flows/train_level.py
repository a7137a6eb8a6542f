"""One network of the ladder, trained to its last step: devices, checkpoints, curves, looks at held-out pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from prefect import task
from prefect.cache_policies import NO_CACHE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from flows.levels import LEVELS
from flows.train_page import show
from flows.train_run import TrainRun
from flows.train_sheet import Sheet
from models.networks.train_loop import Trainer, averaged_weights
from models.networks.train_swap_loop import Curve
from models.networks.unet import native_bf16
from storage.errors import StoreError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

RECORD = 25  # steps between points of the curve
CHECK = 500  # steps between looks at held-out pairs
CHECKED = 96  # of them
DRAW = 2000  # steps between pictures of their reconstructions
_out = Console(stderr=True)


@task(name="train", task_run_name="train-{name}", cache_policy=NO_CACHE, persist_result=False)
def train_level(run: TrainRun, name: str) -> dict[str, Tensor]:
    """Train one level to its step, from the last checkpoint on; gives its averaged weights.

    Raises:
        StoreError: no pair to learn from or to look at, a checkpoint of another recipe or size, or a batch that cannot
            be shared out to the devices.
    """
    fabric = devices(run.devices)
    level = LEVELS[name]
    recipe = run.recipe(name)
    for split in ("train", "val"):  # what processes would make at the same time is made before they start
        level.batches(run.source(split), recipe, run.preset)(range(1))
    fabric.launch(fit, run, name)
    weights = averaged_weights(run.home / name)
    if weights is None:
        msg = f"{run.home / name} holds no checkpoint after training; is the disk full?"
        raise StoreError(msg)
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
    recipe, folder = run.recipe(name), run.home / name
    torch.set_num_threads(run.threads)
    torch.manual_seed(recipe.seed)
    net = level.network(run.preset)
    if level.after and (weights := averaged_weights(run.home / level.after)):
        net.begin(weights)
    first = fabric.is_global_zero
    try:
        worker = Trainer(net, level.loss, recipe, fabric)
        resumed = worker.resume(folder)
    except ValueError as error:  # other devices, or a checkpoint of other settings: the user's to change
        raise StoreError(str(error)) from error
    if resumed and first:
        _out.print(f"{name}: going on at step {worker.step} of {recipe.steps}")
    batches = level.batches(run.source("train"), recipe, run.preset)
    held = level.batches(run.source("val"), recipe, run.preset)
    checked = [held(range(at, at + recipe.batch)) for at in range(0, CHECKED, recipe.batch)] if first else []
    sheet = Sheet(run, name)
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
                drawn = step % DRAW == 0 or step == recipe.steps
                show(folder, name, sheet.draw(worker.averaged) if drawn else None)
            if step % recipe.save_every == 0 or step == recipe.steps:
                worker.save(folder)
