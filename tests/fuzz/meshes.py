"""OBJ, PLY and GLB by every reader of meshes, and landmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from assets.readers.marks import read_marks
from assets.readers.mesh import read_scan, read_surface
from assets.readers.obj import read_obj
from assets.registry import AssetError
from flows.mesh_files import Mesh, glb_bytes, obj_bytes, ply_bytes
from tests.hostile.bombs import npy_header, png

OURS = (AssetError,)


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], None]:
    def run(data: bytes, work: Path) -> None:
        (work / name).write_bytes(data)
        read(work / name)

    return run


READERS: dict[str, Callable[[bytes, Path], None]] = {
    "scan.obj": _file("a.obj", read_scan),
    "head.obj": _file("a.obj", read_obj),
    "eval.obj": _file("a.obj", read_surface),
    "scan.ply": _file("a.ply", read_scan),
    "scan.glb": _file("a.glb", read_scan),
    "marks.npy": _file("a.npy", read_marks),
    "marks.json": _file("a.json", read_marks),
    "marks.ljson": _file("a.ljson", read_marks),
    "marks.pts": _file("a.pts", read_marks),
}


def seeds(reader: str) -> Iterator[bytes]:
    """A sheet with colours, and one with an atlas."""
    y, x = np.divmod(np.arange(16), 4)
    points = np.stack([x, y, x * y], 1).astype(np.float32)
    faces = np.array([[i, i + 1, i + 4] for i in range(11) if i % 4 < 3], np.int32)
    coloured = Mesh(points, faces, np.full((16, 3), 99, np.uint8))
    painted = Mesh(points, faces, uvs=points[:, :2] / 4, face_uvs=faces, texture=png(8))
    if reader.endswith(".obj"):
        yield obj_bytes(coloured)
        yield obj_bytes(painted, "a.mtl")
    elif reader.endswith(".ply"):
        yield ply_bytes(coloured)
        yield (
            b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
            + (
                b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
            )
        )
    elif reader.endswith(".glb"):
        yield glb_bytes(coloured)
        yield glb_bytes(painted)
    elif reader.endswith(".npy"):
        yield npy_header("(68, 3)") + bytes(68 * 24)
    elif reader.endswith(".ljson"):
        yield b'{"landmarks": {"points": [[1, 2, 3]]}, "labels": [{"label": "chin", "mask": [0]}]}'
    else:
        yield b"version: 1\n{\n1 2 3\n}\n" if reader.endswith(".pts") else b"[[1, 2, 3], [null, 2, 3]]"
