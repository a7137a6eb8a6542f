"""``facepairs train``: the rows of the ladder from a published store, measured on held-out pairs, promoted when better.

Train, evaluate, promote: each a Prefect task that resumes. A killed run goes on with the same command: every level
has its own checkpoint, and a step's batch depends on (seed, step) alone.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from rich.console import Console
from rich.progress import Progress

from flows.levels import KINDS, LEVELS, head_fitter
from flows.sdf_scores import Row, means, score_pairs, table
from flows.server import api
from flows.train_level import TrainRun, train_level
from models.networks.hierarchical import to_bytes
from models.networks.rows import Reconstructor, whole
from models.networks.sdf_nets import SIZES
from models.networks.train_loop import averaged_weights
from storage.errors import StoreError
from storage.generation import latest
from storage.registry import Model
from storage.store import Store

MARGIN = 0.01  # share by which a new model's CD must be below the champion's
HELD_OUT = ("val", "test")
_out = Console(stderr=True)


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


@task(name="evaluate", cache_policy=NO_CACHE, persist_result=False)
def evaluate(run: TrainRun, model: Reconstructor) -> list[Row]:
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
def train(run: TrainRun) -> list[dict[str, Any]]:
    """Train the wanted levels; evaluate, keep and promote the models that they belong to.

    Raises:
        StoreError: the store has no published generation or no held-out pairs.
    """
    generation = published(run.store)
    trained = {name: train_level(run, name) for name in run.rows}
    found = []
    for kind in dict.fromkeys(KINDS[name] for name in run.rows):
        levels = {}
        for name in (name for name in LEVELS if KINDS[name] == kind):
            weights = trained.get(name) or averaged_weights(run.out / name)
            if weights is not None:  # a level of an earlier command of this folder belongs to the model too
                levels[name] = weights
        found.append(keep(run, kind, levels, generation))
    return found


def keep(
    run: TrainRun, kind: str, levels: Mapping[str, Mapping[str, torch.Tensor]], generation: str
) -> dict[str, Any]:
    """Evaluate a trained model, keep it in the registry and promote it if it is better."""
    weights = to_bytes({name: kept(name, tensors) for name, tensors in levels.items()})
    config = {
        "kind": kind, "preset": run.preset, "levels": sorted(levels), "generation": generation,
        "recipes": {name: asdict(run.recipe(LEVELS[name])) for name in levels}, "command": run.command,
    }  # fmt: skip
    rows = evaluate(run, whole(weights, config, head_fitter()))
    scores, text = means(rows), table(rows)
    model = run.models.add(weights, config, scores, model_card(run, config, text, len(weights)))
    verdict = promote(run, model)
    create_markdown_artifact(
        f"{text}\n\n{verdict}", key=f"ladder-{kind}", description=f"Held-out pairs of {run.store.name}"
    )
    return {"model": model.name, "scores": scores, "table": text, "verdict": verdict}


def kept(name: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a level that reconstruct."""
    return {k: v for k, v in tensors.items() if not k.startswith(LEVELS[name].training_only)}


def model_card(run: TrainRun, config: dict[str, Any], scores: str, size: int) -> str:
    """How the model was made and what was measured of it, Markdown."""
    titles = {"sdf": "Hierarchical signed distance function", "pifu": "PIFu"}
    return f"""# {titles.get(config["kind"], "PRNet")}, preset {run.preset}

{size / 1e6:.1f} MB of float32: {", ".join(config["levels"])}.

Made by

    {run.command}

from generation `{config["generation"]}` of store `{run.store.name}`; recipes `{config["recipes"]}`.

Held-out pairs (photographs that no training pair uses), depth alignment only, in the face:

{scores}

The training pairs' licences are in the store's `snapshot/licences.json`; this model inherits their limits.
"""


Where = Annotated[Path, Parameter(help="Folder of a published store.")]
Out = Annotated[Path, Parameter(help="Folder of the run: checkpoints, curves, models.")]
Preset = Annotated[
    str, Parameter(help="Size of the networks: small (two cores, hours) or paper (512², GPUs).")
]
Rows = Annotated[str, Parameter(help=f"What to train, in this order, with commas: {', '.join(LEVELS)}.")]
Steps = Annotated[
    str, Parameter(help="Steps where the preset's are not wanted, such as base=6000,fine=2000.")
]
Pairs = Annotated[int, Parameter(help="Held-out pairs that are measured.")]
Threads = Annotated[int, Parameter(help="CPU threads.")]


def run_training(
    store: Where, *, out: Out = Path("runs/sdf"), preset: Preset = "small", rows: Rows = "base,fine",
    steps: Steps = "", pairs: Pairs = 100, threads: Threads = 2,
) -> int:  # fmt: skip
    """Train rows of the ladder on a store; the same command again goes on where a killed run stopped.

    Example: facepairs train out/portraits --out runs/sdf --rows base,fine --steps base=6000
    """
    wanted = tuple(rows.split(","))
    if unknown := [name for name in wanted if name not in LEVELS]:
        msg = f"--rows takes {', '.join(LEVELS)}, got '{unknown[0]}'."
        raise StoreError(msg)
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
    run = TrainRun(store.absolute(), out.absolute(), preset, wanted, steps_of(steps), pairs, command)
    torch.set_num_threads(threads)
    with api(run.out / "prefect"):
        results = train(run)
    for result in results:
        _out.print(result["table"])
        _out.print(result["verdict"])
    return 0


def steps_of(text: str) -> dict[str, int]:
    """``base=6000,fine=2000`` as numbers.

    Raises:
        StoreError: not of this form, or of no level.
    """
    found: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if name not in LEVELS or not number.isdecimal() or int(number) < 1:
            msg = f"--steps takes level=number with commas (levels: {', '.join(LEVELS)}), got '{part}'."
            raise StoreError(msg)
        found[name] = int(number)
    return found
