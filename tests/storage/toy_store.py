"""A small store for tests: 16 x 16 pictures, four shards, two heads; and child processes that may die in it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from storage.generation import Generation, publish
from storage.plan import Plan, SourceRef, draw_plan
from storage.reject import Reason
from storage.store import Rejected, Sample, Store

R, N = 16, 8
CONFIG = {"settings": {"size": R}, "stages": {"render": 1, "warp": 2}}
SNAPSHOT = {"head.npz": b"the head model"}
QUALITY = ("gap", "seam")
SIZES = {"R": R, "N": N}


def toy_plan(pairs: int = 14, seed: int = 7, shard_size: int = 4) -> Plan:
    sources = [SourceRef(f"{i:016x}-0", 12.0 * i, f"{i:016x}") for i in range(5)]
    return draw_plan(sources, ["anny", "james"], ["t0", "t1", "t2"], pairs, seed, shard_size)


def toy_fields(key: str, salt: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng((salt, int(key)))
    depth = np.where(rng.random((R, R)) < 0.3, -2, rng.uniform(-1, 1, (R, R)))
    return {
        "image": rng.integers(0, 256, (R, R, 3), dtype=np.uint8),
        "semantic": rng.integers(0, 19, (R, R), dtype=np.uint8),
        "mask": rng.random((R, R)) < 0.5,
        "normal_front": rng.integers(0, 65536, (R, R, 3), dtype=np.uint16),
        "normal_back": rng.integers(0, 65536, (R, R, 3), dtype=np.uint16),
        "depth": depth.astype(np.float32),
        "sdf_index": rng.integers(0, 256, (N, 3), dtype=np.uint8),
        "sdf_value": rng.normal(0, 0.02, N).astype(np.float16),
        "sdf_residual": rng.normal(0, 0.001, N).astype(np.float16),
    }


def toy_meta(key: str, salt: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng((salt, int(key), 1))
    return {
        "angles": (10.0, -5.0, 0.0),
        "camera": {
            "scale": np.float32(0.0078),
            "rotation": np.eye(3, dtype=np.float32),
            "translation": np.zeros(2, np.float32),
            "mm_per_unit": 128.2,
        },
        "identity": rng.normal(size=6).astype(np.float32),
        "expression": rng.random(4).astype(np.float32),
        "light": rng.normal(size=(9, 3)).astype(np.float32),
        "relief": {"amplitude": 1.0},
        "sources": {"licence": "CC0"},
        "quality": {"gap": rng.random(), "seam": np.float32(0.25)},
    }


def toy_outcome(key: str, salt: int = 0) -> Sample | Rejected:
    """Every fifth sample is rejected."""
    if int(key) % 5 == 2:
        return Rejected(key, Reason.GAP, "check", "gap 3.1 px, at most 2 allowed", {"gap": 3.1})
    return Sample(key, toy_fields(key, salt), toy_meta(key, salt))


def toy_outcomes(store: Store, shard: int, salt: int = 0) -> list[Sample | Rejected]:
    return [toy_outcome(row.key, salt) for row in store.plan.shards[shard]]


def toy_create(path: Path, plan: Plan | None = None, config: dict[str, Any] = CONFIG, **more: Any) -> Store:
    return Store.create(path, plan or toy_plan(), config, SNAPSHOT, quality=QUALITY, sizes=SIZES, **more)


def fill(store: Store, shards: Iterable[int] | None = None, salt: int = 0) -> None:
    for shard in store.pending() if shards is None else shards:
        store.write_shard(shard, toy_outcomes(store, shard, salt))


def synthesise(path: Path) -> Generation:
    """What a user's command does: make or resume, fill what is pending, publish."""
    store = toy_create(path)
    fill(store)
    return publish(store)


def flip_bit(path: Path, position: int, bit: int = 0) -> None:
    """In place; the same call again puts the bit back."""
    with path.open("r+b") as file:
        position %= path.stat().st_size
        file.seek(position)
        value = file.read(1)[0] ^ 1 << bit
        file.seek(position)
        file.write(bytes([value]))


def _enter(environment: dict[str, str], call: Callable[..., Any], args: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    call(*args)


def start(call: Callable[..., Any], *args: Any, **environment: str) -> multiprocessing.process.BaseProcess:
    """Run ``call`` in a process of its own, forked from a clean server that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["storage.verify", "storage.gc", "tests.storage.toy_store"])
    process = context.Process(target=_enter, args=(environment, call, args))
    process.start()
    return process


def run(call: Callable[..., Any], *args: Any, **environment: str) -> int:
    """Exit code of ``call`` in a process of its own."""
    process = start(call, *args, **environment)
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode
