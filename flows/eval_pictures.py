"""Pictures of an evaluation: surface and error of one row on one image, and the sheet of all rows beside the truth."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from flows.surface_pictures import shaded
from models.geometry.rasterize import rasterize
from models.geometry.truth import CubeTruth, Truth
from tasks.eval_rows import Surface

SATURATED = 5.0  # mm at which heat maps saturate (facts §2.6)
SIDE, GAP, PAPER, LABEL = 160, 4, 250, 210  # pixels of the sheet


def heat_map(surface: Surface, truth: CubeTruth, size: int) -> np.ndarray:
    """Distance of the visible surface from the truth after depth alignment, uint8 (R, R, 3): blue 0, red 5 mm or more.

    Only where the truth's counted surface is seen too; grey elsewhere.
    """
    vertices, faces = surface
    seen = rasterize(np.ascontiguousarray(vertices, np.float32), faces, size)
    at = rasterize(truth.vertices, truth.faces, size)
    wanted = (seen.pix_to_face >= 0) & (at.pix_to_face >= 0) & truth.counted[np.maximum(at.pix_to_face, 0)]
    out = np.full((size, size, 3), 60, np.uint8)
    if not wanted.any():
        return out
    corners = truth.aligned(vertices, faces)[faces[seen.pix_to_face[wanted]]]
    points = (corners * seen.bary[wanted][..., None]).sum(1)
    code = np.clip(truth.distances(points) / SATURATED * 255, 0, 255).astype(np.uint8)
    out[wanted] = cv2.applyColorMap(code[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1]
    return out


def picture(image: np.ndarray, surface: Surface | None, truth: Truth | None) -> np.ndarray:
    """Surface beside its error, uint8 (R, 2R, 3); dark where there is none."""
    size = len(image)
    blank = np.full((size, size, 3), 24, np.uint8)
    if surface is None:
        return np.concatenate([blank, blank], 1)
    grey, _ = shaded(*surface, size)
    try:
        heat = heat_map(surface, truth, size) if isinstance(truth, CubeTruth) else blank
    except ValueError:
        heat = blank
    return np.concatenate([grey, heat], 1)


def truth_picture(truth: Truth | None, size: int) -> np.ndarray:
    """The truth's surface, and the scale of the heat maps, uint8 (R, 2R, 3)."""
    blank = np.full((size, size, 3), 24, np.uint8)
    grey = shaded(truth.vertices, truth.faces, size)[0] if isinstance(truth, CubeTruth) else blank
    ramp = np.repeat(np.linspace(255, 0, size).astype(np.uint8)[:, None], size // 8, 1)
    scale = blank.copy()
    scale[:, size // 8 : size // 8 + ramp.shape[1]] = cv2.applyColorMap(ramp, cv2.COLORMAP_TURBO)[..., ::-1]
    for text, row in ((f"{SATURATED:g} mm", 20), ("0", size - 8)):
        cv2.putText(
            scale, text, (size // 3, row), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (230, 230, 230), 1, cv2.LINE_AA
        )
    return np.concatenate([grey, scale], 1)


def sheet(
    images: Sequence[np.ndarray], names: Sequence[str], pictures: Sequence[Sequence[np.ndarray]]
) -> np.ndarray:
    """All rows on one sheet: a line per image with its truth first, a column per row.

    Args:
        images: uint8 (R, R, 3).
        names: captions of the columns.
        pictures: per image, one (R, 2R, 3) per column.
    """
    width = SIDE + GAP + len(names) * (2 * SIDE + GAP)
    out = np.full((LABEL // 6 + len(images) * (SIDE + GAP), width, 3), PAPER, np.uint8)
    for column, name in enumerate(names):
        at = (SIDE + GAP + column * (2 * SIDE + GAP) + 4, 22)
        cv2.putText(out, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
    for line, (image, tiles) in enumerate(zip(images, pictures, strict=True)):
        top = LABEL // 6 + line * (SIDE + GAP)
        out[top : top + SIDE, :SIDE] = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        for column, tile in enumerate(tiles):
            left = SIDE + GAP + column * (2 * SIDE + GAP)
            small = cv2.resize(tile, (2 * SIDE, SIDE), interpolation=cv2.INTER_AREA)
            out[top : top + SIDE, left : left + 2 * SIDE] = small
    return out
