"""Meshes of evaluation sets: Wavefront OBJ as arrays, with texture coordinates where the file has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from assets.registry import AssetError


@dataclass(frozen=True, eq=False)
class EvalMesh:
    """A surface in the frame and unit of its file."""

    vertices: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "f 3"]
    uvs: Float[np.ndarray, "t 2"] | None
    face_uvs: Int[np.ndarray, "f 3"] | None


def read_mesh(path: Path) -> EvalMesh:
    """Read an OBJ; polygons become fans of triangles.

    Raises:
        AssetError: no such file, no surface in it, or lines that are none of an OBJ.
    """
    points: list[list[str]] = []
    atlas: list[list[str]] = []
    corners: list[str] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                word, *rest = line.split() or [""]
                if word == "v":
                    points.append(rest[:3])
                elif word == "vt":
                    atlas.append(rest[:2])
                elif word == "f":
                    corners += [c for k in range(1, len(rest) - 1) for c in (rest[0], rest[k], rest[k + 1])]
        vertices = np.array(points, np.float64).reshape(-1, 3)
        parts = [corner.split("/") for corner in corners]
        faces = _numbered([part[0] for part in parts], len(points))
        textured = bool(atlas) and all(len(part) > 1 and part[1] for part in parts)
        face_uvs = _numbered([part[1] for part in parts], len(atlas)) if textured else None
        uvs = np.array(atlas, np.float32).reshape(-1, 2) if textured else None
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}): is the evaluation set complete?"
        raise AssetError(msg) from None
    except ValueError as error:
        msg = f"{path} is no OBJ that can be read ({error}): unpack the evaluation set again."
        raise AssetError(msg) from error
    bad = len(faces) and (faces.min() < 0 or faces.max() >= len(vertices))
    if not len(faces) or bad or not np.isfinite(vertices).all():
        msg = (
            f"{path} has {len(vertices)} vertices and {len(faces)} triangles{' that name others' if bad else ''}; a "
            "surface with finite vertices is expected: unpack the evaluation set again."
        )
        raise AssetError(msg)
    return EvalMesh(vertices, faces, uvs, face_uvs)


def _numbered(words: list[str], count: int) -> Int[np.ndarray, "f 3"]:
    """Indices from 0; negative ones count from the end."""
    number = np.array(words, np.int64)
    return np.where(number < 0, number + count, number - 1).reshape(-1, 3).astype(np.int32)
