"""``facepairs train``: f_base and f_fine from a published store, measured on held-out pairs, promoted when better.

Base, fine, evaluate, promote: each a Prefect task that resumes. A killed run goes on with the same command: every level
has its own checkpoint, and a step's batch depends on (seed, step) alone.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from flows.licences import inherited
from flows.sdf_batches import Level, SdfBatches
from flows.sdf_scores import Row, means, score_pairs, table
from flows.server import api
from models.networks.hierarchical import HierarchicalSdf, to_bytes
from models.networks.sdf_augment import Augmentation
from models.networks.sdf_nets import SIZES, base_field, fine_field
from models.networks.train_sdf_loop import SdfRecipe, SdfTrainer
from models.networks.train_swap_loop import Curve
from models.networks.unet import native_bf16
from storage.errors import StoreError
from storage.generation import latest
from storage.registry import Model, Registry
from storage.store import Store

MARGIN = 0.01  # share by which a new model's CD must be below the champion's
HELD_OUT = ("val", "test")
_out = Console(stderr=True)


@dataclass(frozen=True)
class TrainRun:
    """What a training run is told."""

    store: Path
    out: Path
    preset: str
    steps: int
    fine_steps: int
    pairs: int  # held-out pairs that are measured
    threads: int
    command: str

    def recipe(self, level: Level) -> SdfRecipe:
        """Numbers of a level."""
        return SdfRecipe(self.steps) if level == "base" else SdfRecipe(self.fine_steps, rate=1e-3)

    @property
    def models(self) -> Registry:
        """Where finished models are kept."""
        return Registry(self.out / "models")


def published(store: Path) -> str:
    """Name of the generation that a run learns from.

    Raises:
        StoreError: no store, or nothing published in it.
    """
    found = latest(Store.open(store).root)
    if found is None:
        msg = f"{store} has no published generation; run `facepairs synthesize` to its end first."
        raise StoreError(msg)
    return found.name


@task(name="train", task_run_name="train-{level}", cache_policy=NO_CACHE, persist_result=False)
def train_level(run: TrainRun, level: Level) -> dict[str, Tensor]:
    """Train one level to its step, from the last checkpoint on; gives its averaged weights."""
    size = SIZES[run.preset]
    torch.manual_seed(0)
    recipe = run.recipe(level)
    worker = SdfTrainer((base_field if level == "base" else fine_field)(size), recipe, native_bf16("cpu"))
    folder = run.out / level
    if worker.resume(folder):
        _out.print(f"{level}: going on at step {worker.step} of {recipe.steps}")
    batches = SdfBatches(run.store, level, recipe, size.image, Augmentation())
    curve, sums = Curve(folder), 0.0
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_out) as progress:
        bar = progress.add_task(f"f_{level}", total=recipe.steps, completed=worker.step)
        for step in worker.run(batches):
            progress.update(bar, completed=step)
            sums += worker.loss
            if step % 25 == 0:
                curve.log(step, {"loss": sums / 25})
                sums = 0.0
            if step % recipe.save_every == 0 or step == recipe.steps:
                worker.save(folder)
    return worker.averaged


@task(name="evaluate", cache_policy=NO_CACHE, persist_result=False)
def evaluate(run: TrainRun, model: HierarchicalSdf) -> list[Row]:
    """Scores of the model and of the floors on held-out pairs."""
    with Progress(console=_out) as progress:
        bar = progress.add_task("evaluate", total=run.pairs)
        rows = list(score_pairs(run.store, model, HELD_OUT, run.pairs, lambda: progress.advance(bar)))
    if not rows:
        msg = (
            f"{run.store} has no pair of the splits val and test, so nothing can be measured; make a store from more "
            "photographs, or with other --splits."
        )
        raise StoreError(msg)
    return rows


@task(name="promote", cache_policy=NO_CACHE, persist_result=False)
def promote(run: TrainRun, model: Model) -> str:
    """Put the model in use if its CD is better than the champion's by the margin, and say why or why not."""
    now, cd = run.models.champion(), model.metrics["model/cd"]
    if now is not None and now.name != model.name:
        best = now.metrics["model/cd"]
        if not cd < (1 - MARGIN) * best:
            return f"{now.name} stays in use: its CD is {best:.3f} mm, that of {model.name} {cd:.3f} mm."
    run.models.promote(model)
    return f"{model.name} is in use: CD {cd:.3f} mm on held-out pairs."


@flow(name="train", log_prints=False, persist_result=False, validate_parameters=False)
def train(run: TrainRun) -> dict[str, Any]:
    """Base, fine, evaluate, promote.

    Raises:
        StoreError: the store has no published generation or no held-out pairs.
    """
    torch.set_num_threads(run.threads)
    generation = published(run.store)
    levels = {"base": train_level(run, "base")}
    if run.fine_steps:
        levels["fine"] = train_level(run, "fine")
    weights = to_bytes(levels)
    config = {
        "kind": "sdf", "preset": run.preset, "levels": sorted(levels), "generation": generation,
        "recipes": {name: asdict(run.recipe(name)) for name in levels}, "command": run.command,
        "licences": inherited(Store.open(run.store)),
    }  # fmt: skip
    rows = evaluate(run, HierarchicalSdf.from_bytes(weights, config))
    scores, text = means(rows), table(rows)
    card = model_card(run, config, text, len(weights))
    model = run.models.add(weights, config, scores, card)
    verdict = promote(run, model)
    create_markdown_artifact(
        f"{text}\n\n{verdict}", key="ladder", description=f"Held-out pairs of {run.store.name}"
    )
    return {"model": model.name, "scores": scores, "table": text, "verdict": verdict}


def model_card(run: TrainRun, config: dict[str, Any], scores: str, size: int) -> str:
    """How the model was made and what was measured of it, Markdown."""
    return f"""# Hierarchical signed distance function, preset {run.preset}

{size / 1e6:.1f} MB of float32: {" and ".join("f_" + level for level in config["levels"])}.

Made by

    {run.command}

from generation `{config["generation"]}` of store `{run.store.name}`; recipes `{config["recipes"]}`.

Held-out pairs (photographs that no training pair uses), depth alignment only, in the face:

{scores}

The training pairs' licences are in the store's `snapshot/licences.json`; this model inherits their limits: it
{config["licences"]["line"]}
"""


Where = Annotated[Path, Parameter(help="Folder of a published store.")]
Out = Annotated[Path, Parameter(help="Folder of the run: checkpoints, curves, models.")]
Preset = Annotated[
    str, Parameter(help="Size of the networks: small (two cores, hours) or paper (512², GPUs).")
]
Steps = Annotated[int, Parameter(help="Steps of f_base.")]
FineSteps = Annotated[int, Parameter(help="Steps of f_fine; 0 leaves it out.")]
Pairs = Annotated[int, Parameter(help="Held-out pairs that are measured.")]
Threads = Annotated[int, Parameter(help="CPU threads.")]


def run_training(
    store: Where, *, out: Out = Path("runs/sdf"), preset: Preset = "small", steps: Steps = 6000,
    fine_steps: FineSteps = 2000, pairs: Pairs = 100, threads: Threads = 2,
) -> int:  # fmt: skip
    """Train f_base and f_fine on a store; the same command again goes on where a killed run stopped.

    Example: facepairs train out/portraits --out runs/sdf --steps 6000
    """
    if preset not in SIZES:
        msg = f"--preset takes {' or '.join(SIZES)}, got '{preset}'."
        raise StoreError(msg)
    published(store)  # say what is missing before anything starts
    # The progress bar and the sentences of main() say it better than Prefect's own lines.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    for name in ("prefect", "prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).setLevel(logging.WARNING)
    words = ["facepairs", *sys.argv[1:]]
    command = shlex.join("STORE" if word == str(store) else word for word in words)
    run = TrainRun(store.absolute(), out.absolute(), preset, steps, fine_steps, pairs, threads, command)
    with api(run.out / "prefect"):
        result = train(run)
    _out.print(result["table"])
    _out.print(result["verdict"])
    return 0
