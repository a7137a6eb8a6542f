"""Sources: the annotated faces that pairs are made from, computed once per photo and cached by content.

Photo file -> decode -> landmarks and crops -> parse -> fit -> occlude. Two cache entries per photo: what depends on the
photo only (crops, landmarks, masks), and what depends on the head model too (the fit, and the masks refined with
it). Rejects are cached as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from assets.readers.members import Member
from assets.readers.photo import DecodeLimits, Refused, read_photo
from assets.readers.photo_set import pictures
from assets.readers.sets import read_photos
from assets.readers.tree import Tree
from models.geometry.camera import ScaledOrtho
from models.networks.classes import FACE
from storage.plan import PlanRow
from storage.reject import Reason, Reject
from tasks import appearance
from tasks.cache import ArrayCache, Entry, file_sha256, fingerprint
from tasks.contract import Batch, Field, Gives, Stage
from tasks.given_parsing import given_parsing, paint
from tasks.landmarks import Crop, Landmarks
from tasks.parse import Parse, hull
from tasks.source_table import SourceRow, SourceTable

Array = np.ndarray[Any, np.dtype[Any]]
VERSION = 1  # of the numbers computed here

PHOTO_FIELDS = (
    Field("photo", "uint8", ("R", "R", 3), "rgb"),
    Field("landmarks", "float32", (68, 2), "pixel"),
    Field("parsing", "uint8", ("R", "R"), "celebamask"),
)


class SourceError(LookupError):
    """A source is not in the cache; the sentence says what to do."""


@dataclass(frozen=True)
class Source:
    """One usable face: its arrays (one row of each Batch field that sources give) and its numbers."""

    row: SourceRow
    arrays: Mapping[str, Array]

    @property
    def id(self) -> str:
        """The source's id."""
        return self.row.id


@dataclass(frozen=True)
class Annotator:
    """Annotates photos through a cache.

    Attributes:
        cache_dir: folder of the cache; may be shared by processes, sizes and head models.
        landmarks: the stage that finds faces; its size is the crop's.
        parse: stage that gives ``parsing``.
        fit: stage that gives pose and shape, or None to leave them out.
        occlude: stage that refines ``parsing`` with what the fit knows, or None to leave it as parsed.
    """

    cache_dir: Path
    landmarks: Landmarks
    parse: Parse
    fit: Stage | None = None
    occlude: Stage | None = None
    limits: DecodeLimits = field(default_factory=DecodeLimits)

    @property
    def gives(self) -> tuple[Field, ...]:
        """Fields that every source has: the start of a chain."""
        return PHOTO_FIELDS + (self.fit.gives if self.fit else ())

    @cached_property
    def photo_fingerprint(self) -> str:
        """Everything but the photo that decides crops, landmarks and masks."""
        return fingerprint(VERSION, appearance.VERSION, self.limits, self.landmarks, self.parse)

    @cached_property
    def fit_fingerprint(self) -> str:
        """The same, the fit with its head, and what the fit tells of occluders."""
        return fingerprint(self.photo_fingerprint, self.fit, self.occlude)

    def annotate(self, file: Path | Member, name: str = "") -> list[Source | SourceRow]:
        """Every face of a photo from image left to right: a Source, or the row that says why it is none.

        Args:
            file: picture file, or a member of an archive; masks that it brings are the parsing.
            name: what the table calls it; the file's name when empty.
        """
        name = name or file.name
        try:
            sha = file.sha256() if isinstance(file, Member) else file_sha256(file)
        except OSError as error:
            sha = hashlib.sha256(name.encode()).hexdigest()
            detail = f"cannot be read: {error.strerror}"
            return [SourceRow(sha[:16], name, sha, Reason.UNREADABLE.value, detail)]
        photo = self._cached(f"{sha[:16]}-{self.photo_fingerprint}", lambda: self._look(file, sha))
        if self.fit is None:
            return _unpack(photo, photo, name)
        fitted = self._cached(f"{sha[:16]}-{self.fit_fingerprint}", lambda: self._fit(photo))
        return _unpack(photo, fitted, name)

    def load(self, source_id: str) -> Source:
        """A source by its id, from the cache alone.

        Raises:
            SourceError: its photo was not annotated with these settings, or the face was rejected.
        """
        cache = ArrayCache(self.cache_dir)
        photo = cache.get(f"{source_id[:16]}-{self.photo_fingerprint}")
        fitted = cache.get(f"{source_id[:16]}-{self.fit_fingerprint}") if self.fit else photo
        if photo is None or fitted is None:
            msg = f"source '{source_id}' is not in the cache with these settings: annotate its photo again."
            raise SourceError(msg)
        for source in _unpack(photo, fitted, ""):
            if isinstance(source, Source) and source.id == source_id:
                return source
        msg = f"source '{source_id}' was rejected or does not exist in its photo: plan with the source table."
        raise SourceError(msg)

    def _cached(self, key: str, make: Callable[[], Entry]) -> Entry:
        cache = ArrayCache(self.cache_dir)
        entry = cache.get(key)
        if entry is None:
            entry = make()
            cache.put(key, entry)
        return entry

    def _look(self, file: Path | Member, sha: str) -> Entry:
        """Decode, find, crop, parse: one meta row per face, arrays of the usable ones as
        ``<number>/<field>``."""
        image = read_photo(file, self.limits)
        if isinstance(image, Refused):
            return Entry({}, {"rows": [_row(sha, None, Reject(Reason(image.reason), image.detail))]})
        masks = file.masks if isinstance(file, Member) else {}
        classes = paint(masks, self.limits) if masks else None
        if isinstance(classes, Reject):
            return Entry({}, {"rows": [_row(sha, None, classes)]})
        found = self.landmarks.find(image)
        crops = {i: crop for i, crop in enumerate(found) if isinstance(crop, Crop)}
        rows = {
            i: _row(sha, None if reject.reason is Reason.NO_FACE else i, reject)
            for i, reject in enumerate(found)
            if isinstance(reject, Reject)
        }
        arrays: dict[str, Array] = {}
        if crops:
            given = {
                "photo": np.stack([c.photo for c in crops.values()]),
                "landmarks": np.stack([c.landmarks for c in crops.values()]),
            }
            if classes is None:
                parsed = self.parse(_batch(sha, list(crops), given))
            else:
                parsed = _as_given(classes, (image.shape[0], image.shape[1]), list(crops.values()))
            for k, (i, crop) in enumerate(crops.items()):
                if k in parsed.rejects:
                    rows[i] = _row(sha, i, parsed.rejects[k], **_crop_numbers(crop))
                    continue
                mask = parsed.fields["parsing"][k]
                share = float(np.isin(mask, FACE).mean())
                looks = appearance.appearance(crop.photo, crop.landmarks, mask)
                rows[i] = _row(sha, i, None, face_share=share, **_crop_numbers(crop), **looks)
                arrays |= {f"{i:02d}/photo": crop.photo, f"{i:02d}/landmarks": crop.landmarks}
                arrays[f"{i:02d}/parsing"] = mask
        return Entry(arrays, {"rows": [rows[i] for i in sorted(rows)]})

    def _fit(self, photo: Entry) -> Entry:
        """Fit every usable face of an annotated photo, and refine its parsing."""
        assert self.fit is not None
        rows = [dict(row) for row in photo.meta["rows"]]
        usable = [k for k, row in enumerate(rows) if not row["reason"]]
        arrays: dict[str, Array] = {}
        if usable:
            numbers = [int(rows[k]["id"][-2:]) for k in usable]
            given = {
                f.name: np.stack([photo.arrays[f"{i:02d}/{f.name}"] for i in numbers]) for f in PHOTO_FIELDS
            }
            batch = _batch(rows[0]["sha256"], numbers, given)
            fitted = self.fit(batch)
            made, rejects = dict(fitted.fields), dict(fitted.rejects)
            if self.occlude is not None:
                refined = self.occlude(Batch(batch.rows, {**batch.fields, **made}))
                made |= refined.fields
                rejects = {**refined.rejects, **rejects}
            for k, (at, number) in enumerate(zip(usable, numbers, strict=True)):
                own = {name: values[k] for name, values in made.items()}
                rows[at] |= _fit_numbers(own)
                if k in rejects:
                    rows[at] |= {"reason": rejects[k].reason.value, "detail": rejects[k].detail}
                    continue
                if "parsing" in own:
                    rows[at]["face_share"] = float(np.isin(own["parsing"], FACE).mean())
                arrays |= {f"{number:02d}/{name}": value for name, value in own.items()}
        return Entry(arrays, {"rows": rows})


def find_photos(folder: Path) -> list[Path]:
    """Plain picture files below a folder, sorted by relative path; hidden files and folders are left out."""
    found = sorted((name, where) for name, where in pictures(Tree.of(folder)) if where.startswith("/"))
    return [Path(where) for _, where in found]


def annotate_folder(
    annotator: Annotator, folder: Path, tell: Callable[[int, int], None] = lambda done, total: None
) -> SourceTable:
    """Annotate every photo of a folder in this process; ``tell(done, total)`` is called after each."""
    photos = read_photos(folder).photos
    annotated: list[SourceRow] = []
    for done, photo in enumerate(photos, 1):
        faces = annotator.annotate(photo.file(), photo.name)
        annotated += [face.row if isinstance(face, Source) else face for face in faces]
        tell(done, len(photos))
    return SourceTable.collect(annotated)


def _row(sha: str, number: int | None, reject: Reject | None, **numbers: float) -> dict[str, Any]:
    """A row without its photo's name, for the cache; no number when it speaks of the whole photo."""
    own = sha[:16] if number is None else f"{sha[:16]}-{number:02d}"
    why = {"reason": reject.reason.value, "detail": reject.detail} if reject else {"reason": "", "detail": ""}
    return {"id": own, "sha256": sha, **why, **numbers}


def _as_given(classes: Array, photo: tuple[int, int], crops: Sequence[Crop]) -> Gives:
    """What the parse stage would give, from a class map of the whole photo."""
    maps = [given_parsing(classes, photo, crop) for crop in crops]
    rejects = {k: found for k, found in enumerate(maps) if isinstance(found, Reject)}
    blank = np.zeros(crops[0].photo.shape[:2], np.uint8)
    return Gives({"parsing": np.stack([blank if isinstance(m, Reject) else m for m in maps])}, rejects)


def _unpack(photo: Entry, last: Entry, name: str) -> list[Source | SourceRow]:
    faces: list[Source | SourceRow] = []
    arrays = {**photo.arrays, **last.arrays}
    for facts in last.meta["rows"]:
        row = SourceRow(photo=name, **facts)
        prefix = f"{row.id[-2:]}/"
        own = {key[len(prefix) :]: value for key, value in arrays.items() if key.startswith(prefix)}
        faces.append(row if row.reason else Source(row, own))
    return faces


def _batch(sha: str, numbers: Sequence[int], given: Mapping[str, Array]) -> Batch:
    """The faces of one photo as a batch; annotation draws nothing by chance, so its rows carry a fixed
    seed."""
    rows = tuple(
        PlanRow(f"{i:08d}", i, 0, 0, f"{sha[:16]}-{i:02d}", head="", texture="", split="") for i in numbers
    )
    return Batch(rows, given)


def _crop_numbers(crop: Crop) -> dict[str, float]:
    grey = cv2.cvtColor(crop.photo, cv2.COLOR_RGB2GRAY)
    inside = hull(crop.landmarks, len(crop.photo))
    edges = np.asarray(cv2.Laplacian(grey, cv2.CV_32F))[inside]
    return {
        "sharpness": float(edges.var()) if edges.size else 0.0,
        "iod": crop.iod,
        "upscale": crop.upscale,
        "score": crop.score,
        "mirrored": crop.mirrored,
    }


def _fit_numbers(made: Mapping[str, Array]) -> dict[str, float]:
    """Angles in degrees and residual of one fit."""
    pose = ScaledOrtho(float(made["scale"]), made["rotation"].astype(np.float64), made["translation"])
    yaw, pitch, roll = pose.angles
    return {"yaw": yaw, "pitch": pitch, "roll": roll, "fit_rms": float(made["fit_rms"])}
