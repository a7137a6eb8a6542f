"""``facepairs retrain``: train on the newest published generation when that is news, and use the model if it is better.

Idempotent on (generation, settings): what was trained already is not trained again, and a run that was killed goes on.
The generation is read from disk, whatever an event said; the comparison is made on the registry's one fixed set of
held-out pairs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter
from prefect import flow
from rich.console import Console

from flows.server import api
from flows.train import (
    Devices,
    Masks,
    Out,
    Pairs,
    Preset,
    Rows,
    Steps,
    Threads,
    published,
    quiet,
    steps_of,
    told,
    train,
)
from flows.train_run import TrainRun, TrainSettings
from storage.generation import Generation, read_generation
from storage.registry import Model, Registry
from storage.store import Store

_out = Console(stderr=True)


def why_not(models: Registry, found: Generation, settings: TrainSettings) -> str | None:
    """Why nothing has to be trained, in a sentence; None when something has.

    Args:
        models: the registry.
        found: the generation.
        settings: what would be trained.
    """
    trained = [m for m in models.models() if _is(m, found, settings)]
    champion = models.champion()
    if trained:
        names = " and ".join(model.name for model in trained)
        used = "none is in use" if champion is None else f"{champion.name} is in use"
        return f"{found.name} was learned from with these settings already: {names}; {used}."
    if champion is not None and champion.config.get("plan") == found.plan:
        newest = int(champion.config["number"])
        if found.number < newest:
            return f"{found.name} is older than what {champion.name} learned from (generation {newest})."
    return None


def _is(model: Model, found: Generation, settings: TrainSettings) -> bool:
    return model.config.get("data") == found.hash and model.config.get("settings") == settings.key()


@flow(name="retrain", log_prints=False, persist_result=False)
def retrain(store: Path, generation: str = "", settings: TrainSettings | None = None) -> dict[str, Any]:
    """Train on a generation unless that was done, evaluate, promote or say why not.

    Args:
        store: folder of a published store.
        generation: file name of a generation; empty for the latest.
        settings: what to train, and where models are kept; None for the preset ``small`` in ``runs/sdf``.

    Returns:
        ``trained`` names of models, and ``verdict`` in a sentence.

    Raises:
        StoreError: nothing is published, there is no such generation, or the settings make no sense.
    """
    settings = settings or TrainSettings()
    settings.check()
    found = read_generation(Store.open(store).root, generation or published(store))
    if reason := why_not(settings.models, found, settings):
        return {"trained": [], "verdict": reason}
    out = settings.out.absolute()
    run = TrainRun(
        **settings.model_dump(exclude={"out"}), out=out, home=out / f"{found.hash[:12]}-{settings.key()}",
        store=store.absolute(), generation=found.name,
    )  # fmt: skip
    results = train(run)
    return {
        "trained": [result["model"] for result in results],
        "verdict": " ".join(result["verdict"] for result in results),
    }


Stores = Annotated[list[Path], Parameter(help="Folders of published stores.")]


def run_retraining(
    stores: Stores, *, out: Out = Path("runs/sdf"), preset: Preset = "small", rows: Rows = "base,fine",
    steps: Steps = "", pairs: Pairs = 100, masks: Masks = "parsed",
    devices: Devices = 1, threads: Threads = 2,
) -> int:  # fmt: skip
    """Train on the newest generation of each store unless that was done; promote the model if it is better.

    Example: facepairs retrain out/portraits --out runs/sdf
    """
    wanted = {
        store: TrainSettings(
            out=out, preset=preset, rows=tuple(rows.split(",")), steps=steps_of(steps), pairs=pairs, masks=masks,
            devices=devices, threads=threads, command=told(store),
        )
        for store in stores
    }  # fmt: skip
    for store, settings in wanted.items():  # says what is missing before anything starts
        settings.check()
        published(store)
    torch.set_num_threads(threads)
    quiet()
    with api(out.absolute() / "prefect"):
        for store, settings in wanted.items():
            _out.print(f"{store}: {retrain(store, settings=settings)['verdict']}")
    return 0
