"""Run by test_train_level: trains levels in children that may kill themselves with SIGKILL in the middle of a step.

    python -m tests.flows.killed_training STORE OUT LEVEL...

For each level: once unbroken into OUT/whole, once killed and gone on with into OUT/killed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import trimesh

from assets.places import PlaceAtlas
from assets.registry import default_head
from flows import levels, row_levels, train, train_level, train_run
from flows.pair_cache import PairCache, Source
from models.networks import normal_maps, sdf_nets
from models.networks.fitted_head import Posed
from models.networks.position_map import PositionSize
from models.networks.train_loop import Trainer
from tests.flows.test_train import TINY
from tests.networks.test_normal_maps import TINY as TINY_NORMAL
from tests.networks.test_position_map import TINY as TINY_POSITION

STEPS, KILLED_AT, SAVE_EVERY = 5, 3, 2  # the last checkpoint before the kill is that of step 2


def sphere_head(image: np.ndarray) -> Posed:
    """A head that is as wrong for every picture of a sphere."""
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.45)
    return Posed(np.array(ball.vertices), np.array(ball.faces, np.int32))


def painted(source: Source, size: PositionSize) -> dict[str, np.ndarray]:
    """Pictures of spheres with position maps of the mean head, each a little larger than the one before."""
    cache = PairCache(source, size.image)
    mean = PlaceAtlas(default_head(), size.map).places(default_head().mean) / row_levels.TYPICAL
    grown = np.linspace(0.9, 1.1, len(cache), dtype=np.float32)[:, None, None, None]
    return {"image": cache.array("image"), "semantic": cache.array("semantic"), "places": mean * grown}


def prepare() -> None:
    """Networks of a few thousand parameters, checkpoints every other step, every step in the curve."""
    torch.set_num_threads(1)
    for module in (sdf_nets, levels, row_levels, train_run):
        if hasattr(module, "SIZES"):
            module.SIZES["tiny"] = TINY
    for module in (normal_maps, row_levels, levels):
        if hasattr(module, "NORMAL_SIZES"):
            module.NORMAL_SIZES["tiny"] = TINY_NORMAL
    row_levels.POSITION_SIZES["tiny"] = TINY_POSITION
    row_levels.one_atlas = lambda store, size: PlaceAtlas(default_head(), size.map)
    for name in ("prnet", "prnet-fitted"):  # whose maps want pairs with heads, or photographs
        levels.LEVELS[name] = replace(levels.LEVELS[name], batches=row_levels.position_batches(painted))
    levels.head_fitter = lambda: sphere_head
    train_level.RECORD = train_level.CHECK = 1
    train_level.CHECKED = 2
    train_level.Sheet.draw = lambda sheet, weights: None  # see test_train_sheet
    train_run.TrainRun.recipe = lambda run, name: replace(
        levels.LEVELS[name].recipe("small"), steps=STEPS, batch=2, save_every=SAVE_EVERY, warmup=2
    )


def in_a_child(work: Callable[[], None]) -> int:
    """Exit status of work that is done in a fork; negative: the signal that ended it."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(store: Path, out: Path, names: list[str]) -> None:
    prepare()

    def trained(folder: Path, name: str, kill: bool) -> Callable[[], None]:
        def work() -> None:
            settings = train_run.TrainSettings(
                out=folder, preset="tiny", masks="labels", rows=(name,), threads=1
            )
            if kill:
                advance = Trainer.advance

                def deadly(worker: Trainer, batch: object) -> None:
                    if worker.step == KILLED_AT:
                        os.kill(os.getpid(), signal.SIGKILL)
                    advance(worker, batch)

                Trainer.advance = deadly
            train_level.fit(train_level.devices(1), train.run_of(store, settings), name)

        return work

    for name in names:
        assert in_a_child(trained(out / "whole", name, kill=False)) == 0, name
        assert in_a_child(trained(out / "killed", name, kill=True)) == -signal.SIGKILL, name
        assert in_a_child(trained(out / "killed", name, kill=False)) == 0, name


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
