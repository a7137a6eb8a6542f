"""Poisson blending against ``cv2.seamlessClone`` and a sparse direct solver, on one core, side by side."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

from benchmarks.harness import Row, compare, row, save
from models.geometry.poisson import blend, solve


def case(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth random foreground and background, and an ellipse of the size of a face."""
    rng = np.random.default_rng(0)
    pictures = [
        cv2.resize(
            rng.integers(0, 256, (n, n, 3), dtype=np.uint8), (side, side), interpolation=cv2.INTER_CUBIC
        )
        for n in (side // 8, side // 16)
    ]
    mask = np.zeros((side, side), np.uint8)
    cv2.ellipse(mask, (side // 2, side // 2), (int(0.3 * side), int(0.4 * side)), 0, 0, 360, 255, -1)
    return pictures[0], pictures[1], mask


def direct(foreground: np.ndarray, background: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The same equations by SuperLU: float64 (unknowns, 3). The mask does not touch the border."""
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(mask.sum())
    i, j = np.nonzero(mask)
    k = number[i, j]
    rows, cols, values, right = [k], [k], [np.full(len(k), 4.0)], np.zeros((len(k), 3))
    for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        inside = mask[i + di, j + dj]
        rows.append(k[inside])
        cols.append(number[i + di, j + dj][inside])
        values.append(-np.ones(int(inside.sum())))
        here, there = foreground[i, j].astype(float), foreground[i + di, j + dj].astype(float)
        right += np.where(inside[:, None], here - there, background[i + di, j + dj])
    matrix = csc_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(cols))))
    return splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(right)


def main() -> None:
    """Time and compare at 256² and 512²."""
    cv2.setNumThreads(1)
    rows: list[Row] = []
    for side in (256, 512):
        foreground, background, picture = case(side)
        mask, centre = picture > 0, (side // 2, side // 2)

        def ours(f=foreground, b=background, m=mask) -> np.ndarray:
            return blend(f, b, m)

        def clone(f=foreground, b=background, m=picture, c=centre) -> np.ndarray:
            return cv2.seamlessClone(f, b, m, c, cv2.NORMAL_CLONE)  # noqa: TID251

        def sparse(f=foreground, b=background, m=mask) -> np.ndarray:
            return direct(f, b, m)

        name = f"blend {side}²"
        rows.append(
            compare(name, ours, clone, peer_name="cv2.seamlessClone", repeat=15, note="one thread each")
        )
        rows.append(compare(name, ours, sparse, peer_name="SuperLU", repeat=3, note="assembly included"))
        exact = direct(foreground, background, mask)
        solved = (foreground + solve(foreground, background, mask, mask, ~mask))[mask]
        error = float(np.abs(solved - exact).max())
        wrong = float(np.abs(clone()[mask].astype(float) - np.clip(exact, 0, 255)).max())
        rows.append(row(f"largest error {side}²", error, wrong, "grey levels", peer_name="cv2.seamlessClone"))
        leak = float(np.abs(clone()[~mask].astype(float) - background[~mask]).max())
        ours_leak = float(np.abs(ours()[~mask].astype(float) - background[~mask]).max())
        rows.append(
            row(
                f"change outside the mask {side}²",
                ours_leak,
                leak,
                "grey levels",
                peer_name="cv2.seamlessClone",
            )
        )
    save("poisson", rows, ["numba", "opencv-python-headless", "scipy"])


if __name__ == "__main__":
    main()
