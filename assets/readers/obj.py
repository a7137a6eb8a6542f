"""Wavefront OBJ as head models are published in it: vertices, texture coordinates, polygons of 3 or 4, materials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from assets.readers.damaged import told
from assets.registry import AssetError

# Bytes of one file: its text takes twenty times as much while it is read. The published heads have up to 40 MB.
MOST_BYTES = 500_000_000


@dataclass(frozen=True, eq=False)
class ObjMesh:
    """One mesh, indices from 0; the last corner of a triangle is -1. ``uvs`` have v up, and may be none."""

    vertices: Float[np.ndarray, "v 3"]  # in the file's own unit
    uvs: Float[np.ndarray, "t 2"]
    polygons: Int[np.ndarray, "p 4"]
    polygon_uvs: Int[np.ndarray, "p 4"]  # all -1 when the file has none


def split_quads(
    vertices: Float[np.ndarray, "v 3"], polygons: Int[np.ndarray, "p 4"], polygon_uvs: Int[np.ndarray, "p 4"]
) -> tuple[Int[np.ndarray, "f 3"], Int[np.ndarray, "f 3"]]:
    """Triangles of polygons of 3 (last corner -1) or 4, and of a second index list alike."""
    quad = polygons[:, 3] >= 0
    a, b, c, d = (vertices[polygons[:, i]] for i in range(4))
    first = np.linalg.norm(a - c, axis=1) <= np.linalg.norm(b - d, axis=1)
    ways = np.where(first[:, None], [[0, 1, 2, 0, 2, 3]], [[0, 1, 3, 1, 2, 3]])
    ways[~quad] = [0, 1, 2, 0, 1, 2]
    kept = np.repeat(quad, 2)
    kept[::2] = True

    def split(corners: np.ndarray) -> np.ndarray:
        return np.take_along_axis(corners, ways, axis=1).reshape(-1, 3)[kept]

    return split(polygons), split(polygon_uvs)


def read_obj(path: Path, vertices_only: bool = False) -> ObjMesh:
    """Read a mesh.

    Args:
        path: the file.
        vertices_only: leave texture coordinates and polygons out (ten times faster): for modes of one topology.

    Raises:
        AssetError: missing, cut short, not an OBJ, or polygons that this reader does not know.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            msg = f"{path} has {path.stat().st_size} bytes, at most {MOST_BYTES} are read; give the published mesh."
            raise AssetError(msg)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); give the folder as it was published."
        raise AssetError(msg) from None
    try:
        vertices = _numbers([line[2:] for line in lines if line.startswith("v ")], 3)
        uvs = _numbers([line[3:] for line in lines if line.startswith("vt ")] * (not vertices_only), 2)
        polygons, polygon_uvs = _polygons(
            [line for line in lines if line.startswith("f ")] * (not vertices_only)
        )
    except (ValueError, OverflowError, MemoryError) as error:
        msg = f"{path} is not a whole OBJ file ({told(error)}); copy it again from its source."
        raise AssetError(msg) from None
    if not len(vertices) or not np.isfinite(vertices).all():
        msg = f"{path} has {len(vertices)} vertices, finite ones are expected; copy it again from its source."
        raise AssetError(msg)
    if not np.isfinite(uvs).all() or (len(polygon_uvs) and polygon_uvs.min() < -1):
        msg = f"{path} has texture coordinates that are not finite or not counted from 1; copy it again."
        raise AssetError(msg)
    for what, index, count in (
        ("vertex", polygons, len(vertices)),
        ("texture coordinate", polygon_uvs, len(uvs)),
    ):
        if len(index) and index.max() >= count:
            msg = (
                f"{path} names {what} {int(index.max()) + 1} but has {count}: it was cut short; copy it again from its "
                f"source."
            )
            raise AssetError(msg)
    return ObjMesh(vertices, uvs, polygons, polygon_uvs)


def _numbers(rows: list[str], columns: int) -> np.ndarray:
    """The first numbers of each row, (n, columns)."""
    if not rows:
        return np.zeros((0, columns))
    width = len(rows[0].split())
    flat = np.array(" ".join(rows).split(), np.float64)
    if width < columns or len(flat) != width * len(rows):
        raise ValueError(f"{len(rows)} rows of {width} numbers expected, got {len(flat)} numbers")
    return flat.reshape(-1, width)[:, :columns].copy()


def _polygons(rows: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Vertex and texture indices from 0, (p, 4) each, -1 where there is none."""
    corners = np.full((len(rows), 4, 2), -1, np.int64)
    for row, line in enumerate(rows):
        words = line.split()[1:]
        if not 3 <= len(words) <= 4:
            raise ValueError(f"a face of {len(words)} corners; 3 or 4 are known")
        for k, word in enumerate(words):
            parts = word.split("/")
            corners[row, k, 0] = int(parts[0]) - 1
            if len(parts) > 1 and parts[1]:
                corners[row, k, 1] = int(parts[1]) - 1
    if len(rows) and (corners[:, :3, 0] < 0).any():
        raise ValueError("indices from 1 on are expected; relative ones are not known")
    return corners[..., 0], corners[..., 1]
