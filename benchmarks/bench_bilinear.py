"""A bilinear head of FaceScape's size, its core mapped from disk: the fit on its landmark slice, and full vertices.

The core is synthetic (the bundled head's surface repeated to 26,278 vertices, smooth modes, 52 slots, 50 identities),
because the real one may not be kept here; sizes and arithmetic are the real one's.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from assets.registry import default_head
from benchmarks.harness import Row, row, save
from models.geometry.camera import ScaledOrtho
from models.heads.bilinear import BilinearHead
from models.heads.fit import fit_landmarks, pick_outline
from models.heads.linear import LinearHead
from models.heads.rows import landmark_rows

VERTICES, SLOTS, MODES = 26278, 52, 50
FACES, DRAWS = 12, 5


def full_size(folder: Path) -> BilinearHead:
    """A head whose core has 205 million numbers, 0.82 GB."""
    base, rng = default_head(), np.random.default_rng(0)
    again = np.arange(VERTICES) % len(base.mean)
    shape = np.lib.format.open_memmap(folder / "core.npy", "w+", np.float32, (SLOTS, VERTICES, 3, MODES))
    mean = rng.normal(0, 0.03, MODES)
    mean[0] = 1.0
    std = np.full(MODES, 0.05)
    std[0] = 0.01
    shape[0, :, :, 0] = base.mean[again]
    shape[0, :, :, 1:] = (base.id_basis[: MODES - 1] / 0.05 * 0.7).transpose(1, 2, 0)[again]
    for slot in range(1, SLOTS):
        shape[slot, :, :, 0] = base.exp_basis[slot - 1][again]
        shape[slot, :, :, 1:] = 0.05 * base.exp_basis[slot - 1][again][..., None] * rng.normal(size=MODES - 1)
    shape.flush()
    own = {f.name: getattr(base, f.name) for f in fields(LinearHead)}
    head = replace(LinearHead(**own), name="full")
    named = {f.name: getattr(head, f.name) for f in fields(LinearHead)}
    return BilinearHead(
        **named,
        core=np.load(folder / "core.npy", mmap_mode="r", allow_pickle=False),
        identity_mean=mean.astype(np.float32),
        identity_std=std.astype(np.float32),
    )


def cpu_ms(call: object, repeat: int) -> float:
    """Median milliseconds of CPU, which other processes do not stretch."""
    times = []
    for _ in range(repeat):
        began = time.process_time()
        call()  # type: ignore[operator]
        times.append(time.process_time() - began)
    return float(np.median(times)) * 1e3


def main() -> list[Row]:
    """Cut the slice, fit faces, evaluate vertices."""
    with tempfile.TemporaryDirectory() as folder:
        head = full_size(Path(folder))
        began = time.process_time()
        cut = landmark_rows(head)
        slice_ms = (time.process_time() - began) * 1e3
        rng = np.random.default_rng(1)
        rows = cut.rows
        seen = []
        for _ in range(FACES):
            identity = rows.identity_mean + rows.identity_std * rng.standard_normal(MODES)
            expression = rng.uniform(0, 0.5, rows.expressions) * (rng.random(rows.expressions) < 0.3)
            turn = Rotation.from_euler("yxz", rng.normal(0, 15, 3), degrees=True).as_matrix()
            camera = ScaledOrtho(1 / 124, turn, np.zeros(2))
            points = rows.points(identity, expression)
            seen.append(camera.to_cube(points)[pick_outline(cut, camera, points)][:, :2])
        fits = [fit_landmarks(head, marks) for marks in seen]
        fit_ms = cpu_ms(lambda: [fit_landmarks(head, marks) for marks in seen], 3) / FACES
        worst = max(f.rms for f in fits)
        used = int(np.median([np.count_nonzero(f.expression) for f in fits]))
        draw = fits[0]
        sparse_ms = cpu_ms(lambda: head.vertices(draw.identity, draw.expression), DRAWS)
        dense = np.full(SLOTS - 1, 0.1)
        dense_ms = cpu_ms(lambda: head.vertices(draw.identity, dense), DRAWS)
    size = f"{VERTICES} vertices, {SLOTS} slots, {MODES} identities; CPU time"
    return [
        row("bilinear, fit of one face", fit_ms, 20.0, peer_name="asked for", note=f"{size}; rms {worst:.4f} iod"),
        row("bilinear, landmark slice, once a process", slice_ms, note=size),
        row(
            "bilinear, vertices of a fitted face", sparse_ms, dense_ms, peer_name="all slots read",
            note=f"{used} expressions of {SLOTS - 1} in use",
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    save("bilinear", main(), packages=["numpy", "scipy"])
