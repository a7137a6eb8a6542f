"""Evaluate an implicit field only where its surface can be: a coarse grid first, then the voxels near its zero.

Dense evaluation asks a network 16.8 million times for a field of 256³ (15-19 s an image, facts §1.2); a face needs
about a sixtieth of that. The fields are trained on distances clipped at 0.04, five voxels, so a coarse
voxel whose clipped distance is larger than its own half diagonal cannot contain the surface. A field that only knows
inside from outside has no distances: its surface lies where neighbours differ in sign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from models.geometry.camera import voxel_centres

COARSE = 4  # voxels along the side of a coarse cell; its half diagonal is 3.5 voxels
NEAR = 1.25  # half diagonals: the margin for a network whose distances are not exact
BAND = 3  # voxels around crossed coarse cells that the 5³ mean and marching cubes look at

Query = Callable[[Float[np.ndarray, "m 3"]], Float[np.ndarray, " m"]]


@dataclass(frozen=True, eq=False)
class Band:
    """A field and how much of it was asked for."""

    field: Float[np.ndarray, "n n n"]  # cube units; away from the surface the coarse cell's value
    asked: int  # points handed to the network


def evaluate_band(query: Query, columns: Bool[np.ndarray, "n n"], chunk: int = 1 << 17) -> Band:
    """The field of ``query`` on n³ voxels, exact near its zero level set.

    Args:
        query: signed distance in cube units at cube points.
        columns: (x, y) columns that may hold the surface (x right, y up: index as the field).
        chunk: most points of one call, which bounds memory.
    """
    n = len(columns)
    m = n // COARSE
    centres = voxel_centres(m)
    wanted = columns.reshape(m, COARSE, m, COARSE).any((1, 3))
    i, j = np.nonzero(wanted)
    index = np.stack([np.repeat(i, m), np.repeat(j, m), np.tile(np.arange(m), len(i))], 1)
    coarse = np.full((m, m, m), 1.0, np.float32)
    coarse[tuple(index.T)] = _ask(query, centres[index], chunk)
    half_diagonal = np.sqrt(3) * COARSE / n
    known = np.zeros_like(coarse, bool)
    known[tuple(index.T)] = True
    near = known & ((np.abs(coarse) < NEAR * half_diagonal) | _beside_another_sign(np.sign(coarse) * known))
    field = np.repeat(np.repeat(np.repeat(coarse, COARSE, 0), COARSE, 1), COARSE, 2)
    fine = np.repeat(np.repeat(np.repeat(near, COARSE, 0), COARSE, 1), COARSE, 2)
    fine = ndimage.binary_dilation(fine, iterations=BAND) & columns[:, :, None]
    where = np.nonzero(fine)
    axis = voxel_centres(n)
    field[where] = _ask(query, np.stack([axis[k] for k in where], 1), chunk)
    return Band(field, len(index) + len(where[0]))


def _beside_another_sign(sign: Float[np.ndarray, "m m m"]) -> Bool[np.ndarray, "m m m"]:
    """Cells of which a neighbour along an axis has the other sign; 0 is neither."""
    found = np.zeros(sign.shape, bool)
    for axis in range(3):
        cells, signs = np.moveaxis(found, axis, 0), np.moveaxis(sign, axis, 0)
        differs = signs[1:] * signs[:-1] < 0
        cells[1:] |= differs
        cells[:-1] |= differs
    return found


def _ask(query: Query, points: Float[np.ndarray, "m 3"], chunk: int) -> Float[np.ndarray, " m"]:
    parts = [query(points[at : at + chunk].astype(np.float32)) for at in range(0, len(points), chunk)]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)
