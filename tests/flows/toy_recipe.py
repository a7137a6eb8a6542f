"""A recipe of toy stages, a few numbers per pair: what flows are tested with. Workers import it by name."""

from __future__ import annotations

import hashlib
import os
import signal
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

PHOTO = Field("photo", "uint8", ("R", "R", 3), "rgb")


@dataclass(frozen=True)
class Draw:
    """Noise over the photo."""

    name: ClassVar[str] = "draw"
    version: ClassVar[int] = 1
    needs: ClassVar = (PHOTO,)
    gives: ClassVar = (Field("noisy", "uint8", ("R", "R", 3), "rgb"),)

    def __call__(self, batch: Batch) -> Gives:
        noise = np.stack(
            [batch.rng(i, self).integers(0, 9, batch["photo"].shape[1:]) for i in range(len(batch))]
        )
        return Gives({"noisy": (batch["photo"] // 2 + noise).astype(np.uint8)})


@dataclass(frozen=True)
class Judge:
    """Rejects each fifth row; may be slow; may kill its process once."""

    seconds: float = 0.0
    murder: str = ""
    fifth: bool = True

    name: ClassVar[str] = "judge"
    version: ClassVar[int] = 1
    needs: ClassVar = (Draw.gives[0],)
    gives: ClassVar = (Field("image", "uint8", ("R", "R", 3), "rgb"),)

    def __call__(self, batch: Batch) -> Gives:
        time.sleep(self.seconds * len(batch))
        if self.murder and batch.rows[0].index == 8:
            marker = Path(self.murder)
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        rejects = {
            i: Reject(Reason.GAP, f"row {row.index} is a fifth one")
            for i, row in enumerate(batch.rows)
            if row.index % 5 == 4 and self.fifth
        }
        return Gives({"image": batch["noisy"]}, rejects)


@dataclass(frozen=True)
class ToyRecipe:
    """Sixteen-pixel pairs. ``limits`` carries the toys' knobs; only ``fifth`` (0: no row is rejected) decides bytes."""

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

    quality: ClassVar[tuple[str, ...]] = ("brightness",)
    fields: ClassVar[tuple[FieldSpec, ...]] = (
        FieldSpec("image", "image.png", "png8", "uint8", ("R", "R", 3), "sRGB 0..255", "rgb", batch="image"),
    )

    @property
    def sizes(self) -> dict[str, int]:
        return {"R": self.size}

    @property
    def description(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"size": self.size, "batch": self.batch, "spread": self.spread}
        if "fifth" in self.limits:
            settings["limits"] = {"fifth": self.limits["fifth"]}
        return {"settings": settings, "code": "toy"}

    @property
    def texture_looks(self) -> tuple[dict[str, float], ...]:
        return tuple({} for _ in self.texture_names)

    def annotate(self, photo: Path, name: str) -> list[SourceRow]:
        data = photo.read_bytes()
        sha = hashlib.sha256(data).hexdigest()
        if data == b"empty":
            return [SourceRow(sha[:16], name, sha, "no_face", "nothing in it")]
        self.cache.mkdir(parents=True, exist_ok=True)
        (self.cache / f"{sha[:16]}-00").write_bytes(data)
        return [SourceRow(f"{sha[:16]}-00", name, sha, yaw=float(data[0]) / 4 - 32, pitch=3.0, roll=0.0)]

    @property
    def texture_names(self) -> tuple[str, ...]:
        return self.textures or ("plain",)

    def load(self, source: str, head: str) -> dict[str, np.ndarray]:
        seed = int.from_bytes((self.cache / source).read_bytes()[:4], "little")
        photo = np.random.default_rng(seed).integers(0, 255, (self.size, self.size, 3)).astype(np.uint8)
        return {"photo": photo}

    def chain(self, head: str) -> Chain:
        murder = os.environ.get("TOY_MURDER", "")
        stages: tuple[Stage, ...] = (
            Draw(),
            Judge(self.limits.get("seconds", 0.0), murder, self.limits.get("fifth", 1.0) > 0),
        )
        return Chain(stages, (PHOTO,), ("image",), self.batch)

    def sample(self, made: Made) -> Sample:
        image = made.fields["image"]
        meta = {
            "angles": [0.0, 0.0, 0.0],
            "camera": {"scale": 1.0, "rotation": np.eye(3).tolist(), "translation": [0.0, 0.0], "mm_per_unit": 1.0},
            "identity": [], "expression": [], "light": [], "relief": {}, "sources": {"photo": made.row.source},
            "quality": {"brightness": float(image.mean())},
        }  # fmt: skip
        return Sample(made.row.key, {"image": image}, meta)

    def snapshot(self) -> dict[str, bytes]:
        return {"toy.txt": b"a toy head"}

    def pictures(self, trace: Trace) -> dict[str, np.ndarray]:
        return {name: trace.fields[name] for name in ("photo", "noisy", "image") if name in trace.fields}

    def licences(self) -> list[dict[str, str]]:
        return [{"name": "toy", "kind": "head", "licence": "CC0-1.0", "attribution": "nobody"}]


def make_photos(folder: Path, count: int, empty: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i:03d}.png").write_bytes(bytes([i * 37 % 256, i, 7, 1]) * 4)
    for i in range(empty):
        (folder / f"empty{i}.png").write_bytes(b"empty")
    return folder
