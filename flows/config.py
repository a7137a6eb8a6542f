"""What a synthesis run is asked for: one model, a sentence per field, unknown keys are errors."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from assets.readers.kinds import AUTO, NAMES, split_kind
from flows.worker import resolve
from storage.cache import default_cache
from storage.poses import YAW_EDGES

# What decides the bytes of a pair, given the code. The rest says where, how fast and how many.
CONTENT = (
    "size",
    "points",
    "spread",
    "batch",
    "heads",
    "textures",
    "limits",
    "device",
    "landmarks",
    "recipe",
)

LARGEST = 250  # pairs of one shard at 256², 0.6 GB of a worker's memory

# Names as of storage.plan, which help has no time to import.
SPLITS = {"train": 0.9, "val": 0.05, "test": 0.05}

PROCESSES, DASK = "processes", "dask"  # runners of this machine; any other is the address of a Dask scheduler
SEVERAL = Parameter(consume_multiple=True)  # "--textures a b c" as well as "--textures a --textures b"


class SynthesizeError(RuntimeError):
    """A run cannot begin or go on; one sentence that says what to do."""


class SynthesizeConfig(BaseModel):
    """A synthesis run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: Annotated[Path, Field(description="Folder of the store; an existing one is resumed.")]
    pairs: Annotated[int, Field(gt=0, description="Pairs to plan, accepted or not.")] = 200
    photos: Annotated[
        Path | None,
        Field(
            description="Photographs: a folder that is searched in depth, a .tar, .zip or .parquet file; a kind may "
            "stand before it, as in ffhq:/data/ffhq; default: those that ship."
        ),
    ] = None
    photo_kind: Annotated[
        Literal[AUTO, *NAMES],  # type: ignore[valid-type]
        Field(description="What the photographs are taken for; auto recognises it by their files."),
    ] = AUTO
    size: Annotated[
        int, Field(ge=32, le=1024, multiple_of=32, description="Side of the images in pixels.")
    ] = 256
    workers: Annotated[
        int,
        Field(ge=1, description="Worker processes, one core each; with a scheduler, jobs in hand at once."),
    ] = 2
    runner: Annotated[
        str,
        Field(
            description="Who does the work: processes of this machine, dask (a cluster on this machine that grows to "
            "--workers and shrinks), or the tcp://host:port of a Dask scheduler with workers of its own."
        ),
    ] = PROCESSES
    seed: Annotated[int, Field(ge=0, description="Seed of everything random in the plan and the pairs.")] = 0
    shard_size: Annotated[
        int | None,
        Field(
            ge=1,
            description="Pairs of one shard, the unit of resume; default: pairs / 8, at most 250 at 256² and as much "
            "memory at larger sizes.",
        ),
    ] = None
    points: Annotated[int, Field(ge=64, description="Near-surface SDF points of one pair.")] = 32768
    spread: Annotated[
        float, Field(ge=0, le=3, description="Width of the drawn identities: 1 is the fit's posterior.")
    ] = 1.0
    yaw_edges: Annotated[
        tuple[Annotated[float, Field(gt=0, le=90)], ...],
        SEVERAL,
        Field(
            description="Upper edges of the bins of absolute yaw that get equally many pairs, degrees: heads are "
            "turned to fill them; without edges every photograph is taken as it is."
        ),
    ] = YAW_EDGES
    batch: Annotated[int, Field(ge=1, le=64, description="Pairs that stages compute together.")] = 8
    heads: Annotated[
        tuple[str, ...],
        SEVERAL,
        Field(
            min_length=1, description="Head models by name, with weights if they are not alike: anny=3,ict=1."
        ),
    ] = ("anny",)
    textures: Annotated[
        tuple[str, ...],
        SEVERAL,
        Field(
            description="Textures to draw from, by name; 'training' stands for all but the open benchmark's; default: "
            "all that ship and your own."
        ),
    ] = ()
    mixing: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="How freely textures meet photos of other tone, age, beard or sex: 0 hardly, 1 at random.",
        ),
    ] = 0.0
    limits: Annotated[
        dict[str, float], Field(description="Limits of the check, by name, in place of its defaults.")
    ] = {}
    device: Annotated[str, Field(description="Where networks and rasteriser run: cpu or cuda.")] = "cpu"
    landmarks: Annotated[
        Literal["mediapipe", "fan", "fan-3d", "fan-sfd", "fan-3d-sfd", "fan-blazeface", "fan-3d-blazeface"],
        Field(
            description="Landmark backend: mediapipe ships; FAN (2D or 3D points, on MediaPipe's faces or on those "
            "of its own detectors) wants face-alignment and its weights."
        ),
    ] = "mediapipe"
    splits: Annotated[dict[str, float], Field(description="Share of the photographs in each split.")] = SPLITS
    recycle: Annotated[
        int, Field(ge=0, description="Jobs after which a worker is replaced by a fresh one; 0 never.")
    ] = 0
    attempts: Annotated[int, Field(ge=1, description="Times a shard is tried when workers die under it.")] = 3
    reject_budget: Annotated[
        float, Field(ge=0, le=1, description="Share of rejected pairs above which nothing is published.")
    ] = 0.75
    reject_alarm: Annotated[
        float,
        Field(
            ge=0, le=1, description="Share of rejected pairs above which an event is sent; the run goes on."
        ),
    ] = 0.5
    cache: Annotated[
        Path,
        Field(
            default_factory=default_cache, description="Folder of cached annotations and of the run database."
        ),
    ]
    allow_mixed: Annotated[
        bool, Field(description="Go on with a store that other settings or other code began.")
    ] = False
    metrics: Annotated[
        int | None,
        Field(
            ge=0,
            le=65535,
            description="Port of 127.0.0.1 that serves /metrics for Prometheus; 0 takes a free one.",
        ),
    ] = None
    report: Annotated[bool, Field(description="Write report.html and contact_sheet.png at the end.")] = True
    recipe: Annotated[str, Field(description="What makes pairs, as module:name; for stages of your own.")] = (
        "tasks.recipe:FaceRecipe"
    )

    @model_validator(mode="before")
    @classmethod
    def _kind_before_path(cls, given: Any) -> Any:
        """``ffhq:/data/ffhq`` says both."""
        if not isinstance(given, dict) or not given.get("photos"):
            return given
        kind, path = split_kind(str(given["photos"]))
        return given if kind == AUTO else {**given, "photos": path, "photo_kind": kind}

    @field_validator("out", mode="before")
    @classmethod
    def _folder(cls, given: Any) -> Any:
        """A run works in a folder; as a path, a URL would be one with a strange name."""
        if "://" in str(given) or re.match(r"(s3|gs|gcs|az|abfs|https?):/", str(given)):
            msg = "a run works in a folder: give one, and upload it with `facepairs push FOLDER URL`"
            raise ValueError(msg)
        return given

    @field_validator("yaw_edges", mode="after")
    @classmethod
    def _growing(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        """Refused here, before any photograph is annotated."""
        if any(high <= low for low, high in pairwise(edges)):
            msg = "edges must grow, as 30 60 90 do"
            raise ValueError(msg)
        return edges

    @field_validator("limits", "splits", mode="after")
    @classmethod
    def _finite(cls, numbers: dict[str, float]) -> dict[str, float]:
        """Neither the store's description nor the run's own file has a form for others."""
        if odd := [f"{name} {number}" for name, number in numbers.items() if not math.isfinite(number)]:
            msg = f"finite numbers expected, '{odd[0]}' is none"
            raise ValueError(msg)
        return numbers

    @field_validator("splits", mode="after")
    @classmethod
    def _known_splits(cls, splits: dict[str, float]) -> dict[str, float]:
        """Readers, exports and trainings ask for these three; a pair of any other would never be found."""
        if unknown := [name for name in splits if name not in SPLITS]:
            msg = f"the splits are {', '.join(SPLITS)}, '{unknown[0]}' is none"
            raise ValueError(msg)
        if min(splits.values(), default=0.0) < 0 or not sum(splits.values()) > 0:
            msg = "shares of 0 or more expected, at least one of them above 0"
            raise ValueError(msg)
        return splits

    @field_validator("device", mode="after")
    @classmethod
    def _known_device(cls, device: str) -> str:
        """Refused here, before any worker loads a network."""
        if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
            msg = "cpu or cuda expected"
            raise ValueError(msg)
        return device

    @field_validator("runner", mode="after")
    @classmethod
    def _known_runner(cls, runner: str) -> str:
        """A word of ours, or an address that Dask understands."""
        if runner not in (PROCESSES, DASK) and not re.fullmatch(r"(tcp|tls)://[^\s/]+:\d+", runner):
            msg = f"{PROCESSES}, {DASK}, or a scheduler's address such as tcp://10.0.0.5:8786"
            raise ValueError(msg)
        return runner

    @field_validator("heads", mode="before")
    @classmethod
    def _apart(cls, given: Any) -> Any:
        """``anny=3,ict=1`` are two heads."""
        listed = [given] if isinstance(given, str) else given
        if not isinstance(listed, list | tuple):
            return given
        return tuple(part.strip() for item in listed for part in str(item).split(","))

    @field_validator("heads", mode="after")
    @classmethod
    def _weighted(cls, heads: tuple[str, ...]) -> tuple[str, ...]:
        """Each is a name, or a name, ``=`` and a weight above 0."""
        for head in heads:
            name, sign, weight = head.partition("=")
            try:
                fine = name and (not sign or 0 < float(weight) < math.inf)
            except ValueError:
                fine = False
            if not fine:
                msg = f"'{head}' is no head: write a name, or name=weight with a weight above 0"
                raise ValueError(msg)
        return heads

    @field_validator("out", "photos", "cache", mode="after")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """Workers and resumed runs may start in another folder."""
        return None if path is None else path.expanduser().absolute()

    @property
    def shard(self) -> int:
        """Pairs of one shard: so few that a small run keeps several workers busy and that a worker can hold them."""
        few = -(-self.pairs // (8 * self.batch)) * self.batch
        if self.size > 256:
            few = min(few, LARGEST * 256**2 // self.size**2 // self.batch * self.batch)
        return self.shard_size or min(LARGEST, max(self.batch, few))

    @property
    def network_place(self) -> Literal["cpu", "gpu"]:
        """What a worker must have for jobs that run networks."""
        return "cpu" if self.device == "cpu" else "gpu"

    @property
    def head_weights(self) -> dict[str, float]:
        """Share of the pairs that each head gets, up to a factor."""
        parts = (head.partition("=") for head in self.heads)
        return {name: float(weight) if sign else 1.0 for name, sign, weight in parts}

    @property
    def content(self) -> dict[str, Any]:
        """The part that decides bytes, JSON-able: goes into the fingerprint and into the store."""
        return {name: value for name, value in self.model_dump(mode="json").items() if name in CONTENT}

    def make_recipe(self) -> Any:
        """The recipe this run uses (see :class:`tasks.recipe.Recipe`)."""
        return resolve(self.recipe)(
            size=self.size,
            points=self.points,
            spread=self.spread,
            batch=self.batch,
            heads=tuple(self.head_weights),
            textures=self.textures,
            limits=dict(self.limits),
            device=self.device,
            landmarks=self.landmarks,
            cache=self.cache / "annotations",
        )


def explain(error: ValidationError) -> str:
    """A validation error as one sentence: option, what is wrong, what was given."""
    first = error.errors()[0]
    name = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
    if first["type"] == "extra_forbidden":
        return f"{name} is not an option of synthesize; type 'facepairs synthesize --help' for those it has."
    text = first["msg"].removeprefix("Value error, ")
    text = text[0].lower() + text[1:]
    return (
        f"{name}: {text}, got {first.get('input')!r}; type 'facepairs synthesize --help' for what it takes."
    )
