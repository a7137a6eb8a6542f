"""Stored fields, benchmarks and models of others: sealed and hashed as they should be, and hostile all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.networks.rows import whole
from storage.benchmark import MANIFEST, Benchmark
from storage.files import seal
from storage.registry import Registry
from storage.schema import PAIR_FIELDS, decode
from tests.hostile import bombs
from tests.hostile.sealed import Edit, edit

FIELDS = {
    "image": bombs.png_of(40_000, 40_000),
    "depth": b"II*\0" + bytes(60),
    "mask": b"",
    "semantic": bombs.png_of(8, 8) + bytes(8),
    "sdf_value": bombs.npy_header("(99999999999,)", "<f2"),
    "sdf_index": bombs.npy_header("(8, 3)", "|O") + b"cos\nsystem\n(S'true'\ntR.",
    "sdf_residual": bombs.npy_header("(-1,)", "<f2"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_hostile_bytes_of_a_field_are_refused(name, confined):
    spec = next(field for field in PAIR_FIELDS if field.name == name)
    confined(lambda: decode(spec, FIELDS[name])).refused()


BENCHMARKS: dict[str, Edit] = {
    "no-cases": lambda b: b.pop("cases"),
    "key-outside": lambda b: b["cases"][0].update(key="../../outside/precious"),
    "topology-outside": lambda b: b["topologies"].update({"../x": "0"}),
    "pose-not-numbers": lambda b: b["cases"][0].update(rotation=[["a"] * 3] * 3),
    "pose-too-short": lambda b: b["cases"][0].update(rotation=[[1.0]]),
    "hashes-missing": lambda b: b["cases"][0].update(sha256={}),
    "version-is-a-list": lambda b: b.update(version=[1]),
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_hostile_benchmark_is_refused(name, tmp_path, confined):
    case = {
        "key": "0000", "group": "wild", "yaw": 0.0, "kind": "inside", "remainder": 0.0, "topology": "t", "scale": 1.0,
        "rotation": [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]], "translation": [0.0, 0.0], "sources": {},
        "sha256": dict.fromkeys(("image", "semantic", "label", "mesh"), "0" * 64),
    }  # fmt: skip
    body: dict[str, Any] = {"version": 1, "cases": [case], "topologies": {"t": "0" * 64}, "digest": "d"}
    (tmp_path / MANIFEST).write_bytes(seal(body))
    assert confined(lambda: len(Benchmark.open(tmp_path).cases)).text == "1"
    confined(lambda: Benchmark.open(tmp_path).read(Benchmark.open(tmp_path).cases[0], "mesh")).refused(
        "0000.npy"
    )
    edit(tmp_path / MANIFEST, BENCHMARKS[name])
    confined(lambda: Benchmark.open(tmp_path)).refused(MANIFEST)


def header(body: object) -> bytes:
    """A safetensors file of any description."""
    text = json.dumps(body).encode()
    return len(text).to_bytes(8, "little") + text


WEIGHTS = {
    "empty": b"",
    "length-huge": b"\xff" * 8,
    "description-deep": (100_000).to_bytes(8, "little") + b"[" * 100_000,
    "tensor-beyond": header({"base.x": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}),
    "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "other-tensors": header({"base.x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_hostile_weights_are_refused(name, confined):
    for kind in ("sdf", "pifu", "base+fine"):
        confined(lambda kind=kind: whole(WEIGHTS[name], {"kind": kind, "preset": "small"})).refused()
    confined(lambda: whole(WEIGHTS[name], {"kind": "../x", "preset": "small"})).refused("kind")
    confined(lambda: whole(WEIGHTS[name], {"kind": "sdf", "preset": ["small"]})).refused("preset")


def test_a_hostile_registry_of_models_is_refused(tmp_path, confined):
    registry = Registry(tmp_path / "models")
    model = registry.add(b"weights", {"kind": "sdf"}, {"mm": 1.0}, "card")
    (tmp_path / "models" / "champion").write_bytes(seal({"name": "../../etc"}))
    confined(registry.champion).refused("champion")
    (tmp_path / "models" / "champion").write_bytes(seal({"name": model.name}))
    edit(model.folder / "config.json", lambda b: b.pop("sha256"))
    confined(registry.champion).refused("config.json")
    edit(model.folder / "metrics.json", lambda b: b.update(metrics={"mm": "good"}))
    confined(lambda: model.metrics).refused("metrics.json")
