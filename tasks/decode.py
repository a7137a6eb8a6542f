"""Meshes out of a store alone: the snapshot holds heads and reliefs, a sample's meta says the rest (DESIGN §4).

Neither photographs nor textures nor networks are needed, and no stage is run: the surface is evaluated from the
numbers that made the labels.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.geometry.camera import ScaledOrtho
from models.heads.linear import LinearHead
from models.heads.load import core_file, load_head
from models.heads.relief import ReliefHead
from storage.errors import StoreError
from storage.files import write_replace
from storage.schema import META
from storage.store import Store
from tasks.relief import unpack_relief

Array = np.ndarray[Any, np.dtype[Any]]


def relief_file(head: str) -> str:
    """Name of the snapshot's file with the reliefs of a head."""
    return f"relief_{head}.npz"


@dataclass(frozen=True, eq=False)
class Decoded:
    """The surface that a pair's labels were made from."""

    vertices: Array  # float32 (V, 3), cube frame
    head: LinearHead  # its topology, atlas, regions and landmarks
    pose: ScaledOrtho  # takes head-frame millimetres to the cube

    @property
    def millimetres(self) -> Array:
        """Vertices (V, 3) in the head frame."""
        moved = self.vertices.astype(np.float64) - [*self.pose.translation, 0]
        return np.asarray(moved @ self.pose.rotation / self.pose.scale)


def snapshot_head(store: Store, name: str) -> LinearHead:
    """A head model of a store's snapshot, its files checked; a bilinear one has its core mapped.

    Raises:
        StoreError: the snapshot does not hold it. CorruptStore: its files were changed.
    """
    file = store.root / "snapshot" / f"{name}.npz"
    for part in (file.name, core_file(file).name):
        if part == file.name or part in store.description["snapshot"]:
            store.snapshot(part)  # its hash
    return load_head(file)


class MeshReader:
    """Decodes the meshes of one store; what its snapshot holds of a head is read once.

    Args:
        store: an open store.

    Raises:
        StoreError: the store was made before snapshots held reliefs.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heads: dict[str, tuple[ReliefHead, Mapping[str, Array]]] = {}

    def read(self, key: str) -> Decoded:
        """Mesh of one committed pair.

        Raises:
            StoreError: the pair is pending or rejected, or its texture has no relief in the snapshot.
        """
        meta = self._store.read(key, (META,))[META]
        head, reliefs = self._head(meta["sources"]["head"])
        texture, camera = meta["sources"]["texture"], meta["camera"]
        try:
            relief = unpack_relief(reliefs, texture)
        except KeyError:
            msg = f"sample {key} wears '{texture}', whose relief the snapshot of {self._store.root} does not hold."
            raise StoreError(msg) from None
        rotation, translation = (np.asarray(camera[name], np.float32) for name in ("rotation", "translation"))
        pose = ScaledOrtho(camera["scale"], rotation, translation)
        expression = np.asarray(meta["expression"], np.float32)
        coarse = head.refined.base.vertices(np.asarray(meta["identity"], np.float32), expression)
        posed = pose.to_cube(coarse).astype(np.float32)
        vertices = head.displaced(posed, expression, pose.scale, relief, meta["relief"]["amplitude"])
        return Decoded(vertices, head.head, pose)

    def _head(self, name: str) -> tuple[ReliefHead, Mapping[str, Array]]:
        if name not in self._heads:
            with np.load(io.BytesIO(self._store.snapshot(relief_file(name))), allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
            base = snapshot_head(self._store, name)
            self._heads[name] = ReliefHead(base, float(arrays["spacing"]), arrays["folds"]), arrays
        return self._heads[name]


def write_obj(path: Path, mesh: Decoded, *, millimetres: bool = True) -> None:
    """Write a mesh with its texture coordinates as Wavefront OBJ, whole or not at all.

    Args:
        path: file to write.
        mesh: the mesh.
        millimetres: head frame in millimetres; otherwise the pair's cube, in which image and labels are.
    """
    points = mesh.millimetres if millimetres else mesh.vertices
    corners = np.stack([mesh.head.faces, mesh.head.face_uvs], axis=-1) + 1
    lines = [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in points.tolist()]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in mesh.head.uvs.tolist()]
    lines += [f"f {a}/{p} {b}/{q} {c}/{r}" for (a, p), (b, q), (c, r) in corners.tolist()]
    write_replace(path, ("\n".join(lines) + "\n").encode())
