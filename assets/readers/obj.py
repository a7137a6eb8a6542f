"""Wavefront OBJ as arrays: vertices, texture coordinates, polygons of any size, and the material library's name.

Read here and not by a mesh library because surface and atlas must keep their own indices: a reader that splits vertices
where texture charts meet would cut the surface open there, and would lose the order that modes of a model share.
"""

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
    """One mesh; indices count from 0, and are -1 beyond a polygon's last corner."""

    vertices: Float[np.ndarray, "v 3"]  # in the file's own unit
    colours: Float[np.ndarray, "v 3"] | None  # the numbers after the positions, as they stand
    uvs: Float[np.ndarray, "t 2"]  # v up; may be none
    polygons: Int[np.ndarray, "p c"]
    polygon_uvs: Int[np.ndarray, "p c"]  # -1 too where a corner has none
    library: str = ""

    @property
    def has_atlas(self) -> bool:
        """Whether there are polygons and every corner has a texture coordinate."""
        return bool(len(self.polygons)) and bool(((self.polygon_uvs >= 0) == (self.polygons >= 0)).all())

    def triangles(self) -> tuple[Int[np.ndarray, "f 3"], Int[np.ndarray, "f 3"]]:
        """Triangles, and their texture corners."""
        return split_polygons(self.vertices, self.polygons, self.polygon_uvs)


def split_polygons(
    vertices: Float[np.ndarray, "v 3"], polygons: Int[np.ndarray, "p c"], polygon_uvs: Int[np.ndarray, "p c"]
) -> tuple[Int[np.ndarray, "f 3"], Int[np.ndarray, "f 3"]]:
    """Triangles of polygons, and of a second index list alike.

    Quads are cut along the shorter diagonal; what has more corners becomes a fan around the first. Triangles of one
    polygon follow each other.
    """
    count, widest = polygons.shape
    corners = (polygons >= 0).sum(1)
    fan = np.arange(1, widest - 1)
    ways = np.tile(np.stack([0 * fan, fan, fan + 1], 1), (count, 1, 1))
    quads = np.flatnonzero(corners == 4)
    if len(quads):
        a, b, c, d = vertices[polygons[quads, :4]].transpose(1, 0, 2)
        across = np.linalg.norm(a - c, axis=1) > np.linalg.norm(b - d, axis=1)
        ways[quads[across], :2] = [[0, 1, 3], [1, 2, 3]]
    kept = fan <= corners[:, None] - 2

    def split(index: np.ndarray) -> np.ndarray:
        return np.take_along_axis(index[:, None], ways, axis=2)[kept]

    return split(polygons), split(polygon_uvs)


def read_obj(path: Path, vertices_only: bool = False) -> ObjMesh:
    """Read a mesh.

    Args:
        path: the file.
        vertices_only: leave texture coordinates and polygons out (ten times faster): for modes of one topology.

    Raises:
        AssetError: missing, cut short, or not an OBJ with a surface.
    """
    points: list[str] = []
    coordinates: list[str] = []
    faces: list[tuple[list[str], int, int]] = []  # corners, vertices and coordinates that came before
    library = ""
    try:
        if path.stat().st_size > MOST_BYTES:
            msg = f"{path} has {path.stat().st_size} bytes, at most {MOST_BYTES} are read; decimate the mesh first."
            raise AssetError(msg)
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                word, _, rest = line.strip().replace("\t", " ").partition(" ")
                if word == "v":
                    points.append(rest)
                elif vertices_only:
                    continue
                elif word == "vt":
                    coordinates.append(rest)
                elif word == "f":
                    faces.append((rest.split(), len(points), len(coordinates)))
                elif word == "mtllib":
                    library = rest.strip()
        rows = _numbers(points, 3)
        uvs = _numbers(coordinates, 2)[:, :2]
        polygons, polygon_uvs = _polygons(faces)
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); is the folder complete?"
        raise AssetError(msg) from None
    except (ValueError, IndexError, OverflowError, MemoryError) as error:
        msg = f"{path} is not a whole OBJ file ({told(error)}); copy or export it again."
        raise AssetError(msg) from None
    if not len(rows) or not (vertices_only or len(polygons)):
        msg = (
            f"{path} holds {len(rows)} vertices and {len(polygons)} faces; a surface is expected, not points."
        )
        raise AssetError(msg)
    if not (np.isfinite(rows[:, :3]).all() and np.isfinite(uvs).all()):
        msg = f"{path} has coordinates that are not finite; copy or export it again."
        raise AssetError(msg)
    for what, index, count in (
        ("vertex", polygons, len(rows)),
        ("texture coordinate", polygon_uvs, len(uvs)),
    ):
        if len(index) and index.max() >= count:
            msg = (
                f"{path} names {what} {int(index.max()) + 1} but has {count}: it was cut short; copy or export it "
                f"again."
            )
            raise AssetError(msg)
    colours = rows[:, 3:6] if rows.shape[1] >= 6 else None
    return ObjMesh(rows[:, :3], colours, uvs, polygons, polygon_uvs, library)


def _numbers(rows: list[str], columns: int) -> np.ndarray:
    """As many numbers of each row as all have, (n, w); at least ``columns``."""
    if not rows:
        return np.zeros((0, columns))
    words = [row.split() for row in rows]
    width = min(map(len, words))
    if width < columns:
        raise ValueError(f"a row of {width} numbers, {columns} are expected")
    return np.array([number for row in words for number in row[:width]], np.float64).reshape(-1, width)


def _polygons(faces: list[tuple[list[str], int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Vertex and texture indices from 0, -1 where there is none; negative ones count back from where they stand."""
    sizes = np.array([len(words) for words, _, _ in faces], np.int64)
    if len(faces) and sizes.min() < 3:
        raise ValueError(f"a face of {sizes.min()} corners; 3 are the least")
    shape = len(faces), max(3, sizes.max(initial=3))
    filled = np.arange(shape[1]) < sizes[:, None]
    parts = [word.split("/", 2) for words, _, _ in faces for word in words]
    made = []
    for kind, given in enumerate(
        ([int(part[0]) for part in parts], [int(part[1]) if part[1:] and part[1] else None for part in parts])
    ):
        there = np.repeat([face[1 + kind] for face in faces], sizes) if faces else sizes
        number = np.array([0 if index is None else index for index in given], np.int64)
        at = np.where(number > 0, number - 1, number + there)
        absent = np.array([index is None for index in given], bool)
        if (wrong := ((number == 0) | (at < 0)) & ~absent).any():
            raise ValueError(f"a face names corner {number[wrong][0]}; they count from 1, or back from -1")
        table = np.full(shape, -1, np.int64)
        table[filled] = np.where(absent, -1, at)
        made.append(table)
    return made[0], made[1]
