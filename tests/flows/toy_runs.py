"""``facepairs synthesize`` at toy size, as a process of its own that tests and benchmarks kill and type again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import toy_recipe

HERE = Path(__file__).parent


def command(folder: Path, *, pairs: int, workers: int, seconds: float) -> list[str]:
    """What is typed: shards of four pairs, ``seconds`` a pair; photographs and caches in ``folder``."""
    photos = folder / "photos"
    if not photos.exists():
        toy_recipe.make_photos(photos, 10)
    return [
        sys.executable, "-m", "flows.cli", "synthesize", "--photos", str(photos), "--pairs", str(pairs),
        "--size", "32", "--cache", str(folder / "cache"), "--out", str(folder / "store"), "--batch", "4",
        "--shard-size", "4", "--recipe", "toy_recipe:ToyRecipe", "--textures", "plain", "--workers", str(workers),
        "--limits.seconds", str(seconds), "--no-report", "--json",
    ]  # fmt: skip


def environment() -> dict[str, str]:
    """So that the process and its workers find the toys."""
    path = os.pathsep.join([str(HERE.parents[1]), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}
