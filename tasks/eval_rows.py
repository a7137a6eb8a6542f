"""The rows of an evaluation: floors that know no network, and trained models.

An absolute number says little, since heads are alike: a mean head in the right pose is about a millimetre from any
bundled head. So every table holds the floors.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from assets.registry import asset_path, default_head, ledger
from models.geometry.camera import ScaledOrtho, pixel_to_cube
from models.geometry.truth import CubeTruth, Truth
from models.heads.fit import fit_landmarks, pose_affine, refine_pose
from models.heads.linear import LinearHead
from models.heads.rows import JAW
from models.networks.face_landmarker import FaceLandmarker
from storage.errors import StoreError
from storage.files import canonical_json, read_sealed, sha256_bytes
from storage.registry import CONFIG, Model, Registry

Array = np.ndarray[Any, np.dtype[Any]]
Surface = tuple[Array, Array]  # vertices (V, 3) in the cube, triangles (F, 3)
VERSION = 1  # of the floors
SMALLEST = 32.0  # pixels of a face that the landmark model still looks for
# Names of models.networks.rows, in the order of the paper's table 4; then what goes beyond the paper.
ORDER = (
    "prnet-fitted", "prnet", "pifu", "base", "base+fine", "base+fine+norm", "base+fine+integrated",
    "guided", "guided+fine", "guided+fine+norm", "guided+fine+integrated",
    "residual", "residual+fine", "residual+fine+norm", "residual+fine+integrated",
)  # fmt: skip


@cache
def _finder() -> FaceLandmarker:
    return FaceLandmarker(asset_path("face_landmarker"), smallest=SMALLEST)


@dataclass(frozen=True, eq=False)
class Seen:
    """One image as rows get it; ``truth`` is for the one floor that is given the true pose."""

    image: Array
    semantic: Array
    truth: Truth | None = None

    @cached_property
    def landmarks(self) -> Array:
        """The 68 points of the largest face, cube x and y.

        Raises:
            ValueError: no face is found.
        """
        faces = _finder().find(self.image)
        if not faces:
            msg = "the landmark model finds no face in this image."
            raise ValueError(msg)
        largest = max(faces, key=lambda face: float(np.ptp(face.points[:, 0])))
        return pixel_to_cube(largest.points.astype(np.float64), len(self.image))


class Row(Protocol):
    """One method."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def digest(self) -> str:
        """Of everything that decides its surfaces."""

    def surface(self, seen: Seen) -> Surface:
        """The reconstruction.

        Raises:
            ValueError: there is none; one sentence (the benchmark's failure).
        """


@dataclass(frozen=True, eq=False)
class Floor:
    """A floor: "true pose", "landmark pose" or "landmark fit"."""

    kind: str
    head: LinearHead = field(default_factory=default_head)

    @property
    def name(self) -> str:
        """What tables call it."""
        return {
            "true pose": "mean head, true pose",
            "landmark pose": "mean head, posed by landmarks",
            "landmark fit": "landmark fit of the head model",
        }[self.kind]

    @property
    def digest(self) -> str:
        """Head model, landmark model and the version of this code."""
        book = ledger()
        assets = [book.entry(name).sha256 for name in (self.head.name, "face_landmarker")]
        return sha256_bytes(canonical_json(["floor", self.kind, VERSION, *assets]))

    def surface(self, seen: Seen) -> Surface:
        """The head model's surface."""
        mean = self.head.mean.astype(np.float64)
        if self.kind == "true pose":
            if not isinstance(seen.truth, CubeTruth):
                msg = "the true pose is known for orthographic sets only."
                raise ValueError(msg)
            return seen.truth.pose.to_cube(mean).astype(np.float32), self.head.faces
        if self.kind == "landmark pose":
            pose = _posed(self.head, seen.landmarks)
            return pose.to_cube(mean).astype(np.float32), self.head.faces
        found = fit_landmarks(self.head, seen.landmarks)
        shape = self.head.vertices(found.identity, found.expression).astype(np.float64)
        return found.camera.to_cube(shape).astype(np.float32), self.head.faces


def _posed(head: LinearHead, landmarks: Array) -> ScaledOrtho:
    """Pose of the mean head from the inner landmarks."""
    points = head.landmarks(head.mean.astype(np.float64))[JAW:]
    return refine_pose(pose_affine(points, landmarks[JAW:]), points, landmarks[JAW:])


@dataclass(frozen=True, eq=False)
class Trained:
    """One row of a trained model."""

    row: str  # of ORDER
    model: Model
    label: str = ""

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.label or self.row

    @property
    def digest(self) -> str:
        """Weights, configuration and row."""
        config = {k: v for k, v in self.model.config.items() if k != "command"}
        weights = read_sealed(self.model.folder / CONFIG)["sha256"]
        return sha256_bytes(canonical_json([self.row, weights, config]))

    @cached_property
    def _net(self) -> Any:
        from models.networks.fitted_head import HeadFitter  # torch: not needed for the floors
        from models.networks.rows import reconstructor

        fit = HeadFitter(_finder(), default_head())  # for the rows that correct fitted heads
        net = reconstructor(self.row, self.model.weights.read_bytes(), self.model.config, fit)
        return _sharing(net, str(self.model.folder))

    def surface(self, seen: Seen) -> Surface:
        """The network's surface."""
        made = self._net.reconstruct(seen.image, seen.semantic)
        return made.vertices, made.faces


_FIELDS: dict[tuple[str, str], Any] = {}


def _sharing(net: Any, model: str) -> Any:
    """The same reconstructor, with its first fields shared by all rows of its model in this process."""
    from models.networks.hierarchical import HierarchicalSdf
    from models.networks.remembered import Remembered

    if not isinstance(net, HierarchicalSdf):
        return net
    shared = {}
    for level in ("base", "guided", "residual"):
        field = getattr(net, level, None)
        if field is not None:
            shared[level] = _FIELDS.setdefault((model, level), Remembered(field))
    return replace(net, **shared)


def floors() -> tuple[Floor, ...]:
    """All floors."""
    return tuple(Floor(kind) for kind in ("true pose", "landmark pose", "landmark fit"))


def rows_of(model: Model) -> tuple[str, ...]:
    """Rows that a kept model can fill.

    Raises:
        StoreError: its kind is not one that reconstructs faces.
    """
    kind = str(model.config.get("kind"))
    if kind == "sdf":
        levels = set(model.config["levels"])
        # Integrating is another use of the networks of f_norm.
        return tuple(
            row for row in ORDER if {"base", *row.replace("integrated", "norm").split("+")} <= levels
        )
    if kind == "prnet" and model.config.get("labels") == "fitted":
        return ("prnet-fitted",)
    if kind not in ORDER:
        msg = f"{model.folder} is a model of kind '{kind}', which no row of the tables is for; leave it out."
        raise StoreError(msg)
    return (kind,)


def find_models(places: tuple[Path, ...]) -> tuple[Model, ...]:
    """Models of registry folders (their champion) and of single models' folders.

    Raises:
        StoreError: a folder is neither.
    """
    found = []
    for place in places:
        if (place / "config.json").is_file():
            found.append(Registry(place.parent).model(place.name))
            continue
        kept = Registry(place).champion() if place.is_dir() else None
        if kept is None:
            msg = (
                f"{place} is neither a trained model nor a folder of models with one in use; pass what `facepairs "
                f"train --out RUN` made: RUN/models, or a folder in it."
            )
            raise StoreError(msg)
        found.append(kept)
    return tuple(found)


def trained_rows(models: tuple[Model, ...]) -> tuple[Trained, ...]:
    """Rows of models, in the order of the paper's table 4; a row that two models fill names the model."""
    rows = [(row, model) for model in models for row in rows_of(model)]
    counts: dict[str, int] = {}
    for row, _ in rows:
        counts[row] = counts.get(row, 0) + 1
    rows.sort(key=lambda pair: ORDER.index(pair[0]))
    return tuple(
        Trained(row, model, f"{row} ({model.name})" if counts[row] > 1 else row) for row, model in rows
    )
