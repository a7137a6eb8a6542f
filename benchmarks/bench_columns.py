"""An implicit field asked column by column, as a reconstruction asks it, against the same points one by one."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import row, save
from models.networks.implicit import DEPTH_SCALE, ImplicitField, pixel_features
from models.networks.sdf_nets import SIZES, base_field

SIDE, DEEP = 100, 13  # columns along a side, and points in each: what a narrow band has of a face
REPEAT = 5


def cpu(call: Callable[[], Tensor]) -> float:
    """Median CPU seconds after one call to warm up."""
    call()
    times = []
    for _ in range(REPEAT):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return float(np.median(times))


def one_by_one(field: ImplicitField, maps: Tensor, points: Tensor) -> Tensor:
    """What training computes: every point looks its features up and goes through the whole head."""
    parts = [pixel_features(maps, points), DEPTH_SCALE * points[..., 2:]]
    return field.head(torch.cat(parts, dim=-1))


def main() -> None:
    """f_base of both presets, untrained: what a point costs does not depend on what was learned."""
    torch.set_num_threads(1)
    flat, deep = torch.linspace(-0.5, 0.5, SIDE), torch.linspace(-0.2, 0.2, DEEP)
    points = torch.stack(torch.meshgrid(flat, flat, deep, indexing="ij"), -1).reshape(1, -1, 3)
    rows = []
    with torch.inference_mode():
        for preset in ("small", "paper"):
            torch.manual_seed(0)
            field = base_field(SIZES[preset]).eval()
            maps = torch.rand(1, SIZES[preset].base.features, 32, 32)
            ours, peer = field.query(maps, points), one_by_one(field, maps, points)
            assert torch.allclose(ours, peer, atol=1e-5)
            rows.append(
                row(
                    f"{points.shape[1]} points of f_base, {preset}",
                    cpu(lambda f=field, m=maps: f.query(m, points)),
                    cpu(lambda f=field, m=maps: one_by_one(f, m, points)),
                    "s",
                    peer_name="point by point",
                    note="CPU seconds of one thread",
                )
            )
    save("columns", rows, ["torch"])


if __name__ == "__main__":
    main()
