"""A recipe: everything that a run must know of the pairs it makes. Stages of your own come as a recipe of your own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from assets.benchmark import expand_textures
from assets.readers.members import Member
from assets.registry import AssetError, Entry, asset_path, head_model, ledger, texture_pool
from assets.transfer import HeadTextures
from models.geometry.camera import ScaledOrtho
from models.heads.linear import LinearHead
from models.heads.relief import ReliefHead
from models.networks.bisenet import fast_bf16
from models.networks.face_landmarker import FaceFinder
from models.networks.fan import DETECTORS, Detector, FanLandmarker, fan_weights
from storage.schema import PAIR_FIELDS, FieldSpec
from storage.store import Sample
from tasks import pictures
from tasks.blend import Blend
from tasks.cache import file_sha256
from tasks.chain import Chain, Made, Trace
from tasks.check import QUALITY, Check, Limits
from tasks.complete import Complete
from tasks.contract import Array, Stage
from tasks.decode import relief_file
from tasks.draw import Draw
from tasks.fit import Fit
from tasks.inpaint import Inpaint
from tasks.label import Label
from tasks.landmarks import Landmarks
from tasks.occlude import Occlude
from tasks.parse import Parse
from tasks.relief import Relief, ReliefPool
from tasks.render import Render
from tasks.source_table import SourceRow
from tasks.sources import Annotator, Source
from tasks.turn import Turn
from tasks.warp import Warp

WEIGHTS = ("face_landmarker", "bisenet", "completion", "inpainting")
META_FIELDS = ("scale", "rotation", "translation", "shape", "expression", "light", "relief", "quality")


class Recipe(Protocol):
    """What the workers call. Constructed with the settings of :class:`flows.config.SynthesizeConfig`."""

    @property
    def quality(self) -> tuple[str, ...]:
        """Names of the quality numbers of a pair."""

    @property
    def fields(self) -> tuple[FieldSpec, ...]:
        """What the store holds of a pair."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Letters of the field table."""

    @property
    def description(self) -> Mapping[str, Any]:
        """Everything that decides bytes besides the plan; JSON-able; goes into the store's fingerprint."""

    @property
    def texture_names(self) -> tuple[str, ...]:
        """Names of the textures that the plan draws from."""

    @property
    def texture_looks(self) -> tuple[Mapping[str, float], ...]:
        """Appearance of each of those textures (``assets.appearance.NAMES``); empty ones suit everybody."""

    def annotate(self, photo: Path | Member, name: str) -> list[SourceRow]:
        """Faces and rejects of one photograph, called ``name``; what is found is cached for :meth:`load`."""

    def load(self, source: str, head: str) -> Mapping[str, Array]:
        """Arrays of an annotated face as fitted with a head, by its id."""

    def chain(self, head: str) -> Chain:
        """The stages for one head model."""

    def sample(self, made: Made) -> Sample:
        """What the store keeps of a pair."""

    def snapshot(self) -> Mapping[str, bytes | memoryview]:
        """Small files that make the store readable by itself, by name."""

    def pictures(self, trace: Trace) -> dict[str, Array]:
        """Pictures of one pair by caption, in order: uint8 (R, R, 3), as far as the row went."""

    def licences(self) -> list[dict[str, Any]]:
        """What the pairs are made from besides photographs: rows of the licence ledger (:mod:`flows.licences`)."""


@cache
def _reliefs(name: str, folder: Path) -> ReliefPool:
    """A head model's refined head and the reliefs of all textures, once per process."""
    head = head_model(name)
    return ReliefPool(ReliefHead(head), HeadTextures(head, texture_pool(), head_model), folder)


@dataclass(frozen=True)
class FaceRecipe:
    """The paper's pipeline: landmarks, parse, fit per photograph; draw to check per pair."""

    size: int
    points: int
    spread: float
    batch: int
    heads: tuple[str, ...]
    textures: tuple[str, ...]  # as asked for; empty for all
    limits: Mapping[str, float]
    device: str
    landmarks: str  # "mediapipe", or "fan[-3d][-sfd|-blazeface]"
    cache: Path

    quality: ClassVar[tuple[str, ...]] = QUALITY
    fields: ClassVar[tuple[FieldSpec, ...]] = PAIR_FIELDS

    @property
    def sizes(self) -> dict[str, int]:
        """Image side and SDF samples."""
        return {"R": self.size, "N": self.points}

    @cached_property
    def description(self) -> dict[str, Any]:
        """Settings, stage versions, hashes of weights, heads and textures, code version and arithmetic."""
        book = ledger()
        annotator = self.annotator(self.heads[0])
        model = head_model(self.heads[0])
        stages = (annotator.landmarks, annotator.parse, Fit(model, self.size), Occlude(model, self.size))
        first = {stage.name: stage.version for stage in stages}
        half = self.device == "cpu" and fast_bf16()
        return {
            "settings": {
                "size": self.size, "points": self.points, "spread": self.spread, "batch": self.batch,
                "limits": asdict(self.checked_limits), "landmarks": annotator.landmarks.fingerprint,
            },
            "stages": first | self.chain(self.heads[0]).versions,
            "weights": {name: book.entry(name).sha256 for name in WEIGHTS},
            "assets": {name: book.entry(name).sha256 for name in self._assets},
            "code": version("facepairs"),
            # Networks round differently in bfloat16, so two machines that differ here may not share a store.
            "device": f"{self.device}-bf16" if half else self.device,
        }  # fmt: skip

    @property
    def _assets(self) -> tuple[str, ...]:
        """Heads, the cores that belong to them, textures and their displacements."""
        named = (*self.heads, *self.texture_names)
        tags = [ledger().entry(name).tags for name in named]
        return (*named, *(tag[key] for tag in tags for key in ("core", "displacement") if key in tag))

    @cached_property
    def texture_names(self) -> tuple[str, ...]:
        """The wanted ones, or all that ship."""
        known = texture_pool().names
        wanted = expand_textures(self.textures, known)
        for name in wanted:
            if name not in known:
                msg = (
                    f"there is no texture '{name}'; type 'facepairs assets list texture' for those there are."
                )
                raise AssetError(msg)
        return wanted or tuple(known)

    @property
    def texture_looks(self) -> tuple[Mapping[str, float], ...]:
        """Tone, age, beard and femininity of each texture, from the ledger."""
        return tuple(texture_pool().looks(name) for name in self.texture_names)

    @property
    def checked_limits(self) -> Limits:
        """Limits of the check.

        Raises:
            AssetError: an unknown limit.
        """
        try:
            return Limits(**self.limits)
        except TypeError:
            names = ", ".join(asdict(Limits()))
            unknown = ", ".join(sorted(set(self.limits) - set(asdict(Limits()))))
            msg = f"the check has no limit '{unknown}'; it has {names}."
            raise AssetError(msg) from None

    def annotator(self, head: str) -> Annotator:
        """Landmarks, parsing and fit of photographs, through the cache."""
        parse = Parse(asset_path("bisenet"), self.device)
        return _annotator(self.cache, self.size, parse, head, self.landmarks)

    def annotate(self, photo: Path | Member, name: str) -> list[SourceRow]:
        """Rows of one photograph; with several heads, a face is a source when every head fits it."""
        rows: dict[str, SourceRow] = {}
        for head in self.heads:
            for found in self.annotator(head).annotate(photo, name):
                row = found.row if isinstance(found, Source) else found
                if row.id not in rows or (row.reason and not rows[row.id].reason):
                    rows[row.id] = row
        return list(rows.values())

    def load(self, source: str, head: str) -> Mapping[str, Array]:
        """Arrays of an annotated face as fitted with a head."""
        return self.annotator(head).load(source).arrays

    def drawing(self, head: LinearHead) -> tuple[Stage, ...]:
        """The stages that decide the shape of a pair, between the turned photograph and the relief."""
        return (Draw(head, self.size, self.spread),)

    def chain(self, head: str) -> Chain:
        """Turn, the stages of :meth:`drawing`, relief, render, complete, inpaint, warp, blend, label, check."""
        return build_chain(self, head_model(head), _reliefs(head, self.cache))

    def sample(self, made: Made) -> Sample:
        """Arrays by the field table, and everything small as JSON."""
        given = made.fields
        camera = ScaledOrtho(float(given["scale"]), given["rotation"], given["translation"])
        meta = {
            "angles": [round(angle, 4) for angle in camera.angles],
            "camera": {
                "scale": camera.scale, "rotation": camera.rotation.tolist(),
                "translation": camera.translation.tolist(), "mm_per_unit": camera.mm_per_unit,
            },
            "identity": given["shape"].tolist(),
            "expression": given["expression"].tolist(),
            "light": given["light"].tolist(),
            "relief": {"amplitude": float(given["relief"])},
            "sources": {"photo": made.row.source, "head": made.row.head, "texture": made.row.texture},
            "quality": dict(zip(QUALITY, given["quality"].tolist(), strict=True)),
        }  # fmt: skip
        return Sample(made.row.key, {spec.name: given[spec.batch] for spec in PAIR_FIELDS}, meta)

    def snapshot(self) -> dict[str, bytes | memoryview]:
        """The head models and what textures add to their surface."""
        heads: dict[str, bytes | memoryview] = {}
        for name in self.heads:
            heads[f"{name}.npz"] = asset_path(name).read_bytes()
            if core := ledger().entry(name).tags.get("core"):  # 0.8 GB: mapped, not read
                file = asset_path(core)
                heads[file.name] = np.memmap(file, np.uint8, "r").data
            reliefs = _reliefs(name, self.cache)
            heads[relief_file(name)] = reliefs.packed(self.texture_names, self._skins)
        return heads

    @property
    def _skins(self) -> dict[str, str]:
        """Hashes of the textures, of what belongs to them, and of the heads whose atlases they are in."""
        homes = {texture_pool().head(name) for name in self.texture_names}
        hashes: dict[str, str] = self.description["assets"]
        return hashes | {name: ledger().entry(name).sha256 for name in homes}

    def pictures(self, trace: Trace) -> dict[str, Array]:
        """Photo, fit, render, completed, inpainted, warped, blend, mesh, normals."""
        head = trace.outcome.row.head
        return pictures.strip(trace, head_model(head), _reliefs(head, self.cache).head.head, self.size)

    def licences(self) -> list[dict[str, Any]]:
        """Ledger entries of heads, textures and weights, and FAN where it is used."""
        rows = [_licence(ledger().entry(name)) for name in (*self.heads, *self.texture_names, *WEIGHTS)]
        if self.landmarks.startswith("fan"):
            weights = fan_weights("3d" if "-3d" in self.landmarks else "2d")
            # The package is free software; what its networks were trained on, 300W-LP above all, is for research.
            rows.append({
                "name": weights.name, "kind": "weights", "licence": "BSD-3-Clause", "source": "face-alignment",
                "attribution": "Adrian Bulat, face-alignment", "sha256": file_sha256(weights), "commercial": False,
            })  # fmt: skip
        return rows


def build_chain(recipe: FaceRecipe, head: LinearHead, reliefs: ReliefPool) -> Chain:
    """The stages of a pair, from an annotated face to a checked pair."""
    size, device, annotator = recipe.size, recipe.device, recipe.annotator(head.name)
    fine = reliefs.head.head
    stages = (
        Turn(head, size),
        *recipe.drawing(head),
        Relief(reliefs.head, reliefs),
        Render(fine, reliefs, size, device),
        Complete(asset_path("completion"), device, head.rendered),
        Inpaint(asset_path("inpainting"), device),
        Warp(),
        Blend(),
        Label(fine, recipe.points, size),
        Check(fine, recipe.checked_limits),
    )
    kept = (*(spec.batch for spec in PAIR_FIELDS), *META_FIELDS)
    return Chain(stages, annotator.gives, kept, recipe.batch)


@cache
def _annotator(folder: Path, size: int, parse: Parse, head: str, landmarks: str) -> Annotator:
    """One per process, so that its networks are loaded once.

    Raises:
        LandmarkError: FAN is asked for, and its package or its weights are absent.
    """
    finder = Landmarks(size)
    if landmarks.startswith("fan"):
        finder = Landmarks(size, _fan(landmarks, finder.backend, parse.device))
    model = head_model(head)
    return Annotator(folder, finder, parse, Fit(model, size), Occlude(model, size))


def _fan(landmarks: str, faces: FaceFinder, device: str) -> FanLandmarker:
    """FAN as ``fan[-3d][-sfd|-blazeface]`` names it.

    Raises:
        LandmarkError: its package or its weights are absent; said before the first photograph is read.
    """
    detector = landmarks.rpartition("-")[2]
    own = Detector(detector, device) if detector in DETECTORS else faces
    fan = FanLandmarker(own, device, "3d" if "-3d" in landmarks else "2d")
    fan.fingerprint  # noqa: B018 (names every file, so it finds out whether they are there)
    return fan


def _licence(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "licence": entry.licence,
        "attribution": entry.attribution,
        "source": entry.source,
        "sha256": entry.sha256,
        "commercial": entry.commercial,
    }
