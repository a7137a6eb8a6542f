"""A drawn face with everything the swap networks look for: lids, irises, an open mouth, and its parsing."""

from __future__ import annotations

import cv2
import numpy as np

from flows.swap_faces import Face
from models.networks.classes import Parsing

SIDE = 160
SKIN, IRIS = (205, 160, 135), (80, 50, 35)
IRIS_RADIUS = 6.0


def toy_face(name: str = "toy", gaze: float = 0.0, mouth: bool = True, eyes: bool = True) -> Face:
    """Frontal face; ``gaze`` moves both irises to image right by so many pixels."""
    photo = np.full((SIDE, SIDE, 3), (60, 90, 120), np.uint8)
    parsing = np.zeros((SIDE, SIDE), np.uint8)
    points = np.zeros((68, 2), np.float32)
    cv2.ellipse(photo, (80, 80), (52, 66), 0, 0, 360, SKIN, -1)
    cv2.ellipse(parsing, (80, 80), (52, 66), 0, 0, 360, int(Parsing.SKIN), -1)
    angle = np.linspace(np.pi, 2 * np.pi, 17)
    points[:17] = np.stack([80 + 52 * np.cos(angle), 80 - 66 * np.sin(angle)], axis=1)
    points[17:36] = (80, 85)
    around = np.linspace(np.pi, 3 * np.pi, 6, endpoint=False)
    for first, x, label in ((36, 58, Parsing.L_EYE), (42, 102, Parsing.R_EYE)):
        points[first : first + 6] = np.stack([x + 10 * np.cos(around), 66 + 5 * np.sin(around)], axis=1)
        if eyes:
            lids = np.zeros((SIDE, SIDE), np.uint8)
            cv2.ellipse(lids, (x, 66), (10, 5), 0, 0, 360, 1, -1)
            photo[lids > 0] = (225, 220, 215)
            v, u = np.mgrid[:SIDE, :SIDE] + 0.5
            photo[(lids > 0) & (np.hypot(u - x - gaze - 0.5, v - 66.5) < IRIS_RADIUS)] = IRIS
            parsing[lids > 0] = label
    ring = np.linspace(np.pi, 3 * np.pi, 12, endpoint=False)
    points[48:60] = np.stack([80 + 20 * np.cos(ring), 115 + 10 * np.sin(ring)], axis=1)
    points[60:68] = (80, 115)
    cv2.ellipse(photo, (80, 115), (20, 10), 0, 0, 360, (190, 90, 90), -1)
    cv2.ellipse(parsing, (80, 115), (20, 10), 0, 0, 360, int(Parsing.UPPER_LIP), -1)
    if mouth:
        cv2.ellipse(photo, (80, 115), (14, 6), 0, 0, 360, (70, 20, 20), -1)
        cv2.ellipse(parsing, (80, 115), (14, 6), 0, 0, 360, int(Parsing.INNER_MOUTH), -1)
    return Face(name, photo, points, parsing)
