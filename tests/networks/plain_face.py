"""Landmarks of a face drawn by rule, and the holes in it that networks fill."""

from __future__ import annotations

import numpy as np


def face_points(side: int, turn: float = 0.0, iod: float = 0.28) -> np.ndarray:
    """A plain frontal set of 68 landmarks: eyes, mouth and jaw where faces have them."""
    points = np.zeros((68, 2), np.float32)
    around = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    ring = np.stack([np.cos(around), 0.45 * np.sin(around)], axis=1) * 0.07
    points[36:42] = ring + np.array([-iod / 2, -0.1])
    points[42:48] = ring + np.array([iod / 2, -0.1])
    points[48:68] = [0, 0.2]
    points[48], points[54] = (-0.1, 0.2), (0.1, 0.2)
    c, s = np.cos(turn), np.sin(turn)
    return ((points @ np.array([[c, s], [-s, c]])) * side + side / 2).astype(np.float32)


def face_hole(points: np.ndarray, side: int, mouth: bool = True) -> np.ndarray:
    """Discs of an eye's size at the eyes, and of a mouth's at the mouth."""
    v, u = np.mgrid[:side, :side] + 0.5
    hole = np.zeros((side, side), bool)
    centres = [points[36:42].mean(0), points[42:48].mean(0)] + ([points[60:68].mean(0)] if mouth else [])
    for x, y in centres:
        hole |= np.hypot((u - x) / 0.06, (v - y) / 0.03) < side
    return hole
