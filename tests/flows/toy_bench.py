"""A benchmark of a few posed mean heads: what evaluation flows are tested with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assets.registry import default_head
from models.geometry.camera import ScaledOrtho
from models.heads.regions import FACE, Region
from models.networks.classes import Parsing
from storage.benchmark import Benchmark, BenchmarkWriter

COUNTED = tuple(region for region in FACE if region != Region.INNER_MOUTH)


def toy_bench(root: Path, yaws: tuple[float, ...] = (0.0, 20.0), size: int = 32) -> Benchmark:
    """Grey images, so no landmarks are ever found in them; the truth is the mean head moved by its third mode."""
    head, writer = default_head(), BenchmarkWriter(root)
    writer.topology("head", head.faces, np.isin(head.face_region, COUNTED))
    for n, yaw in enumerate(yaws):
        y = np.radians(yaw)
        rotation = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
        shape = np.zeros(3, np.float32)
        shape[2] = 2.0 * (n % 2)
        pose = ScaledOrtho(1 / 125, rotation, np.zeros(2))
        mesh = pose.to_cube(head.vertices(shape, np.zeros(1)).astype(np.float64)).astype(np.float32)
        writer.case(
            np.full((size, size, 3), 90 + n, np.uint8), np.full((size, size), Parsing.SKIN, np.uint8),
            np.full((size, size), Parsing.SKIN, np.uint8), mesh, group="wild", yaw=yaw,
            kind="inside" if n % 2 == 0 else "nose", remainder=0.0, topology="head", scale=pose.scale,
            rotation=rotation.tolist(), translation=[0.0, 0.0], sources={},
        )  # fmt: skip
    return writer.finish()
