"""Narrow-band against dense evaluation of a field, and the level set against marching cubes over the whole grid.

The field is the exact distance of the shipped head, clipped as labels are; what a point costs is the network of the
preset `small`, untrained, which is asked for each point as well (its answer is not used): time and points are those
of a reconstruction, and the surface is one that can be checked.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import igl
import numpy as np
import torch

from assets.registry import default_head
from benchmarks.harness import Row, best_of, row, save
from models.geometry.camera import voxel_centres
from models.geometry.closest import closest_points
from models.geometry.rasterize import rasterize
from models.geometry.surface import SKIRT, box_mean, clean, level_set
from models.heads.regions import FACE
from models.networks.narrow_band import evaluate_band
from models.networks.sdf_nets import SIZES, base_field

GRID = 256
CLIP = 0.04  # cube units, as labels
CHUNK = 1 << 17


def main() -> None:
    """One frontal head at the size of a typical crop."""
    torch.set_num_threads(1)
    head = default_head()
    vertices, faces = (head.mean / 150).astype(np.float64), head.faces
    face, columns = _columns(vertices, faces)
    field = Field(vertices, faces)
    band = evaluate_band(field, columns)
    narrow_points, narrow_seconds = field.points, field.seconds
    field.points, field.seconds = 0, 0.0
    dense = _dense(field)
    size = f"grid {GRID}³, f_base of preset small, 1 core"
    rows = [
        row("points asked for a face", narrow_points, field.points, "points", peer_name="dense", note=f"grid {GRID}³"),
        row(
            "the same", narrow_points, int(columns.sum()) * GRID, "points",
            peer_name="dense in the face's columns", note=f"grid {GRID}³",
        ),
        row("network of a face", narrow_seconds, field.seconds, "s", peer_name="dense", note=size),
    ]  # fmt: skip
    for name, smooth in (("", False), (" after the 5³ mean", True)):
        surfaces = [level_set(clean(box_mean(f) if smooth else f, face)) for f in (band.field, dense)]
        apart = max(float(closest_points(a[0], *b)[2].max()) for a, b in (surfaces, surfaces[::-1]))
        rows.append(row(f"largest distance to the dense surface{name}", apart * GRID / 2, unit="voxels"))
    rows += _marching(clean(band.field, face))
    save("reconstruct", rows, ["torch", "libigl"])


class Field:
    """The head's clipped distance; every point is also put to a network, whose time is counted."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self.mesh = vertices, faces
        size = SIZES["small"]
        self.net = base_field(size).eval()
        with torch.inference_mode():
            self.maps = self.net.encode(torch.zeros(1, 12, size.image, size.image))[-1]
        self.points, self.seconds = 0, 0.0

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Distances at points; the network's answer is dropped."""
        start = time.process_time()
        with torch.inference_mode():
            self.net.query(self.maps, torch.from_numpy(points)[None])
        self.seconds += time.process_time() - start
        self.points += len(points)
        kind = igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL
        away = igl.signed_distance(points.astype(np.float64), *self.mesh, sign_type=kind)[0]
        return np.clip(away, -CLIP, CLIP).astype(np.float32)


def _columns(vertices: np.ndarray, faces: np.ndarray, grid: int = GRID) -> tuple[np.ndarray, np.ndarray]:
    """Mask of the face's pixels, and the columns of a grid that a reconstruction looks into."""
    head = default_head()
    seen = rasterize(vertices.astype(np.float32), faces, 256)
    face = (seen.pix_to_face >= 0) & np.isin(head.face_region[seen.pix_to_face], FACE)
    resized = cv2.resize(face.astype(np.uint8), (grid, grid), interpolation=cv2.INTER_NEAREST)
    margin = 2 * (SKIRT + 2) + 1
    return face, cv2.dilate(resized, np.ones((margin, margin), np.uint8)).astype(bool)[::-1].T


def _dense(query: Field, n: int = GRID) -> np.ndarray:
    axis = voxel_centres(n).astype(np.float32)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    parts = [query(points[at : at + CHUNK]) for at in range(0, len(points), CHUNK)]
    return np.concatenate(parts).reshape(n, n, n)


def _marching(field: np.ndarray) -> list[Row]:
    """Ours looks at crossed cells only and keeps the largest part; the others walk the whole grid."""
    n = len(field)
    axis = voxel_centres(n)
    x, y, z = (a.ravel(order="F") for a in np.meshgrid(axis, axis, axis, indexing="ij"))
    points, values = np.stack([x, y, z], 1), field.ravel(order="F").astype(np.float64)
    ours = best_of(lambda: level_set(field), repeat=3)
    theirs = best_of(lambda: igl.marching_cubes(values, points, n, n, n, 0.0), repeat=3)
    rows = [
        row(
            "level set of 256³",
            1e3 * ours,
            1e3 * theirs,
            peer_name="libigl, whole grid",
            note="largest part kept",
        )
    ]
    if importlib.util.find_spec("skimage") is not None:
        from skimage.measure import marching_cubes

        theirs = best_of(lambda: marching_cubes(field, 0.0), repeat=3)
        rows.append(row("level set of 256³", 1e3 * ours, 1e3 * theirs, peer_name="scikit-image"))
    return rows


if __name__ == "__main__":
    main()
