"""One pair, learned by heart: how exact the surface of f_base's architecture, labels and level set can get.

    python benchmarks/overfit.py STORE [--preset paper] [--image 128] [--steps 1500] [--index 0]

Keeps CD against the true mesh of the pair (aim: 0.3 mm).
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cyclopts
import numpy as np
import torch

from benchmarks.harness import row, save
from flows.pair_cache import PairCache, Source
from flows.sdf_batches import SdfBatches, collate
from flows.sdf_scores import SURFACE
from flows.train import published
from models.geometry.metrics import compare_in_cube
from models.networks.hierarchical import HierarchicalSdf
from models.networks.implicit import FieldBatch, field_loss
from models.networks.sdf_augment import NONE
from models.networks.sdf_nets import SIZES, base_field
from models.networks.train_loop import Recipe, Trainer, one_process
from models.networks.unet import native_bf16
from storage.reader import PairReader
from storage.store import Store
from tasks.decode import MeshReader


@dataclass(frozen=True)
class OnePair:
    """The same pair with other points at every position."""

    pairs: SdfBatches
    index: int

    def __call__(self, positions: range) -> FieldBatch:
        """The batch of some positions."""
        return collate([self.pairs.read(self.index, np.random.default_rng(at)) for at in positions], "base")


def main(store: Path, *, preset: str = "paper", image: int = 128, steps: int = 1500, index: int = 0) -> None:
    """Train on pair ``index`` of the training split, reconstruct it, measure."""
    size = replace(SIZES[preset], image=image, fine_image=image)
    cache = PairCache(Source(store, published(store), "train"), image)
    recipe = Recipe(steps, batch=1, rate=5e-4, decay=0.0, average=0.99)
    torch.manual_seed(0)
    worker = Trainer(base_field(size), field_loss, recipe, one_process(native_bf16("cpu")))
    began = time.monotonic()
    for step in worker.run(OnePair(SdfBatches(cache, "base", recipe, size.points, NONE), index)):
        if step % 100 == 0:
            sys.stderr.write(
                f"step {step}: error {worker.losses['error']:.4f}, {time.monotonic() - began:.0f} s\n"
            )
    worker.net.load_state_dict(worker.averaged)
    pair = PairReader(store, "train", ("image", "semantic"))[index]
    truth = MeshReader(Store.open(store)).read(pair["key"])
    made = HierarchicalSdf(worker.net.eval(), None, size).reconstruct(pair["image"], pair["semantic"])
    counted = np.isin(truth.head.face_region, SURFACE)
    found = compare_in_cube(made.vertices, made.faces, truth.vertices, truth.head.faces, counted, truth.pose)
    note = f"preset {preset} at {image}², {steps} steps of one pair"
    rows = [
        row("CD of one pair", found.cd, unit="mm", note=note),
        row("angle between normals of one pair", found.angle, unit="rad", note=note),
        row("CR of one pair", found.cr, unit="%", note=note),
    ]
    save(f"overfit_{preset}", rows, ["torch"])


if __name__ == "__main__":
    cyclopts.run(main)
