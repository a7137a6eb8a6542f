"""Evaluation sets that others made: FaceScape's two, scans of MICC Florence and the like, and plain pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from assets.readers.facescape_bench import PUPILS, LabCase, WildCase, read_lab, read_wild
from assets.readers.mesh import read_surface
from assets.readers.photo import Refused, read_photo
from assets.registry import AssetError
from models.geometry.camera import ScaledOrtho
from models.geometry.truth import CameraTruth, CubeTruth
from storage.files import sha256_bytes, sha256_file
from tasks.evalset import Item
from tasks.landmarks import Crop, Landmarks
from tasks.sources import find_photos

Array = np.ndarray[Any, np.dtype[Any]]
FLIP = np.diag([1.0, -1.0, -1.0])  # x right, y down, z away <-> x right, y up, z to the viewer


def picture_of(path: Path) -> Array:
    """A picture, uint8 RGB.

    Raises:
        AssetError: it cannot be read.
    """
    image = read_photo(path)
    if isinstance(image, Refused):
        msg = f"{path} is no picture that can be read ({image.detail}): unpack the evaluation set again."
        raise AssetError(msg)
    return image


def _item(key: str, table: str, column: str, yaw: float, files: tuple[Path, ...], more: str = "") -> Item:
    digest = sha256_bytes("/".join([*(sha256_file(f) for f in files), more]).encode())
    return Item(key, table, column, "real" if len(files) > 1 else "", yaw, digest)


@dataclass(frozen=True, eq=False)
class WildSet:
    """FaceScape-wild: orthographic images with true meshes in the cube, parsed by us."""

    root: Path

    @property
    def name(self) -> str:
        """As tables call it."""
        return f"FaceScape-wild in {self.root.name}"

    @cached_property
    def _cases(self) -> dict[str, WildCase]:
        return {case.key: case for case in read_wild(self.root)}

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Cases by number."""
        return tuple(
            _item(
                c.key,
                "facescape-wild",
                c.column,
                ScaledOrtho(1, c.rotation, c.centre[:2]).angles[0],
                (c.image, c.mesh),
            )
            for c in self._cases.values()
        )

    def image(self, item: Item) -> Array:
        """The picture."""
        return picture_of(self._cases[item.key].image)

    def semantic(self, item: Item) -> None:
        """The set has none."""

    def truth(self, item: Item) -> CubeTruth:
        """All of the mesh counts; its depth is moved so that the head's centre lies at 0, as poses have it."""
        case = self._cases[item.key]
        mesh = read_surface(case.mesh)
        vertices = (mesh.vertices - [0, 0, case.centre[2]]).astype(np.float32)
        pose = ScaledOrtho(1 / case.pupil, case.rotation, case.centre[:2])
        return CubeTruth(vertices, mesh.faces, np.ones(len(mesh.faces), bool), pose)


@dataclass(frozen=True, eq=False)
class LabSet:
    """FaceScape-lab at the published table's focal length."""

    root: Path

    @property
    def name(self) -> str:
        """As tables call it."""
        return f"FaceScape-lab in {self.root.name}"

    @cached_property
    def _cases(self) -> dict[str, LabCase]:
        return {case.key: case for case in read_lab(self.root)}

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Cases by subject and view."""
        return tuple(
            _item(c.key, "facescape-lab", c.column, np.nan, (c.image, c.mesh), repr(c.extrinsics.tolist()))
            for c in self._cases.values()
        )

    def image(self, item: Item) -> Array:
        """The picture."""
        return picture_of(self._cases[item.key].image)

    def semantic(self, item: Item) -> None:
        """The set has none."""

    def truth(self, item: Item) -> CameraTruth:
        """The subject's scan before the view's camera."""
        case = self._cases[item.key]
        mesh = read_surface(case.mesh)
        moved = mesh.vertices @ case.extrinsics[:, :3].T + case.extrinsics[:, 3]
        K = case.intrinsics
        counted = np.ones(len(mesh.faces), bool)
        # The principal point is the picture's middle, so twice it is the side that the focal length is meant for.
        return CameraTruth(
            PUPILS * moved @ FLIP,
            mesh.faces,
            counted,
            FLIP @ case.rotation,
            FLIP @ case.centre,
            K[0, 0] / (2 * K[0, 2]),
        )


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Photographs without truth: the largest face of each, cropped as everywhere; only pictures come of them."""

    root: Path
    size: int = 256

    @property
    def name(self) -> str:
        """As reports call it."""
        return f"pictures of {self.root.name}"

    @cached_property
    def _paths(self) -> dict[str, Path]:
        return {path.relative_to(self.root).as_posix(): path for path in find_photos(self.root)}

    @cached_property
    def _finder(self) -> Landmarks:
        return Landmarks(self.size)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All pictures."""
        return tuple(_item(key, "pictures", "-", np.nan, (path,)) for key, path in self._paths.items())

    def image(self, item: Item) -> Array:
        """The crop of the largest face; the whole picture, squared, where none is found."""
        photo = picture_of(self._paths[item.key])
        crops = [crop for crop in self._finder.find(photo) if isinstance(crop, Crop)]
        if crops:
            return max(crops, key=lambda crop: crop.iod).photo
        side = min(photo.shape[:2])
        top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
        square = photo[top : top + side, left : left + side]
        return np.asarray(cv2.resize(square, (self.size, self.size), interpolation=cv2.INTER_AREA), np.uint8)

    def semantic(self, item: Item) -> None:
        """The set has none."""

    def truth(self, item: Item) -> None:
        """There is none."""
