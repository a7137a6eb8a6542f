"""Meshes of balls, whose answers are known."""

from __future__ import annotations

import numpy as np


def sphere(radius: float, n: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude sphere around the origin, CCW from outside; its poles lie on the y axis."""
    polar, around = np.linspace(0, np.pi, n), np.linspace(0, 2 * np.pi, 2 * n, endpoint=False)
    p, a = np.meshgrid(polar, around, indexing="ij")
    points = radius * np.stack([np.sin(p) * np.sin(a), np.cos(p), np.sin(p) * np.cos(a)], -1)
    i, j = np.meshgrid(np.arange(n - 1), np.arange(2 * n), indexing="ij")
    a0, a1 = i * 2 * n + j, i * 2 * n + (j + 1) % (2 * n)
    faces = np.concatenate(
        [np.stack(t, -1).reshape(-1, 3) for t in ((a0, a0 + 2 * n, a1), (a1, a0 + 2 * n, a1 + 2 * n))]
    )
    return points.reshape(-1, 3), faces.astype(np.int32)
