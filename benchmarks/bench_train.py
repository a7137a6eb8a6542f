"""Training steps of f_base: the preset ``small`` against the prototype that it replaced, and the loader against both.

Everything runs in turn in one process, so that all see the same noise of the machine. The prototype is what this
replaced: two stacks at 128², groups of two channels, bicubic upsampling, float32, channels first, 4000 points.

    OMP_NUM_THREADS=2 python benchmarks/bench_train.py [STORE]

Without a store it makes one of spheres: the times are the same but for the reading of files.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.harness import best_of, compare, row, save
from flows.levels import LEVELS
from flows.pair_cache import PairCache, Source
from flows.sdf_batches import SdfBatches
from flows.train import published
from models.networks import hourglass
from models.networks.hourglass import HourglassSize, StackedHourglass
from models.networks.implicit import FieldBatch, ImplicitField, MlpSize, field_loss
from models.networks.sdf_augment import Augmentation
from models.networks.train_loop import Recipe, Trainer, one_process
from models.networks.unet import native_bf16
from tests.flows.sphere_store import sphere_store

BATCH, SIDE, OLD_POINTS = 8, 128, 4000
THREADS = int(os.environ["OMP_NUM_THREADS"])
OLD = HourglassSize(stem=32, middle=48, features=64, stacks=2, depth=3, grouped=2)


class Bicubic(hourglass.Hourglass):
    """An hourglass that goes up with the published kernel."""

    def _level(self, x: torch.Tensor, level: int) -> torch.Tensor:
        aside = self.beside[level](x)
        low = self.down[level](F.avg_pool2d(x, 2))
        low = self._level(low, level + 1) if level + 1 < len(self.down) else self.middle(low)
        low = self.up[level](low)
        return aside + F.interpolate(low, scale_factor=2, mode="bicubic", align_corners=False)


def prototype() -> ImplicitField:
    """The network that this replaced."""
    encoder = StackedHourglass(OLD)
    encoder.hourglasses = nn.ModuleList(
        Bicubic(OLD.depth, OLD.features, OLD.grouped) for _ in range(OLD.stacks)
    )
    return ImplicitField(encoder, OLD.features, MlpSize((128, 96, 64, 32)))


def stepper(net: nn.Module, batch: FieldBatch, bf16: bool, channels_last: bool) -> Callable[[], None]:
    """One step of training on a batch that is there."""
    worker = Trainer(net, field_loss, Recipe(10_000, batch=BATCH), one_process(bf16))
    if not channels_last:
        worker.net.to(memory_format=torch.contiguous_format)
    return lambda: worker.advance(batch)


def main() -> None:
    """On the store that is told, or on one of spheres."""
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(sphere_store(Path(folder) / "store", pairs=24).root)


def measure(store: Path) -> None:
    """Steps, and batches, in milliseconds; steps a second in the notes."""
    torch.set_num_threads(THREADS)
    cache = PairCache(Source(store, published(store), "train"), SIDE)
    loader = SdfBatches(cache, "base", Recipe(10_000), 1024, Augmentation())
    many = SdfBatches(cache, "base", Recipe(10_000), OLD_POINTS, Augmentation())
    positions = range(BATCH)
    new, old = loader(positions), many(positions)
    torch.manual_seed(0)
    ours = stepper(LEVELS["base"].network("small"), new, native_bf16("cpu"), channels_last=True)
    before = stepper(prototype(), old, bf16=False, channels_last=False)
    where = f"batch {BATCH}, {SIDE}², {THREADS} thread(s)"
    rows = [
        compare(
            "training step of f_base",
            ours,
            before,
            peer_name="prototype in fp32",
            repeat=9,
            budget=60,
            note=where,
        )
    ]
    steps = [
        ("bfloat16 alone", prototype(), True, False),
        ("bfloat16, channels last", prototype(), True, True),
    ]
    for name, net, bf16, last in steps:
        rows.append(
            compare(
                f"prototype with {name}", stepper(net, old, bf16, last), before, peer_name="prototype in fp32",
                repeat=5, budget=30, note=where,
            )
        )  # fmt: skip
    made = best_of(lambda: loader(positions), repeat=15)
    need = rows[0].ours / 1e3
    rows.append(
        row(
            "loader, samples a second", BATCH / made, BATCH / need, "samples/s", higher_is_better=True,
            peer_name="what a step takes", note="decoded pairs, augmentation and inputs, one thread",
        )
    )  # fmt: skip
    rows.append(row("training steps of f_base a second", 1 / need, 1e3 / rows[0].peer, "steps/s", higher_is_better=True,
                    peer_name="prototype in fp32", note=where))  # fmt: skip
    save("train", rows, ["torch"])


if __name__ == "__main__":
    main()
