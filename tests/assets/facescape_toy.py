"""FaceScape's benchmark as its evaluation code reads it, with spheres for heads and noise for pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

PUPILS = 62.85
WILD, FOCAL, AWAY = (3, 120, 250, 399), 1200.0, 1481.0


def write_obj(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices.tolist()]
    path.write_text("\n".join([*lines, *(f"f {a + 1} {b + 1} {c + 1}" for a, b, c in faces.tolist())]) + "\n")


def turn(yaw: float) -> np.ndarray:
    y = np.radians(yaw)
    return np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])


def write_wild(root: Path, points: np.ndarray, faces: np.ndarray) -> None:
    """Millimetres in the head's frame become cube meshes: inverse of what the evaluation code does to them."""
    rng = np.random.default_rng(0)
    scales, centres = rng.uniform(100, 140, 400), rng.uniform(-0.1, 0.1, (400, 3))
    rotations = np.stack([turn(y) for y in rng.uniform(-60, 60, 400)])
    for n in WILD:
        write_obj(
            root / f"data/wild_gt_mesh/{n:03d}.obj", points @ rotations[n].T / scales[n] + centres[n], faces
        )
        (root / "data/wild_img").mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (256, 256, 3)).astype(np.uint8)).save(
            root / f"data/wild_img/{n:03d}.png"
        )
    predef = root / "code/predef"
    predef.mkdir(parents=True, exist_ok=True)
    for name, array in (("pupil_scales", scales), ("head_centers", centres), ("rotations", rotations)):
        np.save(predef / f"wild_{name}.npy", array)


def write_lab(root: Path, points: np.ndarray, faces: np.ndarray) -> None:
    """One subject, three views; the camera has x right, y down, z away."""
    flip = np.diag([1.0, -1.0, -1.0])
    rotations = np.stack([flip @ turn(yaw) for yaw in (0, *[30] * 8, -60, 60)])
    centres = np.tile([0.0, 0.0, AWAY], (3, 1))
    write_obj(root / "data/lab_gt_mesh/00.obj", points / PUPILS, faces)
    K = [[FOCAL, 0, 128], [0, FOCAL, 128], [0, 0, 1]]
    for view in (0, 4, 10):
        Rt = np.concatenate([rotations[view], centres[0][:, None] / PUPILS], 1)
        (root / "data/lab_cam").mkdir(parents=True, exist_ok=True)
        (root / f"data/lab_cam/00_0_{view:02d}.json").write_text(json.dumps([K, Rt.tolist()]))
        (root / "data/lab_img").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (256, 256), (view, 9, 9)).save(root / f"data/lab_img/00_0_{view:02d}.jpg")
    predef = root / "code/predef"
    predef.mkdir(parents=True, exist_ok=True)
    np.save(predef / "lab_head_centers.npy", centres)
    np.save(predef / "lab_rotations.npy", rotations)
