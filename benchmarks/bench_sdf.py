"""Near-surface labels with their 5³-mean residual against libigl, on one core, side by side."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import igl
import numpy as np
import trimesh

from assets.registry import default_head
from benchmarks.harness import Row, compare, row, save
from models.geometry.camera import voxel_centres
from models.geometry.sdf import near_surface_samples

POINTS = 32768
SIGN = igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL


def windows_of(index: np.ndarray) -> np.ndarray:
    """Every voxel that a window of a label needs, (n, 3): what a method without windows in mind computes."""
    around = np.zeros((256,) * 3, bool)
    around[tuple(index.T)] = True
    for k in range(3):
        around = np.any([np.roll(around, step, k) for step in range(-2, 3)], axis=0)
    return np.argwhere(around)


def main() -> None:
    """The shipped head, frontal, at the size of a typical crop."""
    head = default_head()
    vertices, faces = (head.mean / 150).astype(np.float64), head.faces
    axis = voxel_centres(256)

    def ours() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return near_surface_samples(vertices, faces, POINTS, np.random.default_rng(0))

    index, value, residual = ours()
    inner = windows_of(index)

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
    rows += scaling()
    save("sdf", rows, ["numba", "libigl"])


def scaling() -> list[Row]:
    """The same labels with coarser and finer triangles: what relief costs."""
    head = default_head()
    rows: list[Row] = []
    for name, (vertices, faces) in refinements((head.mean / 150).astype(np.float64), head.faces).items():

        def ours(vertices: np.ndarray = vertices, faces: np.ndarray = faces) -> np.ndarray:
            return near_surface_samples(vertices, faces, POINTS, np.random.default_rng(0))[0]

        points = voxel_centres(256)[windows_of(ours())]

        def peer(
            points: np.ndarray = points, vertices: np.ndarray = vertices, faces: np.ndarray = faces
        ) -> np.ndarray:
            return igl.signed_distance(points, vertices, faces, sign_type=SIGN)[0]

        rows.append(
            compare(
                f"labels with residual, {name}", ours, peer, peer_name="libigl, labels and their windows", repeat=3,
                note=f"{len(faces) / 1000:.0f}k faces",
            )
        )  # fmt: skip
    return rows


def refinements(
    vertices: np.ndarray, faces: np.ndarray, noise: float = 3e-4
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A sphere of 8k and 20k faces, and the head with its triangles split at the edges' middles, once and twice.

    ``noise`` moves the new vertices along z, in cube units: relief that a smooth head does not have.
    """
    out: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    rng = np.random.default_rng(0)
    for name, level in (("sphere", 4), ("fine sphere", 5)):
        ball = trimesh.creation.icosphere(subdivisions=level, radius=0.65)
        out[name] = np.array(ball.vertices), np.array(ball.faces, np.int32)
    for name in ("finer head", "finest head"):
        count = len(vertices)
        vertices, new = trimesh.remesh.subdivide(vertices, faces)
        faces = np.asarray(new, np.int32)
        vertices[count:, 2] += rng.normal(0, noise, len(vertices) - count)
        out[name] = vertices, faces
        noise /= 2
    return out


if __name__ == "__main__":
    main()
