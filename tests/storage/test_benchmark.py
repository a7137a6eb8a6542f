"""Benchmarks on disk: what is written is read, and every changed byte is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from storage.benchmark import MANIFEST, Benchmark, BenchmarkWriter
from storage.errors import CorruptStore, StoreError
from storage.files import seal

R = 16


def write(root: Path, cases: int = 2, seed: int = 0) -> Benchmark:
    rng = np.random.default_rng(seed)
    writer = BenchmarkWriter(root)
    writer.topology("tetra", np.array([[0, 1, 2], [0, 2, 3]]), np.array([True, False]))
    for n in range(cases):
        writer.case(
            rng.integers(0, 255, (R, R, 3)).astype(np.uint8), rng.integers(0, 19, (R, R)).astype(np.uint8),
            np.zeros((R, R), np.uint8), rng.normal(size=(4, 3)), group="wild", yaw=12.5 * n, kind="inside",
            remainder=0.0, topology="tetra", scale=0.01, rotation=np.eye(3).tolist(), translation=[0.0, 0.1],
            sources={"photo": "a"},
        )  # fmt: skip
    return writer.finish()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    made, rng = Benchmark.open(tmp_path), np.random.default_rng(0)
    first = made.cases[0]
    assert np.array_equal(made.read(first, "image"), rng.integers(0, 255, (R, R, 3)))
    assert np.array_equal(made.read(first, "semantic"), rng.integers(0, 19, (R, R)))
    assert np.allclose(made.read(first, "mesh"), rng.normal(size=(4, 3)), atol=1e-6)
    assert made.read(first, "label").max() == 0
    assert made.topology("tetra").counted.tolist() == [True, False]
    assert made.cases[1].yaw == 12.5
    assert made.problems() == []


def test_the_same_content_has_the_same_digest_and_bytes(tmp_path: Path) -> None:
    one, two, other = write(tmp_path / "a"), write(tmp_path / "b"), write(tmp_path / "c", seed=1)
    assert one.digest == two.digest != other.digest
    assert (tmp_path / "a" / MANIFEST).read_bytes() == (tmp_path / "b" / MANIFEST).read_bytes()


@pytest.mark.parametrize(
    "name",
    ["images/0001.png", "semantic/0000.png", "label/0000.png", "meshes/0001.npy", "topology/tetra.npz"],
)
def test_every_changed_file_is_named(tmp_path: Path, name: str) -> None:
    made = write(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    (problem,) = made.problems()
    assert name in problem
    assert "bench build" in problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    made = write(tmp_path)
    (tmp_path / "meshes/0000.npy").unlink()
    with pytest.raises(CorruptStore, match="cannot be read"):
        made.read(made.cases[0], "mesh")


def test_a_folder_without_a_manifest_is_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no benchmark"):
        Benchmark.open(tmp_path)
    write(tmp_path)
    BenchmarkWriter(tmp_path)  # begins anew: what is half written is no benchmark
    with pytest.raises(StoreError, match="is no benchmark"):
        Benchmark.open(tmp_path)


def test_other_versions_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    body = json.loads((tmp_path / MANIFEST).read_text())["body"]
    (tmp_path / MANIFEST).write_bytes(seal({**body, "version": 99}))
    with pytest.raises(StoreError, match="version 99"):
        Benchmark.open(tmp_path)
