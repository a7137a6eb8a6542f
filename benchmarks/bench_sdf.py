"""Near-surface labels with their 5³-mean residual against libigl, on one core, side by side."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import igl
import numpy as np

from assets.registry import default_head
from benchmarks.harness import compare, row, save
from models.geometry.camera import voxel_centres
from models.geometry.sdf import near_surface_samples

POINTS = 32768
SIGN = igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL


def main() -> None:
    """The shipped head, frontal, at the size of a typical crop."""
    head = default_head()
    vertices, faces = (head.mean / 150).astype(np.float64), head.faces
    axis = voxel_centres(256)

    def ours() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return near_surface_samples(vertices, faces, POINTS, np.random.default_rng(0))

    index, value, residual = ours()
    # Every voxel that a window of a label may need: what a method without windows in mind computes.
    around = np.zeros((256,) * 3, bool)
    around[tuple(index.T)] = True
    for k in range(3):
        around = np.any([np.roll(around, step, k) for step in range(-2, 3)], axis=0)
    inner = np.argwhere(around)

    def values_only() -> np.ndarray:
        return igl.signed_distance(axis[index], vertices, faces, sign_type=SIGN)[0]

    def windows() -> np.ndarray:
        return igl.signed_distance(axis[inner], vertices, faces, sign_type=SIGN)[0]

    size = f"{len(faces) / 1000:.0f}k faces"
    rows = [
        compare(
            "labels with residual", ours, windows, peer_name="libigl, labels and their windows", repeat=3, budget=60,
            note=f"{POINTS // 1024}k points, {size}, {len(inner) / 1e6:.1f} M voxels",
        ),
        compare(
            "labels with residual", ours, values_only, peer_name="libigl, values only", repeat=5,
            note=f"libigl gives {POINTS // 1024}k values and no residual",
        ),
    ]  # fmt: skip
    exact = values_only()
    rows.append(row("largest error of a value", float(np.abs(value - exact).max()), unit="cube units"))
    chosen = np.random.default_rng(1).permutation(POINTS)[:2000]
    steps = 2 / 256 * np.arange(-2, 3)
    window = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    near = (axis[index[chosen]][:, None] + window).reshape(-1, 3)
    mean = igl.signed_distance(near, vertices, faces, sign_type=SIGN)[0].reshape(len(chosen), -1).mean(1)
    error = np.abs(residual[chosen] - (exact[chosen] - mean))
    rows.append(row("largest error of a residual", float(error.max()), unit="cube units", note="2000 points"))
    rows.append(row("mean error of a residual", float(error.mean()), unit="cube units", note="2000 points"))
    save("sdf", rows, ["numba", "libigl"])


if __name__ == "__main__":
    main()
