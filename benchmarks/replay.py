"""A recipe whose stages are replaced by stored samples: everything of a run but the computing of pairs.

Photographs are small files, annotation takes their hash, and each of the ten stages of the real chain hands on a sample
that was made once. Pictures have 16 pixels a side, so that 100,000 pairs fit on any disk: what is left is planning,
jobs, events, task runs, encoding of small pictures, tars, indices, commits and publication.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from storage.schema import FieldSpec
from storage.store import Sample
from tasks.chain import Chain, Made, Trace
from tasks.contract import Batch, Field, Gives, Reason, Reject, Stage
from tasks.source_table import SourceRow

# Of the real chain; the page of a run shows each with its time.
STAGES = ("turn", "draw", "relief", "render", "complete", "inpaint", "warp", "blend", "label", "check")
SIDE, KEPT = 16, 64
PHOTO = Field("photo", "uint8", ("R", "R", 3), "rgb")
IMAGE = Field("image", "uint8", ("R", "R", 3), "rgb")


@dataclass(frozen=True)
class Hand:
    """A stage that hands on; the last one gives the stored picture of a row, or rejects the row."""

    name: str
    last: bool
    stored: Any  # uint8 (KEPT, SIDE, SIDE, 3)
    seconds: float = 0.0  # that it sleeps for a row

    version: ClassVar[int] = 1
    needs: ClassVar = (PHOTO,)

    @property
    def gives(self) -> tuple[Field, ...]:
        """The picture, from the last stage."""
        return (IMAGE,) if self.last else ()

    def __call__(self, batch: Batch) -> Gives:
        """See the class."""
        time.sleep(self.seconds * len(batch))
        if not self.last:
            return Gives({})
        rows = [row.index for row in batch.rows]
        rejects = {i: Reject(Reason.GAP, "each tenth row") for i, row in enumerate(rows) if row % 10 == 9}
        return Gives({"image": self.stored[np.array(rows) % KEPT]}, rejects)


@dataclass(frozen=True)
class Replay:
    """The recipe; see :class:`tasks.recipe.Recipe` for its members. ``limits["seconds"]`` is slept for a row."""

    size: int
    points: int
    spread: float
    batch: int
    heads: tuple[str, ...]
    textures: tuple[str, ...]
    limits: Mapping[str, float]
    device: str
    landmarks: str
    cache: Path

    quality: ClassVar[tuple[str, ...]] = ("gap",)
    fields: ClassVar[tuple[FieldSpec, ...]] = (
        FieldSpec("image", "image.png", "png8", "uint8", ("R", "R", 3), "sRGB 0..255", "rgb", batch="image"),
    )
    sizes: ClassVar[dict[str, int]] = {"R": SIDE}

    @property
    def description(self) -> dict[str, Any]:
        """Stages by version: all that decides bytes here."""
        return {"stages": dict.fromkeys(STAGES, 1), "code": "replay"}

    @property
    def texture_names(self) -> tuple[str, ...]:
        """As many as ship."""
        return tuple(f"texture-{n:02d}" for n in range(51))

    @property
    def texture_looks(self) -> tuple[dict[str, float], ...]:
        """Tones, so that textures are matched to photographs as in a real plan."""
        return tuple({"tone": 20.0 + n} for n in range(51))

    def annotate(self, photo: Path, name: str) -> list[SourceRow]:
        """One face a photograph, its yaw from the hash."""
        sha = hashlib.sha256(photo.read_bytes()).hexdigest()
        yaw = int(sha[:4], 16) / 65536 * 60 - 30
        return [SourceRow(f"{sha[:16]}-00", name, sha, yaw=yaw, pitch=0.0, roll=0.0)]

    def load(self, source: str, head: str) -> dict[str, np.ndarray]:
        """A black photograph."""
        return {"photo": np.zeros((SIDE, SIDE, 3), np.uint8)}

    def chain(self, head: str) -> Chain:
        """Ten stages that hand on."""
        stored = np.random.default_rng(0).integers(0, 256, (KEPT, SIDE, SIDE, 3)).astype(np.uint8)
        seconds = self.limits.get("seconds", 0.0) / len(STAGES)
        stages: tuple[Stage, ...] = tuple(Hand(name, name == STAGES[-1], stored, seconds) for name in STAGES)
        return Chain(stages, (PHOTO,), ("image",), self.batch)

    def sample(self, made: Made) -> Sample:
        """The stored sample with the row's own meta."""
        meta = {
            "angles": [0.0, 0.0, 0.0],
            "camera": {"scale": 1.0, "rotation": np.eye(3), "translation": [0.0, 0.0], "mm_per_unit": 1.0},
            "identity": [], "expression": [], "light": [], "relief": {}, "sources": {"photo": made.row.source},
            "quality": {"gap": 0.5},
        }  # fmt: skip
        return Sample(made.row.key, {"image": made.fields["image"]}, meta)

    def snapshot(self) -> dict[str, bytes]:
        """No head."""
        return {"head.txt": b"none"}

    def pictures(self, trace: Trace) -> dict[str, np.ndarray]:
        """Nothing to see."""
        return {}

    def licences(self) -> list[dict[str, str]]:
        """Nobody's."""
        return [{"name": "replay", "kind": "head", "licence": "CC0-1.0", "attribution": "nobody"}]
