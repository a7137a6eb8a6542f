"""Bake textures from one's own photographs (``facepairs assets bake-texture``): annotate, check, bake, record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from assets.appearance import NAMES, measure, portrait
from assets.atlas import Atlas
from assets.bake import Baked, bake
from assets.bake_checks import photo_flaws, texture_flaws
from assets.mixes import plain_skins
from assets.readers.photo import SUFFIXES, Refused, read_photo
from assets.registry import (
    OWN,
    AssetError,
    Entry,
    asset_path,
    default_head,
    fetched_dir,
    record,
    texture_pool,
)
from assets.textures import ATLAS_SIZE, save_texture
from models.geometry.camera import pixel_to_cube
from models.heads.fit import fit_landmarks
from models.networks.bisenet import FaceParser
from models.networks.face_landmarker import FaceLandmarker
from storage.files import write_replace
from storage.reject import Reject
from tasks.landmarks import Crop, Landmarks
from tasks.parse import clean

CROP = 384  # pixels
TILE = 256  # of the sheet


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one face: an entry, or the reasons against it."""

    photo: Path
    number: int  # of the face, from image left
    entry: Entry | None
    reasons: tuple[str, ...]
    crop: np.ndarray | None = None  # (CROP, CROP, 3)
    texture: np.ndarray | None = None  # (ATLAS_SIZE, ATLAS_SIZE, 3), as far as it was baked

    def __str__(self) -> str:
        state = f"baked as {self.entry.name}" if self.entry else "; ".join(self.reasons)
        return f"{self.photo.name}, face {self.number}: {state}"


def bake_textures(
    photos: Sequence[Path], licence: str, attribution: str, say: Callable[[str], None] = lambda _: None
) -> list[Outcome]:
    """Bake every face that passes the checks into the pool.

    Args:
        photos: pictures, or folders that are searched in depth.
        licence: SPDX id or phrase under which the photographs may be used; every store's ledger names it.
        attribution: who took them.
        say: gets a line for every face.

    Raises:
        AssetError: no picture, or no licence or attribution.
    """
    if not licence.strip() or not attribution.strip():
        msg = (
            "a texture needs the licence and the author of its photograph: pass --licence and --attribution."
        )
        raise AssetError(msg)
    files = sorted({file for path in photos for file in _pictures(path)})
    if not files:
        where = f" at {', '.join(map(str, photos))}" if photos else ""
        msg = f"no picture{where}: pass photographs or folders of them."
        raise AssetError(msg)
    bench = _Bench(licence, attribution)
    done = []
    for file in files:
        for outcome in bench.photo(file):
            say(str(outcome))
            done.append(outcome)
    return done


def sheet(outcomes: Sequence[Outcome], path: Path) -> None:
    """Crop, texture and its portrait of every face that was looked at; those accepted first."""
    rows = []
    for outcome in sorted(outcomes, key=lambda o: o.entry is None):
        if outcome.crop is None:
            continue
        blank = np.zeros((TILE, TILE, 3), np.uint8)
        tiles = [cv2.resize(outcome.crop, (TILE, TILE), interpolation=cv2.INTER_AREA), blank, blank]
        if outcome.texture is not None:
            tiles[1] = cv2.resize(outcome.texture, (TILE, TILE), interpolation=cv2.INTER_AREA)
            tiles[2] = portrait(default_head(), outcome.texture)[0]
        row = np.hstack(tiles)
        caption = outcome.entry.name if outcome.entry else "; ".join(outcome.reasons)
        cv2.putText(row, caption[:100], (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 0), 1)
        rows.append(row)
    if len(rows) % 2:
        rows.append(np.zeros_like(rows[0]))
    pairs = [np.hstack(rows[i : i + 2]) for i in range(0, len(rows), 2)]
    done, data = cv2.imencode(path.suffix or ".jpg", np.vstack(pairs)[..., ::-1]) if pairs else (False, None)
    if not done:
        msg = f"no sheet at {path}: it wants a suffix .jpg or .png and at least one face."
        raise AssetError(msg)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_replace(path, data.tobytes())


class _Bench:
    """Networks, head and painted skins, loaded once."""

    def __init__(self, licence: str, attribution: str) -> None:
        self.licence, self.attribution = licence, attribution
        self.finder = Landmarks(CROP, FaceLandmarker(asset_path("face_landmarker")))
        # Not in bfloat16, so that every machine bakes the same bytes.
        self.parser = FaceParser(asset_path("bisenet"), bf16=False)
        self.head = default_head()
        self.atlas = Atlas(self.head, ATLAS_SIZE)
        pool = texture_pool()
        self.skins = plain_skins(pool)
        self.known = set(pool.names)

    def photo(self, file: Path) -> Iterator[Outcome]:
        """Outcome of every face of a photograph."""
        image = read_photo(file)
        if isinstance(image, Refused):
            yield Outcome(file, 0, None, (image.detail,))
            return
        sha = hashlib.sha256(file.read_bytes()).hexdigest()
        for number, crop in enumerate(self.finder.find(image)):
            if isinstance(crop, Reject):
                yield Outcome(file, number, None, (crop.detail,))
            else:
                yield self._face(file, f"own_{sha[:8]}_{number}", number, crop)

    def _face(self, file: Path, name: str, number: int, crop: Crop) -> Outcome:
        parsing = clean(self.parser.parse(crop.photo[None])[0], crop.landmarks)
        fitted = fit_landmarks(self.head, pixel_to_cube(crop.landmarks.astype(np.float64), CROP))
        yaw, pitch, _ = fitted.camera.angles
        flaws = photo_flaws(crop.photo, crop.landmarks, parsing, crop.iod, yaw, pitch)
        if flaws:
            return Outcome(file, number, None, tuple(map(str, flaws)), crop.photo)
        vertices = self.head.vertices(fitted.identity, fitted.expression)
        try:
            baked = bake(crop.photo, crop.landmarks, parsing, fitted.camera, vertices, self.atlas, self.skins)
        except ValueError as error:
            return Outcome(file, number, None, (str(error),), crop.photo)
        flaws = texture_flaws(baked, self.atlas)
        if flaws:
            return Outcome(file, number, None, tuple(map(str, flaws)), crop.photo, baked.image)
        if name in self.known:
            return Outcome(
                file, number, None, (f"is in the pool already, as {name}",), crop.photo, baked.image
            )
        looks = measure(crop.photo, crop.landmarks, parsing)
        return Outcome(file, number, self._record(name, file, baked, looks), (), crop.photo, baked.image)

    def _record(self, name: str, file: Path, baked: Baked, looks: dict[str, float]) -> Entry:
        numbers = {**looks, "tone": measure(*portrait(self.head, baked.image))["tone"]}
        tags = {key: f"{numbers[key]:.2f}" for key in NAMES}
        path = f"{OWN}/{name}.webp"
        save_texture(fetched_dir() / path, baked.image, baked.valid)
        self.known.add(name)
        entry = Entry(
            name, "texture", path, "", 0, self.licence, file.name, self.attribution,
            f"Baked from a photograph of the user's; it gave {baked.share:.0%} of the face, the rest is skin "
            f"'{baked.skin}'.", fetched=True,
            tags={"part": "skin", "subject": file.stem, "atlas": self.atlas.fingerprint, **tags},
        )  # fmt: skip
        return record(entry, root=fetched_dir(), folder=OWN)


def _pictures(path: Path) -> list[Path]:
    """A picture, or all below a folder.

    Raises:
        AssetError: there is nothing.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        msg = f"{path} does not exist: pass photographs or folders of them."
        raise AssetError(msg)
    return [p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()]
