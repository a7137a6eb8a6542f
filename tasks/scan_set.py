"""Scans as an evaluation set: five views of each are rendered before a pinhole camera (facts §2.6, MICC Florence).

A scan comes in its own frame. Where its head is and how it is turned is found in a frontal picture of it, by landmarks
and a fit of the head model; after that nothing of the model is left in the truth but the frame and which triangles are
face.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from assets.atlas import sample
from assets.readers.mesh import Scan, read_surface
from assets.readers.micc import ScanCase, read_micc
from assets.registry import AssetError, default_head
from models.geometry.closest import closest_points
from models.geometry.rasterize import EMPTY_DEPTH, rasterize
from models.geometry.truth import CameraTruth
from models.heads.fit import fit_landmarks
from models.heads.regions import Region
from storage.files import sha256_bytes, sha256_file
from tasks.eval_rows import Seen
from tasks.evalset import COUNTED, Item
from tasks.evalset_read import picture_of

Array = np.ndarray[Any, np.dtype[Any]]

VIEWS = (0, -30, 30, -60, 60)  # degrees of yaw
FOCAL = 1200 / 256  # of the published renders: pixels over the image's side
DISTANCE = 1481.0  # mm from the camera to the head's origin
SIZE, SAMPLES = 256, 2
BACKGROUND = 96  # grey
NEAR_FACE = 12.0  # mm from the fitted face: farther triangles are hair, ears or clothes
VERSION = 1  # of the renders


@dataclass(frozen=True, eq=False)
class Placed:
    """A scan in the head's frame, millimetres of the scan."""

    mesh: Scan
    counted: Array  # bool (f,)
    image: Array  # its photograph, row 0 is v = 1


def place(mesh: Scan, image: Array, name: str) -> Placed:
    """Find the head in a frontal picture of the scan and move the scan into its frame.

    Raises:
        AssetError: no texture coordinates, or no face is found in it.
    """
    if mesh.uvs is None:
        msg = f"{name} has no texture coordinates, so no picture can be rendered from it: pass scans with texture."
        raise AssetError(msg)
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    half = 0.55 * float((high - low)[:2].max())
    cube = (mesh.vertices - (low + high) / 2) / half
    try:
        marks = Seen(render(replace(mesh, vertices=cube), image), np.zeros((SIZE, SIZE), np.uint8)).landmarks
    except ValueError:
        msg = f"no face is found in a frontal picture of {name}: is it turned so that it looks along +z, with y up?"
        raise AssetError(msg) from None
    head = default_head()
    found = fit_landmarks(head, marks)
    fitted = found.camera.to_cube(head.vertices(found.identity, found.expression).astype(np.float64))
    # The fit knows no depth: the model is moved to where the scan is in the pixels that both cover.
    ours = rasterize(fitted.astype(np.float32), head.faces, SIZE).depth
    theirs = rasterize(cube.astype(np.float32), mesh.faces, SIZE).depth
    both = (ours > EMPTY_DEPTH) & (theirs > EMPTY_DEPTH)
    shift = float(np.median((theirs - ours)[both]))
    fitted[:, 2] += shift
    triangle, _, distance = closest_points(cube[mesh.faces].mean(1), fitted, head.faces)
    # The mouth is closed over in a scan: what lies before the model's inner mouth counts too.
    counted = np.isin(head.face_region[triangle], (*COUNTED, Region.INNER_MOUTH)) & (
        distance * half < NEAR_FACE
    )
    origin = np.array([*found.camera.translation, shift])
    return Placed(replace(mesh, vertices=(cube - origin) @ found.camera.rotation * half), counted, image)


def before_camera(placed: Placed, yaw: float) -> CameraTruth:
    """The truth of one view."""
    turn = np.radians(yaw)
    rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    centre = np.array([0.0, 0.0, -DISTANCE])
    vertices = placed.mesh.vertices @ rotation.T + centre
    return CameraTruth(vertices, placed.mesh.faces, placed.counted, rotation, centre, FOCAL)


def projected(vertices: Array) -> Array:
    """Camera millimetres to the cube, for a rasteriser: exact in x and y, and what is nearer has the larger z."""
    away = -vertices[:, 2]
    return np.stack(
        [2 * FOCAL * vertices[:, 0] / away, 2 * FOCAL * vertices[:, 1] / away, away.min() / away - 1], 1
    )


def render(mesh: Scan, image: Array) -> Array:
    """A mesh in the cube with its photograph on it, over grey, uint8 (SIZE, SIZE, 3)."""
    assert mesh.uvs is not None
    assert mesh.face_uvs is not None
    side = SAMPLES * SIZE
    seen = rasterize(mesh.vertices.astype(np.float32), mesh.faces, side)
    hit = seen.pix_to_face >= 0
    uv = (mesh.uvs[mesh.face_uvs[seen.pix_to_face[hit]]] * seen.bary[hit][..., None]).sum(1)
    out = np.full((side, side, 3), float(BACKGROUND))
    out[hit] = np.clip(sample(image, uv.astype(np.float32)), 0, 255)
    small = out.reshape(SIZE, SAMPLES, SIZE, SAMPLES, 3).mean(axis=(1, 3))
    return np.asarray(np.rint(small), np.uint8)


@lru_cache(maxsize=2)
def _placed(case: ScanCase) -> Placed:
    return place(read_surface(case.mesh), picture_of(case.picture), str(case.mesh))


@dataclass(frozen=True, eq=False)
class ScanSet:
    """Five views of every scan of a folder."""

    root: Path

    @property
    def name(self) -> str:
        """As tables call it."""
        return f"scans of {self.root.name}"

    @cached_property
    def _cases(self) -> dict[str, tuple[ScanCase, int]]:
        return {f"{case.key}/{yaw}": (case, yaw) for case in read_micc(self.root) for yaw in VIEWS}

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All views, scan by scan."""
        return tuple(self._item(key, *case) for key, case in self._cases.items())

    @staticmethod
    def _item(key: str, case: ScanCase, yaw: int) -> Item:
        digest = sha256_bytes(
            f"{sha256_file(case.mesh)}/{sha256_file(case.picture)}/{yaw}/{VERSION}".encode()
        )
        return Item(key, "micc", f"{abs(yaw)}°", "real", float(yaw), digest)

    def image(self, item: Item) -> Array:
        """The view's picture."""
        case, yaw = self._cases[item.key]
        placed = _placed(case)
        flat = projected(before_camera(placed, yaw).vertices)
        return render(replace(placed.mesh, vertices=flat), placed.image)

    def semantic(self, item: Item) -> None:
        """The set has none."""

    def truth(self, item: Item) -> CameraTruth:
        """The scan before the camera."""
        case, yaw = self._cases[item.key]
        return before_camera(_placed(case), yaw)
