"""``facepairs bench``: the open benchmark, built from what ships and checked by its hashes.

The pair maker's own flow makes more pairs than are needed, resumable as any store; the first accepted ones of each
pose and kind are taken, and renders of the scan are added. Same command, same bytes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from assets.benchmark import BENCH_TEXTURES
from assets.readers.photo import Refused, read_photo
from assets.registry import asset_path, default_head, photo_paths
from assets.shipped_scan import shipped_scan
from flows.config import SynthesizeConfig, SynthesizeError, default_cache
from flows.sheet import accepted_keys
from models.geometry.camera import cube_to_pixel
from models.heads.outside import KINDS
from models.heads.regions import FACE, Region
from models.heads.relief import ReliefHead
from storage.benchmark import MANIFEST, Benchmark, BenchmarkWriter
from storage.schema import META
from storage.store import Store
from tasks.bench_scan import turned, view_scan
from tasks.parse import Parse, clean

BINS = (0, 5, 30, 60, 90)  # degrees of absolute yaw (facts §2.6)
PER_BIN = 100
PLANNED = 640  # pairs, of which 4 x 100 are taken: half inside the linear space, half outside
SEED, SIZE = 2026, 256
SCAN_YAWS = (-60, -30, 0, 30, 60)
COUNTED = tuple(region for region in FACE if region != Region.INNER_MOUTH)
PARTS = {
    "store",
    "images",
    "semantic",
    "label",
    "meshes",
    "topology",
    MANIFEST,
}  # of the folder of a benchmark
TOPOLOGY, SCAN = "head", "james"
# Digest of the build in docs/evaluation.md.
PUBLISHED = "65ef25355cc26b10901c9e5104d3f5db097a8108ec0a2c846170d0606f32f090"

app = App(name="bench", help="The open benchmark: build it, check it.")
_out = Console(stderr=True)
Tell = Callable[[str, int, int], None]


@app.command
def build(
    out: Annotated[Path, Parameter(help="Folder of the benchmark.")],
    *,
    workers: Annotated[int, Parameter(help="Worker processes, one core each.")] = 2,
) -> int:
    """Build the benchmark: 400 images over four pose bins with their true meshes, and renders of a real scan.

    Example: facepairs bench build out/bench
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    if out.exists() and (not out.is_dir() or {entry.name for entry in out.iterdir()} - PARTS):
        msg = f"{out} holds something that is no benchmark; give a folder that is absent, empty or one that this began."
        raise SynthesizeError(msg)
    make_pairs(out / "store", workers)
    with Progress(*columns, console=_out) as progress:
        bars: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
            progress.update(bars[what], completed=done)

        made = collect(Store.open(out / "store"), out, tell)
    return _said(made)


@app.command
def verify(out: Annotated[Path, Parameter(help="Folder of the benchmark.")]) -> int:
    """Prove from the bytes on disk that a benchmark is whole, and say whether it is the published one.

    Example: facepairs bench verify out/bench
    """
    made = Benchmark.open(out)
    problems = made.problems()
    for problem in problems:
        sys.stdout.write(problem + "\n")
    return 1 if problems else _said(made)


def _said(made: Benchmark) -> int:
    wild = [case for case in made.cases if case.group == "wild"]
    outside = sum(case.kind != "inside" for case in wild)
    same = (
        "the published one"
        if made.digest == PUBLISHED
        else "not the published one (docs/evaluation.md says why)"
    )
    sys.stdout.write(
        f"{len(made.cases)} images in {made.root}: {len(wild)} in photographs, {outside} of them of heads outside the "
        f"linear space, {len(made.cases) - len(wild)} renders of a scan\ndigest {made.digest}: {same}\n"
    )
    return 0


def make_pairs(store: Path, workers: int, planned: int = PLANNED) -> None:
    """Make the pairs that the benchmark is drawn from, or go on making them.

    Raises:
        SynthesizeError: the run was stopped.
    """
    from flows.progress import Board
    from flows.synthesize import run_synthesis

    cache = default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    config = SynthesizeConfig(
        out=store, pairs=planned, seed=SEED, size=SIZE, workers=workers, points=1024, shard_size=40,
        splits={"test": 1.0},
        yaw_edges=BINS[1:], textures=BENCH_TEXTURES, recipe="tasks.bench_recipe:BenchRecipe", report=False, cache=cache,
    )  # fmt: skip
    result = run_synthesis(config, Board(_out))
    if result["state"] != "Completed":
        raise SynthesizeError(result["message"])


def collect(store: Store, out: Path, tell: Tell, per_bin: int = PER_BIN) -> Benchmark:
    """Take the first accepted pairs of each bin, half of them outside the linear space, and add the scan.

    Raises:
        SynthesizeError: a bin has too few of a kind.
    """
    metas = {key: store.read(key, (META,))[META] for key in accepted_keys(store)}
    chosen = choose(metas, per_bin)
    head, scan = default_head(), shipped_scan()
    parse = Parse(asset_path("bisenet"))
    writer = BenchmarkWriter(out)
    fine = ReliefHead(head).head
    writer.topology(TOPOLOGY, fine.faces, np.isin(fine.face_region, COUNTED))
    total = len(chosen) + len(SCAN_YAWS)
    for done, key in enumerate(chosen, 1):
        pair, meta = store.read(key, ("image", "semantic", "vertices")), metas[key]
        camera, quality = meta["camera"], meta["quality"]
        points = cube_to_pixel(head.landmarks(pair["vertices"]), SIZE).astype(np.float32)
        writer.case(
            pair["image"], parsed(parse, pair["image"], points), pair["semantic"], pair["vertices"],
            group="wild", yaw=meta["angles"][0], kind=_kind(quality), remainder=round(quality["remainder"], 4),
            topology=TOPOLOGY, scale=camera["scale"], rotation=camera["rotation"], translation=camera["translation"],
            sources=meta["sources"],
        )  # fmt: skip
        tell("cases", done, total)
    counted = np.isin(scan.face_region, (*COUNTED, Region.INNER_MOUTH))
    writer.topology(SCAN, scan.faces, counted)
    background = _background()
    for done, yaw in enumerate(SCAN_YAWS, len(chosen) + 1):
        view = view_scan(scan, head, turned(yaw), background, SIZE)
        pose = view.pose
        writer.case(
            view.image, parsed(parse, view.image, view.landmarks.astype(np.float32)), view.label, view.mesh,
            group="scan", yaw=float(yaw), kind="real", remainder=0.0, topology=SCAN,
            scale=pose.scale, rotation=pose.rotation.tolist(), translation=pose.translation.tolist(),
            sources={"head": SCAN, "texture": SCAN, "photo": ""},
        )  # fmt: skip
        tell("cases", done, total)
    return writer.finish()


def choose(metas: dict[str, dict[str, Any]], per_bin: int) -> list[str]:
    """Keys of the cases, bin by bin in order of key: half of each bin inside the linear space, half outside.

    Raises:
        SynthesizeError: a bin has too few of a kind.
    """
    chosen: list[str] = []
    for low, high in pairwise(BINS):
        for inside in (True, False):
            fit = [
                key for key, meta in sorted(metas.items())
                if low <= abs(meta["angles"][0]) < high and (_kind(meta["quality"]) == "inside") == inside
            ]  # fmt: skip
            if len(fit) < per_bin // 2:
                msg = (
                    f"only {len(fit)} accepted pairs of heads {'inside' if inside else 'outside'} the linear space lie "
                    f"at {low}-{high} degrees, {per_bin // 2} are needed; plan more of them."
                )
                raise SynthesizeError(msg)
            chosen += fit[: per_bin // 2]
    return chosen


def parsed(parse: Parse, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """What the parser sees in an image, cleaned as photographs' masks are; which face is meant is known."""
    return clean(parse.classes(image, landmarks), landmarks)


def _kind(quality: dict[str, float]) -> str:
    return "inside" if quality["change"] < 0 else KINDS[int(quality["change"])]


def _background() -> np.ndarray:
    """The photograph whose blurred colours lie behind the scan."""
    photo = read_photo(photo_paths()[3])
    assert not isinstance(photo, Refused)
    return cv2.resize(photo, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
