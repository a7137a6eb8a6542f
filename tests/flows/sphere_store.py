"""A published store of spheres: the grey of each picture is the sphere's shading, its labels are exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.geometry.camera import voxel_centres
from models.networks.classes import Parsing
from storage.generation import publish
from storage.plan import SourceRef, draw_plan
from storage.schema import META_KEYS
from storage.store import Sample, Store

R, N, GRID = 64, 2048, 256


def radius_of(key: str) -> float:
    """Between 0.4 and 0.6 cube units."""
    return 0.4 + 0.2 * ((int(key) * 37) % 100) / 100


def sphere_fields(key: str) -> dict[str, np.ndarray]:
    radius, rng = radius_of(key), np.random.default_rng(int(key))
    axis = voxel_centres(R)
    x, y = np.meshgrid(axis, -axis)
    inside = np.hypot(x, y) < radius
    z = np.sqrt(np.maximum(radius**2 - x**2 - y**2, 0))
    normal = np.stack([x, y, z], -1) / radius
    light = np.clip(0.2 + 0.8 * (normal @ [0.5, 0.5, 0.7]), 0, 1)
    image = np.where(inside[..., None], 255 * light[..., None] * [1, 0.9, 0.8], 30).astype(np.uint8)
    coded = np.where(inside[..., None], (normal + 1) / 2 * 65535, 0).astype(np.uint16)
    back = np.where(inside[..., None], (normal * [1, 1, -1] + 1) / 2 * 65535, 0).astype(np.uint16)
    direction = rng.normal(size=(4 * N, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points = direction * (radius + rng.uniform(-0.035, 0.035, (4 * N, 1)))
    index = np.clip(np.rint((points + 1) * GRID / 2 - 0.5), 0, GRID - 1).astype(np.uint8)[:N]
    value = np.linalg.norm(voxel_centres(GRID)[index], axis=1) - radius
    return {
        "image": image,
        "semantic": np.where(inside, Parsing.SKIN, Parsing.BACKGROUND).astype(np.uint8),
        "mask": inside,
        "normal_front": coded,
        "normal_back": back,
        "depth": np.where(inside, z, -2).astype(np.float32),
        "sdf_index": index,
        "sdf_value": value.astype(np.float16),
        "sdf_residual": np.full(N, -1e-4, np.float16),
    }


def sphere_meta(key: str) -> dict[str, Any]:
    given: dict[str, Any] = {
        "angles": (float(int(key) % 60), 0.0, 0.0),
        "camera": {
            "scale": 0.0078, "rotation": np.eye(3).tolist(), "translation": [0.0, 0.0], "mm_per_unit": 128.2,
        },
        "quality": {},
    }  # fmt: skip
    return {name: given.get(name, []) for name in META_KEYS}


def sphere_store(path: Path, pairs: int = 12, photos: int = 8) -> Store:
    """A published store; with enough photographs every split has some pairs."""
    sources = [SourceRef(f"{i:016x}-00", 0.0, f"{i:016x}") for i in range(photos)]
    plan = draw_plan(sources, ["sphere"], ["none"], pairs, 0, 4, {"train": 0.5, "val": 0.25, "test": 0.25})
    store = Store.create(path, plan, {}, {}, sizes={"R": R, "N": N})
    for shard, rows in plan.shards.items():
        store.write_shard(shard, [Sample(r.key, sphere_fields(r.key), sphere_meta(r.key)) for r in rows])
    publish(store)
    return store
