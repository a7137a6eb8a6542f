"""What reconstructions are measured on: the open benchmark, or the held-out pairs of a store, one image at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.geometry.camera import ScaledOrtho
from models.geometry.truth import CubeTruth, Truth
from models.heads.regions import FACE, Region
from storage.benchmark import Benchmark, Case
from storage.errors import StoreError
from storage.files import canonical_json, sha256_bytes
from storage.generation import latest
from storage.reader import PairReader
from storage.schema import META
from storage.store import Store
from tasks.decode import MeshReader

Array = np.ndarray[Any, np.dtype[Any]]

BINS = (0, 5, 30, 60, 90)  # degrees of absolute yaw (facts §2.6)
COUNTED = tuple(region for region in FACE if region != Region.INNER_MOUTH)


@dataclass(frozen=True)
class Item:
    """One image of a set."""

    key: str
    table: str  # "wild", "lab" …: items of a table are averaged together
    column: str  # the pose bin: "0-5°", "30°"
    kind: str  # of head: "inside", "outside", "real"
    yaw: float  # degrees, NaN where it is not known
    digest: str  # of image, masks and truth


class EvalSet(Protocol):
    """A set of images. Made anew in every worker process from ``where``."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def items(self) -> Sequence[Item]:
        """All images, in a fixed order."""

    def image(self, item: Item) -> Array:
        """uint8 (R, R, 3), sRGB."""

    def semantic(self, item: Item) -> Array | None:
        """uint8 (R, R), CelebAMask classes; None where the set has none and the image is to be parsed."""

    def truth(self, item: Item) -> Truth | None:
        """The true surface; None in sets of pictures alone."""


def yaw_column(yaw: float) -> str:
    """The pose bin of an angle of yaw."""
    for low, high in pairwise(BINS):
        if abs(yaw) < high:
            return f"{low}-{high}°"
    return f"{BINS[-2]}-{BINS[-1]}°"


@dataclass(frozen=True, eq=False)
class BenchSet:
    """The open benchmark."""

    bench: Benchmark

    @property
    def name(self) -> str:
        """With the first digits of its digest."""
        return f"open benchmark {self.bench.digest[:12]}"

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All cases: images in photographs by pose bin, renders of the scan by their angle."""
        return tuple(self._item(case) for case in self.bench.cases)

    @cached_property
    def _cases(self) -> dict[str, Case]:
        return {case.key: case for case in self.bench.cases}

    @cached_property
    def _topologies(self) -> dict[str, Any]:
        return {name: self.bench.topology(name) for name in self.bench.topologies}

    @staticmethod
    def _item(case: Case) -> Item:
        kind = {"inside": "inside", "real": "real"}.get(case.kind, "outside")
        column = yaw_column(case.yaw) if case.group == "wild" else f"{abs(case.yaw):g}°"
        digest = sha256_bytes(canonical_json(dict(case.sha256)))
        return Item(case.key, case.group, column, kind, case.yaw, digest)

    def image(self, item: Item) -> Array:
        """The picture."""
        return self.bench.read(self._cases[item.key], "image")

    def semantic(self, item: Item) -> Array:
        """As parsed."""
        return self.bench.read(self._cases[item.key], "semantic")

    def truth(self, item: Item) -> CubeTruth:
        """The true mesh."""
        case = self._cases[item.key]
        at = self._topologies[case.topology]
        pose = ScaledOrtho(case.scale, np.array(case.rotation), np.array(case.translation))
        return CubeTruth(self.bench.read(case, "mesh"), at.faces, at.counted, pose)


@dataclass(frozen=True, eq=False)
class StoreSet:
    """Pairs of some splits of a published store, in store order.

    Args:
        root: folder of the store.
        splits: "val", "test".
    """

    root: Path
    splits: tuple[str, ...]

    @property
    def name(self) -> str:
        """With its generation."""
        return f"{self.root.name}, {self._generation}, {' and '.join(self.splits)}"

    @cached_property
    def _generation(self) -> str:
        found = latest(Store.open(self.root).root)
        if found is None:
            msg = f"{self.root} has no published generation; run `facepairs synthesize` to its end first."
            raise StoreError(msg)
        return found.name

    @cached_property
    def _readers(self) -> tuple[PairReader, ...]:
        return tuple(PairReader(self.root, split, ("image", "semantic", META)) for split in self.splits)

    @cached_property
    def _meshes(self) -> MeshReader:
        return MeshReader(Store.open(self.root))

    @cached_property
    def _places(self) -> dict[str, tuple[PairReader, int]]:
        return {reader.keys[i]: (reader, i) for reader in self._readers for i in range(len(reader))}

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All pairs of the splits.

        Raises:
            StoreError: there are none.
        """
        fingerprint = Store.open(self.root).fingerprint
        found = []
        for key, (reader, i) in self._places.items():
            yaw = float(reader[i][META]["angles"][0])
            digest = sha256_bytes(f"{fingerprint}/{key}".encode())
            found.append(Item(key, "held-out", yaw_column(yaw), "inside", yaw, digest))
        if not found:
            msg = (
                f"{self.root} has no pair of the splits {' and '.join(self.splits)}; make a store from more "
                "photographs, or with other --splits."
            )
            raise StoreError(msg)
        return tuple(found)

    def image(self, item: Item) -> Array:
        """The picture."""
        return np.asarray(self._pair(item)["image"])

    def semantic(self, item: Item) -> Array:
        """As labelled."""
        return np.asarray(self._pair(item)["semantic"])

    def truth(self, item: Item) -> CubeTruth:
        """Decoded from the store."""
        made = self._meshes.read(item.key)
        counted = np.isin(made.head.face_region, COUNTED)
        return CubeTruth(made.vertices, made.head.faces, counted, made.pose)

    def _pair(self, item: Item) -> dict[str, Any]:
        reader, i = self._places[item.key]
        return reader[i]
