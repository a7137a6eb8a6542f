"""A store whose gaps are known: the drawn head, painted so that a pixel's red is its class, moved by whole pixels.

The photograph shows the head ``PHOTO_SHIFT`` pixels to the right of where its fit says, the pair ``PAIR_SHIFT``; the
observer reads the paint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from models.geometry.camera import ScaledOrtho
from models.geometry.maps import front_back_maps
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.heads.regions import FACE, Region
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing
from storage.plan import SourceRef, draw_plan
from storage.schema import PAIR_FIELDS, FieldSpec
from storage.store import Rejected, Sample, Store
from tasks.chain import Chain, Made, Refused, Trace
from tasks.contract import Batch, Field, Gives, Reason, Reject, Stage
from tasks.observe import Observer, Seen
from tasks.source_table import SourceRow, SourceTable

R = 96
PHOTO_SHIFT, PAIR_SHIFT = 4, 2
STEP = 13  # of red from class to class; blurred or mixed paint is background to the observer
HEAD = synthetic_head()
CLASS = {
    Region.SKIN: Parsing.SKIN, Region.NOSE: Parsing.NOSE, Region.BROWS: Parsing.L_BROW, Region.EYES: Parsing.L_EYE,
    Region.LIPS: Parsing.UPPER_LIP, Region.INNER_MOUTH: Parsing.INNER_MOUTH, Region.EARS: Parsing.L_EAR,
    Region.NECK: Parsing.NECK, Region.SCALP: Parsing.HAIR,
}  # fmt: skip
SOURCES = (
    Field("photo", "uint8", ("R", "R", 3), "rgb"), Field("identity", "float32", ("K",), "head"),
    Field("expression", "float32", ("E",), "head"), Field("scale", "float32", (), "cube"),
    Field("rotation", "float32", (3, 3), "cube"), Field("translation", "float32", (2,), "cube"),
)  # fmt: skip


def regions_of(identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Regions (R, R) of the head in its one pose, and its vertices in the cube."""
    vertices = CAMERA.to_cube(HEAD.vertices(identity, np.zeros(4, np.float32))).astype(np.float32)
    seen = rasterize(vertices, HEAD.faces, R, cull=True)
    return np.where(seen.pix_to_face >= 0, HEAD.face_region[np.maximum(seen.pix_to_face, 0)], 0), vertices


CAMERA = ScaledOrtho(1 / 140, np.eye(3), np.zeros(2))


def painted(region: np.ndarray) -> np.ndarray:
    classes = np.zeros(region.shape, np.uint8)
    for part, label in CLASS.items():
        classes[region == part] = label
    mark = np.where(classes > 0, 90, 0).astype(np.uint8)
    return np.stack([classes * np.uint8(STEP), mark, 255 - classes * np.uint8(STEP)], axis=-1)


def moved(image: np.ndarray, pixels: int) -> np.ndarray:
    return np.roll(image, pixels, axis=1)


@dataclass(frozen=True)
class Draw:
    name: ClassVar[str] = "draw"
    version: ClassVar[int] = 1
    needs: ClassVar = (SOURCES[1],)
    gives: ClassVar = (
        Field("shape", "float32", ("K",), "head"), Field("region", "uint8", ("R", "R"), "region"),
        Field("completed", "uint8", ("R", "R", 3), "rgb"),
    )  # fmt: skip

    def __call__(self, batch: Batch) -> Gives:
        shapes = [
            batch["identity"][i] + 0.5 * batch.rng(i, self).standard_normal(8).astype(np.float32)
            for i in range(len(batch))
        ]
        regions = [regions_of(shape)[0].astype(np.uint8) for shape in shapes]
        faces = [painted(r) * np.isin(r, FACE)[..., None] for r in regions]
        return Gives({"shape": np.stack(shapes), "region": np.stack(regions), "completed": np.stack(faces)})


@dataclass(frozen=True)
class Finish:
    name: ClassVar[str] = "finish"
    version: ClassVar[int] = 1
    needs: ClassVar = (Draw.gives[1],)
    gives: ClassVar = (Field("image", "uint8", ("R", "R", 3), "rgb"),)

    def __call__(self, batch: Batch) -> Gives:
        images = np.stack([moved(painted(region), PAIR_SHIFT) for region in batch["region"]])
        rejects = {
            i: Reject(Reason.GAP, "every sixth") for i, row in enumerate(batch.rows) if row.index % 6 == 5
        }
        return Gives({"image": images}, rejects)


@dataclass(frozen=True)
class ToyAuditRecipe:
    """Only what an audit asks of a recipe."""

    batch: int = 4
    stages: tuple[Stage, ...] = (Draw(), Finish())

    fields: ClassVar[tuple[FieldSpec, ...]] = tuple(
        f for f in PAIR_FIELDS if f.name in {"image", "semantic", "mask", "normal_front"}
    )

    @property
    def description(self) -> dict[str, Any]:
        return {"settings": {"size": R, "batch": self.batch}, "code": "toy audit"}

    def load(self, source: str, head: str) -> Mapping[str, np.ndarray]:
        identity = np.random.default_rng(int(source[:16])).standard_normal(8).astype(np.float32) / 2
        return {
            "photo": moved(painted(regions_of(identity)[0]), PHOTO_SHIFT), "identity": identity,
            "expression": np.zeros(4, np.float32), "scale": np.float32(CAMERA.scale),
            "rotation": np.eye(3, dtype=np.float32), "translation": np.zeros(2, np.float32),
        }  # fmt: skip

    def chain(self, head: str) -> Chain:
        return Chain(self.stages, SOURCES, ("image", "region", "shape"), self.batch)

    def pictures(self, trace: Trace) -> dict[str, np.ndarray]:
        return {name: trace.fields[name] for name in ("photo", "completed") if name in trace.fields}

    def sample(self, made: Made) -> Sample:
        region, image = made.fields["region"], made.fields["image"]
        vertices = regions_of(made.fields["shape"])[1]
        normals, *_ = front_back_maps(vertices, HEAD.faces, vertex_normals(vertices, HEAD.faces), R)
        arrays = {
            "image": image, "semantic": (image[..., 0] // STEP).astype(np.uint8),
            "mask": np.isin(region, FACE), "normal_front": normals,
        }  # fmt: skip
        meta = {
            "angles": [0.0, 0.0, 0.0], "identity": made.fields["shape"], "expression": np.zeros(4, np.float32),
            "camera": {
                "scale": CAMERA.scale, "rotation": np.eye(3), "translation": np.zeros(2), "mm_per_unit": 140.0,
            },
            "light": np.eye(9, 3), "relief": {}, "sources": {"photo": made.row.source}, "quality": {},
        }  # fmt: skip
        return Sample(made.row.key, arrays, meta)


class Reader(Observer):
    """Reads classes from the paint; finds every face, and its points one pixel to the right."""

    fingerprint = "reader"  # type: ignore[assignment]

    def look(self, image: np.ndarray, landmarks: np.ndarray, roll: float) -> Seen:
        return Seen(self.parse(image, roll), 0.9, landmarks + np.array([1.0, 0.0]))

    def parse(self, image: np.ndarray, roll: float) -> np.ndarray:
        red, green, blue = (image[..., k].astype(int) for k in range(3))
        paint = (red % STEP == 0) & (green == 90) & (red + blue == 255)
        return np.where(paint, red // STEP, 0).astype(np.uint8)


READER = Reader(Path(), Path())


def make_store(root: Path, pairs: int = 24, shards: int | None = None) -> Store:
    """A store of six sources; ``shards`` leaves the later ones pending."""
    recipe = ToyAuditRecipe()
    names = [f"{i:016d}-00" for i in range(6)]
    plan = draw_plan([SourceRef(n, 0.0, n[:16]) for n in names], ["toy"], ["plain", "dark"], pairs, 0, 8)
    table = SourceTable(
        (*(SourceRow(n, f"{n}.png", n[:16], yaw=0.0) for n in names), SourceRow("x", "x", "x", "no_face"))
    )
    root.parent.mkdir(parents=True, exist_ok=True)
    table.write(root.parent / "sources.parquet")
    snapshot = {"sources.parquet": (root.parent / "sources.parquet").read_bytes()}
    store = Store.create(root, plan, recipe.description, snapshot, sizes={"R": R}, fields=recipe.fields)
    for shard, rows in list(plan.shards.items())[:shards]:
        outcomes = [
            Rejected(o.row.key, o.reject.reason, o.stage, o.reject.detail)
            if isinstance(o, Refused)
            else recipe.sample(o)
            for o in recipe.chain("toy").run(rows, lambda source: recipe.load(source, "toy"))
        ]
        store.write_shard(shard, outcomes, {"seconds": {"draw": 0.5, "finish": 0.1}})
    return store


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
