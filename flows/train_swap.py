"""``facepairs train-swap``: train, measure and ship the completion and the inpainting network.

A run can be killed at any time and continues with the same command. It ends with metrics on held-out photographs
against OpenCV, a sample sheet, the weights and a model card in ``--out``; ``--ship`` also puts weights and card where
the pipeline finds them.
"""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from cyclopts import App, Parameter
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from assets.registry import AssetError, Entry, asset_path, data_dir, default_head, record, texture_pool
from flows.outputs import PICTURES, check_at_least, check_file, check_folder
from flows.server import ServerError, api
from flows.swap_card import LICENCE, model_card
from flows.swap_check import FIDELITY, fewer_mouths, mouth_rows
from flows.swap_check import folds as split_folds
from flows.swap_data import CompletionSampler, InpaintingSampler
from flows.swap_eval import rows_of, score_table, scores, write_sheet
from flows.swap_faces import Face, read_faces, split_faces
from flows.swap_interiors import with_interiors
from flows.swap_metrics import FeatureDistance
from flows.swap_renders import rendered_faces
from models.networks.bisenet import FaceParser
from models.networks.completion import CompletionNet, load_completion
from models.networks.face_landmarker import FaceLandmarker
from models.networks.inpainting import InpaintingNet, load_inpainting
from models.networks.train_swap_loop import Curve, Item, Recipe, Trainer, ship
from models.networks.unet import native_bf16
from storage.errors import StoreError
from tasks.render import mouth_textures

NONE_HELD = "no photograph is held out, so nothing can be measured; give --hold-out the start of a file name."
SIDE = 320  # of the training crops: a little sharper than the images of the pipeline
PART_OF_PROXY = {
    "eye": "iris",
    "teeth": "teeth",
    "tongue": "tongue",
}  # Proxy.texture -> part of the texture pool
Kind = Literal["completion", "inpainting"]
app = App(name="train-swap", help="Train the networks that complete and inpaint the rendered face.")
_out = Console(stderr=True)


@dataclass(frozen=True)
class Run:
    """What a training run is told."""

    kind: Kind
    photos: Path
    out: Path
    steps: int
    hold_out: tuple[str, ...]
    renders: int = 200
    threads: int = 1
    licence: str = "unknown"
    command: str = ""


def network(kind: Kind) -> nn.Module:
    """A fresh network, the same for every run."""
    torch.manual_seed(0)
    return CompletionNet() if kind == "completion" else InpaintingNet()


def paint(net: nn.Module, item: Item) -> Tensor:
    """What either network makes of a batch."""
    if isinstance(net, CompletionNet):
        return net(item.part, *item.inputs)
    return net(*item.inputs)


def recipe(kind: Kind, steps: int) -> Recipe:
    """Numbers of a run: small holes that differ much in how hard they are count alike."""
    return Recipe(steps=steps, fidelity=FIDELITY if kind == "completion" else 0.0)


def trainer(kind: Kind, faces: Sequence[Face], renders: Sequence[Face], steps: int) -> Trainer:
    """Trainer of a network over training faces; only completion has a use for renders."""
    sampler = CompletionSampler(faces, renders) if kind == "completion" else InpaintingSampler(faces)
    # A mouth's network paints pixel by pixel: an adversary has nothing to teach it.
    judged = ("eye",) if kind == "completion" else ("face",)
    return Trainer(network(kind), paint, sampler, recipe(kind, steps), judged, bf16=native_bf16("cpu"))


@task(name="annotate photographs", cache_policy=NO_CACHE, persist_result=False)
def annotate(run: Run) -> list[Face]:
    """Landmarks and parsing of every face of the folder; for completion, also the mouth of the fitted head.

    Raises:
        AssetError: no face was found.
    """
    finder, parser = FaceLandmarker(asset_path("face_landmarker")), FaceParser(asset_path("bisenet"))
    faces = read_faces(run.photos, finder, parser, SIDE)
    if not faces:
        msg = f"no face was found in the pictures of '{run.photos}'; give --photos a folder with photographs of faces."
        raise AssetError(msg)
    if run.kind == "inpainting":
        return faces
    pool, head = texture_pool(), default_head()
    return with_interiors(faces, head, pool.image(pool.names[0]), mouth_textures(head, pool))


@task(name="render faces", cache_policy=NO_CACHE, persist_result=False)
def draw_faces(run: Run) -> list[Face]:
    """Renders of the head model that ships, with eyeballs, teeth and tongue, in the textures that ship."""
    if run.kind != "completion" or run.renders == 0:
        return []
    pool = texture_pool()
    parts = {name: [pool.image(n) for n in pool.part(part)] for name, part in PART_OF_PROXY.items()}
    skins = [pool.image(name) for name in pool.names]
    return rendered_faces(default_head(), skins, parts, run.renders, SIDE)


@task(name="train", cache_policy=NO_CACHE, persist_result=False)
def train(run: Run, faces: list[Face], renders: list[Face]) -> Path:
    """Train to the wanted step, from the last checkpoint on; gives the path of the averaged weights."""
    training, _ = split_faces(faces, run.hold_out)
    worker = trainer(run.kind, training, renders, run.steps)
    if worker.resume(run.out):
        _out.print(f"continuing at step {worker.step} of {run.steps}")
    curve, sums = Curve(run.out), dict[str, list[float]]()
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_out) as progress:
        bar = progress.add_task(run.kind, total=run.steps, completed=worker.step)
        for step in worker.run():
            progress.update(bar, completed=step)
            for name, value in worker.losses.items():
                sums.setdefault(name, []).append(value)
            if step % 25 == 0 or step == run.steps:
                curve.log(step, {name: sum(v) / len(v) for name, v in sums.items()})
                sums.clear()
            if step % worker.recipe.save_every == 0 or step == run.steps:
                worker.save(run.out)
    weights = run.out / f"{run.kind}.safetensors"
    ship(worker.averaged, weights, {"kind": run.kind, "step": str(worker.step)})
    return weights


@task(name="evaluate on held-out photographs", cache_policy=NO_CACHE, persist_result=False)
def evaluate(run: Run, faces: list[Face], weights: Path) -> dict[str, float]:
    """PSNR in the holes of held-out faces, the sample sheet and the model card."""
    training, held = held_out(run, faces)
    net = (load_completion if run.kind == "completion" else load_inpainting)(weights)
    rows = rows_of(run.kind)(net, held)
    values = scores(rows, _features())
    write_sheet(run.out / f"{run.kind}_samples.png", rows)
    Curve(run.out).log(run.steps, values)
    card = model_card(
        run.kind, run.command, recipe(run.kind, run.steps), run.licence, training, held, run.renders,
        sum(p.numel() for p in net.parameters()), weights.stat().st_size, values,
    )  # fmt: skip
    (run.out / f"{run.kind}.md").write_text(card, encoding="utf-8")
    return values


def held_out(run: Run, faces: list[Face]) -> tuple[list[Face], list[Face]]:
    """Training faces, and those that are measured.

    Raises:
        ValueError: none is held out.
    """
    training, held = split_faces(faces, run.hold_out)
    if not held:
        raise ValueError(NONE_HELD)
    return training, held


def check(run: Run) -> None:
    """Refuse what cannot end well before anything starts.

    Raises:
        StoreError: numbers that make no sense, no folder of photographs, or an output that cannot be written.
    """
    check_at_least(1, steps=run.steps, threads=run.threads)
    check_at_least(0, renders=run.renders)
    if not run.photos.is_dir():
        msg = f"--photos {run.photos} is no folder; give one with photographs of faces."
        raise StoreError(msg)
    check_folder(run.out)


def _features() -> FeatureDistance | None:
    """The parser's trunk, when its weights were fetched."""
    try:
        return FeatureDistance(asset_path("bisenet"))
    except AssetError:
        return None


def ship_weights(run: Run, weights: Path) -> None:
    """Put weights and card into the assets that ship, and their hash into the ledger."""
    folder = data_dir() / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    for source in (weights, weights.with_suffix(".md")):
        partial = folder / f".{source.name}.tmp"
        partial.write_bytes(source.read_bytes())
        partial.replace(folder / source.name)
    entry = Entry(
        name=run.kind,
        kind="weights",
        path=f"weights/{weights.name}",
        sha256="",
        bytes=0,
        licence=LICENCE,
        source="facepairs train-swap",
        attribution="the facepairs authors",
        note=f"Trained with masks of the research-only parser: not cleared for commercial use. Card: {run.kind}.md.",
        commercial=False,
    )
    record(entry)


@flow(name="train-swap", log_prints=False, persist_result=False, validate_parameters=False)
def train_swap(run: Run) -> dict[str, float]:
    """Annotate, train, evaluate; gives the PSNR of each method by kind of hole."""
    torch.set_num_threads(run.threads)
    run.out.mkdir(parents=True, exist_ok=True)
    faces = annotate(run)
    held_out(run, faces)  # now, and not after training
    weights = train(run, faces, draw_faces(run))
    return evaluate(run, faces, weights)


def _start(run: Run, to_ship: bool) -> None:
    for name in ("prefect", "prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).setLevel(logging.WARNING)  # the progress bar says it better
    check(run)
    try:
        if not run.hold_out:
            raise ValueError(NONE_HELD)
        with api(run.out / "prefect"):
            values = train_swap(run)
        if to_ship:
            ship_weights(run, run.out / f"{run.kind}.safetensors")
    except (AssetError, ServerError, ValueError) as error:
        sys.stderr.write(f"facepairs: {error}\n")
        raise SystemExit(2) from None
    _out.print(score_table(values))
    _out.print(f"weights, model card and samples are in {run.out}")


Photos = Annotated[Path, Parameter(help="Folder with photographs of faces.")]
Out = Annotated[Path, Parameter(help="Folder of the run: checkpoint, curves, samples, weights, card.")]
Steps = Annotated[int, Parameter(help="Training steps in all; a resumed run goes on to it.")]
HoldOut = Annotated[tuple[str, ...], Parameter(help="Starts of file names to keep for measuring.")]
Renders = Annotated[int, Parameter(help="Rendered faces that join the photographs.")]
Threads = Annotated[int, Parameter(help="CPU threads.")]
Licence = Annotated[str, Parameter(help="Licence of the photographs, for the model card.")]
Folds = Annotated[int, Parameter(help="Networks to train, each without its share of the photographs.")]
Mouths = Annotated[
    int | None, Parameter(help="Train with at most so many of the open mouths (learning curve).")
]
Sheet = Annotated[Path | None, Parameter(help="Write a picture of every mouth here.")]
Ship = Annotated[bool, Parameter(help="Put the weights where the pipeline finds them.", negative=())]


def typed(arguments: Sequence[str], kind: str) -> str:
    """The command as it goes into the model card: names in place of this machine's folders."""
    places = {"--photos": "PHOTOS", "--out": f"runs/{kind}"}
    words = [word for argument in arguments for word in _halves(argument)]
    shown = [places.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    return shlex.join(["facepairs", "train-swap", *shown])


def _halves(argument: str) -> list[str]:
    return argument.split("=", 1) if argument.startswith("--") else [argument]


def _command(kind: str) -> str:
    after = sys.argv.index("train-swap") + 1 if "train-swap" in sys.argv else len(sys.argv)
    return typed(sys.argv[after:], kind)


@app.command
def completion(
    *, photos: Photos, out: Out, steps: Steps = 4000, hold_out: HoldOut = (), renders: Renders = 200,
    threads: Threads = 1, licence: Licence = "not stated.", ship: Ship = False,
) -> None:  # fmt: skip
    """Train the network that paints eyes and inner mouth.

    Example: facepairs train-swap completion --photos photos --out runs/completion --steps 4000 --hold-out biden
    """
    _start(
        Run("completion", photos, out, steps, hold_out, renders, threads, licence, _command("completion")),
        ship,
    )


@app.command
def inpainting(
    *, photos: Photos, out: Out, steps: Steps = 2000, hold_out: HoldOut = (), threads: Threads = 1,
    licence: Licence = "not stated.", ship: Ship = False,
) -> None:  # fmt: skip
    """Train the network that paints the edge of the face.

    Example: facepairs train-swap inpainting --photos photos --out runs/inpainting --steps 2000 --hold-out biden
    """
    _start(Run("inpainting", photos, out, steps, hold_out, 0, threads, licence, _command("inpainting")), ship)


@app.command
def check_mouths(
    *, photos: Photos, folds: Folds = 4, steps: Steps = 1400, renders: Renders = 200, mouths: Mouths = None,
    threads: Threads = 1, sheet: Sheet = None,
) -> None:  # fmt: skip
    """Measure completed mouths on every photograph: each by a network that was trained without it.

    Example: facepairs train-swap check-mouths --photos photos --folds 4 --steps 1400
    """
    run = Run("completion", photos, photos, steps, (), renders, threads)
    check(run)
    check_at_least(2, folds=folds)
    if sheet is not None:
        check_file(sheet, "--sheet", PICTURES)
    torch.set_num_threads(threads)
    try:
        faces, drawn = annotate.fn(run), draw_faces.fn(run)
        rows = [
            row
            for training, held in split_folds(faces, folds)
            for row in mouth_rows(fewer_mouths(training, mouths), held, drawn, steps)
        ]
    except (AssetError, ValueError) as error:
        sys.stderr.write(f"facepairs: {error}\n")
        raise SystemExit(2) from None
    if sheet is not None:
        write_sheet(sheet, rows)
    _out.print(
        f"{len(rows)} mouths, each measured by a network that never saw it\n"
        f"{score_table(scores(rows, _features()))}"
    )


if __name__ == "__main__":
    app()
