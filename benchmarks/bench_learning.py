"""What more pairs and more steps bring: error on people that no training pair shows, against both.

    python -m benchmarks.bench_learning STORE [--counts 500,1500,4000] [--steps 2000]

Trains the row ``guided`` of the preset ``small`` on the first pairs of a store, on pictures of half the side as in the
first phase of its training, and measures the depth map that it draws: mean absolute error in the face and its skirt,
depth as a whole aligned. Draws ``docs/pictures/learning.svg``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cyclopts
import torch

from benchmarks.harness import row, save
from flows.charts import lines
from flows.guided_batches import GuidedBatches
from flows.pair_cache import PairCache, Source
from flows.row_levels import TYPICAL
from flows.sdf_batches import SdfBatches
from flows.train import published
from models.networks.guided import GuidedField, guided_loss
from models.networks.sdf_augment import NONE, Augmentation
from models.networks.sdf_nets import LABEL_SCALE, SIZES
from models.networks.train_loop import Recipe, Trainer, one_process
from models.networks.unet import native_bf16

PLOT = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "learning.svg"
SIDE = SIZES["small"].image
LOOKS = 5  # at held-out pairs, on the way
HELD = 160  # of them
MM = float(TYPICAL) / LABEL_SCALE  # of a unit of the networks in an ordinary crop


@dataclass(frozen=True)
class First(PairCache):
    """The first pairs of a split."""

    count: int = 0

    def __len__(self) -> int:
        return min(self.count, len(self.reader))


def main(store: Path, *, counts: str = "500,1500,4000", steps: int = 2000) -> None:
    """One run for each number of pairs, each of as many steps."""
    torch.set_num_threads(1)
    found = {int(count): list(learn(store, int(count), steps)) for count in counts.split(",")}
    rows = [
        row(
            f"error after {step:,} steps, {count:,} pairs",
            mm,
            unit="mm",
            note=f"guided, {SIDE}², unseen people",
        )
        for count, points in found.items()
        for step, mm in points
    ]
    PLOT.write_text(
        lines(
            {f"{count:,} training pairs": points for count, points in found.items()}, "steps of eight pairs",
            "mm", log=True,
        )
    )  # fmt: skip
    save("learning", rows, ["torch"])


def learn(store: Path, count: int, steps: int) -> Iterator[tuple[int, float]]:
    """Steps and error on held-out pairs; the rate falls to its end at the last of them."""
    generation = published(store)
    recipe = Recipe(steps)
    plain = SdfBatches(
        First(Source(store, generation, "train"), SIDE, count), "base", recipe, SIZES["small"].points, Augmentation()
    )  # fmt: skip
    unseen = replace(plain, cache=PairCache(Source(store, generation, "val"), SIDE), how=NONE)
    held = [GuidedBatches(unseen)(range(at, at + recipe.batch)) for at in range(0, HELD, recipe.batch)]
    torch.manual_seed(recipe.seed)
    worker = Trainer(GuidedField(SIZES["small"]), guided_loss, recipe, one_process(native_bf16("cpu")))
    began = time.monotonic()
    for step in worker.run(GuidedBatches(plain)):
        if step % (steps // LOOKS) == 0:
            error = MM * worker.validate(held)["drawing"]
            sys.stderr.write(
                f"{count} pairs, step {step}: {error:.2f} mm, {time.monotonic() - began:.0f} s\n"
            )
            yield step, error


if __name__ == "__main__":
    cyclopts.run(main)
