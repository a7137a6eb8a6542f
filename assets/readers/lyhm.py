"""Liverpool-York Head Model (York, university research only): shape and texture bases in one MATLAB 5 file.

``shp.mu`` (1, 3V), ``shp.eigVec`` (3V, K) orthonormal, ``shp.eigVal`` variances; ``tex`` alike with colours of the
vertices in 0..1; ``tri.faces`` from 1 and clockwise. No expressions, no landmarks, no texture coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assets.registry import AssetError


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
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not file.is_file():
        msg = f"{file} does not exist; give the .mat file of the Liverpool-York Head Model."
        raise AssetError(msg)
    if file.open("rb").read(128).startswith(b"MATLAB 7.3"):
        msg = f"{file} is a MATLAB 7.3 file, which is not read: save it with save(..., '-v7') in MATLAB or Octave."
        raise AssetError(msg)
    try:
        data = loadmat(file, struct_as_record=True, squeeze_me=True)
        shape, colour, triangles = data["shp"][()], data["tex"][()], data["tri"][()]
        mean, vectors, values = (np.asarray(shape[key], np.float64) for key in ("mu", "eigVec", "eigVal"))
        tint, tints, tint_values = (np.asarray(colour[key], np.float64) for key in ("mu", "eigVec", "eigVal"))
        faces = np.asarray(triangles["faces"], np.int64)
    except (
        MatReadError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        NotImplementedError,
        EOFError,
        OSError,
    ) as error:
        msg = f"{file} is not the Liverpool-York Head Model or is damaged ({type(error).__name__}: {error})."
        raise AssetError(msg) from None
    mean, tint = mean.ravel(), tint.ravel()
    if vectors.ndim != 2 or len(vectors) != len(mean) or len(mean) % 3 or tints.shape[:1] != tint.shape:
        msg = f"{file}: eigVec of ({len(mean)}, K) expected, got {vectors.shape} and {tints.shape}; is the file whole?"
        raise AssetError(msg)
    kept = min(modes, vectors.shape[1])
    deviation = np.sqrt(np.maximum(values.ravel()[:kept], 0))
    tint_deviation = np.sqrt(np.maximum(tint_values.ravel(), 0))
    return Lyhm(
        mean.reshape(-1, 3),
        (vectors[:, :kept] * deviation).T.reshape(kept, -1, 3),
        faces[:, [0, 2, 1]] - 1,
        np.rint(np.clip(tint.reshape(-1, 3) * 255, 0, 255)).astype(np.uint8),
        (tints * tint_deviation * 255).T.reshape(tints.shape[1], -1, 3),
    )
