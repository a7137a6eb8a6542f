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
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from cyclopts import Parameter
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from rich.console import Console
from rich.progress import Progress

from flows.levels import KINDS, LEVELS
from flows.licences import inherited
from flows.promotion import Validation, fixed_set, promote
from flows.sdf_scores import Row, means, table
from flows.server import api
from flows.train_level import train_level
from flows.train_run import TrainRun, TrainSettings
from models.networks.hierarchical import to_bytes
from models.networks.train_loop import averaged_weights
from storage.errors import StoreError
from storage.files import read_sealed, seal, write_replace
from storage.generation import latest, read_generation
from storage.registry import Model, Registry
from storage.store import Store
from storage.untrusted import saying

BEGUN = "run.json"  # which generation a folder's networks learn from
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


def run_of(store: Path, settings: TrainSettings) -> TrainRun:
    """The run of an output folder: on the generation that it began with, or on the latest.

    Raises:
        StoreError: nothing is published, the settings make no sense, or the folder belongs to another store.
    """
    settings.check()
    path = settings.out / BEGUN
    if path.is_file():
        with saying(str(path)):
            begun = read_sealed(path)
            on, generation = Path(begun["store"]), str(begun["generation"])
        if on != store.absolute():
            msg = f"{settings.out} was begun on {on}, not on {store}; give another --out."
            raise StoreError(msg)
        read_generation(Store.open(store).root, generation)  # it may be gone
    else:
        generation = published(store)
    return TrainRun(
        **settings.model_dump(exclude={"out"}), out=settings.out.absolute(), home=settings.out.absolute(),
        store=store.absolute(), generation=generation,
    )  # fmt: skip


@task(name="evaluate", cache_policy=NO_CACHE, persist_result=False)
def evaluate(validation: Validation, weights: bytes, config: Mapping[str, Any]) -> list[Row]:
    """Scores of a model and of the floors on the fixed held-out pairs."""
    with Progress(console=_out) as progress:
        bar = progress.add_task("evaluate", total=validation.pairs)
        return validation.rows(weights, config, lambda: progress.advance(bar))


@task(name="promote", cache_policy=NO_CACHE, persist_result=False)
def promote_better(models: Registry, model: Model) -> str:
    """See :func:`flows.promotion.promote`."""
    return promote(models, model)


@flow(name="train", log_prints=False, persist_result=False)
def train(run: TrainRun) -> list[dict[str, Any]]:
    """Train the wanted levels; evaluate, keep and promote the models that they belong to.

    Raises:
        StoreError: the store has no held-out pairs, a level has no f_base to stand on, or a checkpoint is of another
            recipe or size.
    """
    run.home.mkdir(parents=True, exist_ok=True)
    write_replace(run.home / BEGUN, seal({"store": str(run.store), "generation": run.generation}))
    above = [name for name in run.rows if KINDS[name] == KINDS["base"]]
    if above and "base" not in run.rows and averaged_weights(run.home / "base") is None:
        msg = f"'{above[0]}' stands on f_base, and {run.home} holds none; put base among --rows."
        raise StoreError(msg)
    trained = {name: train_level(run, name) for name in run.rows}
    found = []
    for kind in dict.fromkeys(KINDS[name] for name in run.rows):
        levels = {}
        for name in (name for name in LEVELS if KINDS[name] == kind):
            weights = trained.get(name) or averaged_weights(run.home / name)
            if weights is not None:  # a level of an earlier command of this folder belongs to the model too
                levels[name] = weights
        found.append(keep(run, kind, levels))
    return found


def keep(run: TrainRun, kind: str, levels: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[str, Any]:
    """Evaluate a trained model, keep it in the registry and promote it if it is better."""
    weights = to_bytes({name: kept(name, tensors) for name, tensors in levels.items()})
    found = read_generation(run.store, run.generation)
    config = {
        "kind": kind, "preset": run.preset, "levels": sorted(levels), "generation": run.generation,
        "number": found.number, "plan": found.plan, "data": found.hash, "settings": run.key(),
        "recipes": {name: vars(run.recipe(name)) for name in levels}, "command": run.command,
        "licences": inherited(Store.open(run.store)),
    }  # fmt: skip
    rows = evaluate(fixed_set(run.models, run.store, run.generation, run.pairs), weights, config)
    scores, text = means(rows), table(rows)
    model = run.models.add(weights, config, scores, model_card(run, config, text, len(weights)))
    verdict = promote_better(run.models, model)
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

The training pairs' licences are in the store's `snapshot/licences.json`; this model inherits their limits: it
{config["licences"]["line"]}
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
Masks = Annotated[
    Literal["parsed", "labels"],
    Parameter(help="Faces as the parser sees them in the pictures, as in use, or as the labels have them."),
]
Devices = Annotated[int, Parameter(help="GPUs, or CPU processes where there is none.")]
Threads = Annotated[int, Parameter(help="Threads of each CPU process.")]


def run_training(
    store: Where, *, out: Out = Path("runs/sdf"), preset: Preset = "small", rows: Rows = "base,fine",
    steps: Steps = "", pairs: Pairs = 100, masks: Masks = "parsed",
    devices: Devices = 1, threads: Threads = 2,
) -> int:  # fmt: skip
    """Train rows of the ladder on a store; the same command again goes on where a killed run stopped.

    Example: facepairs train out/portraits --out runs/sdf --rows base,fine --steps base=6000
    """
    settings = TrainSettings(
        out=out, preset=preset, rows=tuple(rows.split(",")), steps=steps_of(steps), pairs=pairs, masks=masks,
        devices=devices, threads=threads, command=told(store),
    )  # fmt: skip
    run = run_of(store, settings)  # says what is missing before anything starts
    quiet()
    torch.set_num_threads(threads)
    with api(run.out / "prefect"):
        results = train(run)
    for result in results:
        _out.print(result["table"])
        _out.print(result["verdict"])
    return 0


def told(store: Path) -> str:
    """The command as it was typed, without the place of the store."""
    return shlex.join("STORE" if word == str(store) else word for word in ["facepairs", *sys.argv[1:]])


def quiet() -> None:
    """The progress bar and the sentences of main() say it better than Prefect's own lines."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    for name in ("prefect", "prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).setLevel(logging.WARNING)


def steps_of(text: str) -> dict[str, int]:
    """``base=6000,fine=2000`` as numbers.

    Raises:
        StoreError: not of this form.
    """
    found: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if not number.isdecimal():
            msg = f"--steps takes level=number with commas (levels: {', '.join(LEVELS)}), got '{part}'."
            raise StoreError(msg)
        found[name] = int(number)
    return found
