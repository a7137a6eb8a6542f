"""Liverpool-York Head Model (York, university research only): shape and texture bases in one MATLAB 5 file.

``shp.mu`` (1, 3V), ``shp.eigVec`` (3V, K) orthonormal, ``shp.eigVal`` variances; ``tex`` alike with colours of the
vertices in 0..1; ``tri.faces`` from 1 and clockwise. No expressions, no landmarks, no texture coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assets.readers.damaged import damaged
from assets.readers.mat import read_mat
from assets.registry import AssetError

MOST = 2_000_000_000  # bytes that the file may unpack to: 34,530 x 1,519 of shape and of texture take 0.8 GB


@dataclass(frozen=True, eq=False)
class Lyhm:
    """The model's arrays, shapes in its own unit (mm)."""

    mean: np.ndarray  # (V, 3)
    modes: np.ndarray  # (K, V, 3), unit variance
    faces: np.ndarray  # (F, 3), CCW seen from outside
    colour: np.ndarray  # (V, 3) uint8
    colour_modes: np.ndarray  # (C, V, 3), levels, unit variance


def read_lyhm(file: Path, modes: int = 100) -> Lyhm:
    """Read the model.

    Args:
        file: ``LYHM_male.mat``, ``LYHM_female.mat`` or the global one.
        modes: identity modes to keep, most variance first.

    Raises:
        AssetError: absent, of MATLAB 7.3, damaged, or without the model's fields.
    """
    if not file.is_file():
        msg = f"{file} does not exist; give the .mat file of the Liverpool-York Head Model."
        raise AssetError(msg)
    what = f"{file} is not the Liverpool-York Head Model or is damaged"
    with damaged(what, "copy it again from its source, as -v7", AssetError):
        if file.stat().st_size > MOST:
            raise ValueError(f"{file.stat().st_size} bytes, at most {MOST} are read")
        data = read_mat(
            file.read_bytes(), ("shp", "tex", "tri"), MOST, struct_as_record=True, squeeze_me=True
        )
        return _model(data, modes, file)


def _model(data: dict[str, Any], modes: int, file: Path) -> Lyhm:
    """The arrays of the file, all that others count on checked."""
    shape, colour, triangles = data["shp"][()], data["tex"][()], data["tri"][()]
    mean, vectors, values = (np.asarray(shape[key], np.float64) for key in ("mu", "eigVec", "eigVal"))
    tint, tints, tint_values = (np.asarray(colour[key], np.float64) for key in ("mu", "eigVec", "eigVal"))
    faces = np.asarray(triangles["faces"], np.int64)
    mean, tint, values, tint_values = mean.ravel(), tint.ravel(), values.ravel(), tint_values.ravel()
    if (
        vectors.ndim != 2
        or len(vectors) != len(mean)
        or len(mean) % 3
        or tints.ndim != 2
        or len(tints) != len(tint)
        or len(tint) != len(mean)
    ):
        msg = f"{file}: eigVec of ({len(mean)}, K) expected, got {vectors.shape} and {tints.shape}; is the file whole?"
        raise AssetError(msg)
    kept = min(modes, vectors.shape[1])
    if len(values) < kept or len(tint_values) != tints.shape[1]:
        msg = (
            f"{file}: eigVal of {vectors.shape[1]} and {tints.shape[1]} numbers expected, got {len(values)} and "
            f"{len(tint_values)}; is the file whole?"
        )
        raise AssetError(msg)
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 1 or faces.max() > len(mean) // 3:
        msg = f"{file}: faces of (F, 3) from 1 to {len(mean) // 3} expected, got {faces.shape}; is the file whole?"
        raise AssetError(msg)
    if not all(
        np.isfinite(array).all()
        for array in (mean, vectors[:, :kept], tint, tints, values[:kept], tint_values)
    ):
        msg = f"{file} has NaN or infinity: it is damaged; copy it again from its source."
        raise AssetError(msg)
    deviation = np.sqrt(np.maximum(values[:kept], 0))
    tint_deviation = np.sqrt(np.maximum(tint_values, 0))
    return Lyhm(
        mean.reshape(-1, 3),
        (vectors[:, :kept] * deviation).T.reshape(kept, -1, 3),
        faces[:, [0, 2, 1]] - 1,
        np.rint(np.clip(tint.reshape(-1, 3) * 255, 0, 255)).astype(np.uint8),
        (tints * tint_deviation * 255).T.reshape(tints.shape[1], -1, 3),
    )
