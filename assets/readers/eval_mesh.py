"""Meshes of evaluation sets: Wavefront OBJ as arrays, with texture coordinates where the file has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from assets.readers.damaged import told
from assets.readers.mesh import obj_arrays
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
    try:
        found = obj_arrays(path)
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}): is the evaluation set complete?"
        raise AssetError(msg) from None
    except AssetError:
        raise
    except Exception as error:
        msg = f"{path} is no OBJ that can be read ({told(error)}): unpack the evaluation set again."
        raise AssetError(msg) from error
    vertices, faces = found.rows[:, :3], found.faces
    bad = faces.min() < 0 or faces.max() >= len(vertices)
    if found.uvs is not None and found.face_uvs is not None:
        bad |= found.face_uvs.min() < 0 or found.face_uvs.max() >= len(found.uvs)
        bad |= not np.isfinite(found.uvs).all()
    if bad or not np.isfinite(vertices).all():
        wrong = " that name others" if bad else ""
        msg = (
            f"{path} has {len(vertices)} vertices and {len(faces)} triangles{wrong}; a surface with finite vertices is "
            "expected: unpack the evaluation set again."
        )
        raise AssetError(msg)
    return EvalMesh(vertices, faces, found.uvs, found.face_uvs)
