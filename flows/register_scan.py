"""Register a scan (``facepairs assets register``): landmarks, fit, bend; then a head, a texture and a picture of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from assets.appearance import NAMES, measure, portrait
from assets.atlas import Atlas
from assets.bake import Baked
from assets.mixes import plain_skins
from assets.readers.marks import read_marks
from assets.readers.mesh import Scan, read_scan
from assets.registry import (
    OWN,
    AssetError,
    Entry,
    asset_path,
    default_head,
    fetched_dir,
    ledger,
    record,
    texture_pool,
)
from assets.scan import bake_scan
from assets.scan_head import control_matrix, write_head
from assets.textures import ATLAS_SIZE, save_texture
from models.geometry.similarity import Similarity
from models.heads.fit_surface import known_inside
from models.heads.linear import LinearHead
from models.heads.register import Registered, folds, register, surface_residual
from models.heads.target import Target
from models.networks.bisenet import FaceParser
from models.networks.face_landmarker import FaceLandmarker
from tasks.scan_view import NoFaceError, find_marks, into_head, outward, skin

MODEL = "anny"
UNITS = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
SIZES = (0.75, 1.25)  # of the mean head over a real one: what a unit may make of a face
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, eq=False)
class Done:
    """A registered scan."""

    scan: Scan
    target: Target  # in the head's frame
    registered: Registered
    unit: str  # of the file; "fitted" when its size is that of no unit
    folds: int
    back: Float[np.ndarray, " n"]  # from the scan's vertices to the head, mm, NaN off the face

    def __str__(self) -> str:
        made = self.registered
        back = self.back[np.isfinite(self.back)]
        return (
            f"{len(self.scan.vertices)} vertices in {self.unit}: head to scan {made.rms:.2f} mm rms, 95 % below "
            f"{made.tail:.2f} mm; scan to head {np.sqrt((back**2).mean()):.2f} and {np.percentile(back, 95):.2f} mm; "
            f"{np.isfinite(made.residual).sum()} vertices of the face, {self.folds} folded triangles"
        )


def register_file(path: Path, landmarks: Path | None = None) -> Done:
    """Register the face of a scan to the head that ships.

    Args:
        path: OBJ, PLY or GLB.
        landmarks: file with 68 points; found in pictures of the scan without it.

    Raises:
        AssetError: the scan or the landmarks cannot be used.
    """
    scan, head = read_scan(path), default_head()
    try:
        marks = read_marks(landmarks) if landmarks else _seen(scan, head)
        made = _register(scan, head, marks)
    except (NoFaceError, ValueError) as error:
        msg = f"'{path.name}': {error}"
        raise AssetError(msg) from error
    return made


def _seen(scan: Scan, head: LinearHead) -> Float[np.ndarray, "68 3"]:
    finder = FaceLandmarker(asset_path("face_landmarker"))
    return find_marks(scan, head, finder).points(scan.vertices)


def _register(scan: Scan, head: LinearHead, marks: Float[np.ndarray, "68 3"]) -> Done:
    known_inside(marks)  # says what is missing before anything is drawn
    move = into_head(marks, head.landmarks(head.mean).astype(np.float64))
    scan = outward(scan, move)
    # Not in bfloat16, so that every machine makes the same bytes.
    counts: Bool[np.ndarray, " n"] = skin(scan, move, FaceParser(asset_path("bisenet"), bf16=False))
    unit, scale = unit_of(move)
    target = Target.of(scan.vertices, scan.faces, counts)
    made = register(head, target, marks, control=control_matrix(asset_path(MODEL)), scale=scale)
    moved = target.moved(made.fit.into_head)
    near = head.vertices(made.fit.identity, made.fit.expression)
    return Done(
        scan, moved, made, unit, int(folds(head, near, made.vertices).sum()),
        surface_residual(head, made.vertices, moved),
    )  # fmt: skip


def unit_of(move: Similarity) -> tuple[str, float | None]:
    """The unit of a scan by the size of its face, and its millimetres; None when the size has to be fitted."""
    for name, scale in UNITS.items():
        if SIZES[0] <= move.scale / scale <= SIZES[1]:
            return name, scale
    return "fitted", None


def check_terms(name: str, licence: str, attribution: str) -> None:
    """Refuse what a registered scan cannot be recorded under.

    Raises:
        AssetError: no licence or attribution, or a name that cannot be used.
    """
    if not licence.strip() or not attribution.strip():
        msg = "a head needs the licence and the author of its scan: pass --licence and --attribution."
        raise AssetError(msg)
    taken = {e.name for e in ledger().entries() if not (e.fetched and Path(e.path).parts[0] == OWN)}
    if not NAME.fullmatch(name) or name in taken:
        why = "is taken by what ships" if name in taken else "is no name"
        msg = f"'{name}' {why}: pass --name with a small letter, then letters, digits or _."
        raise AssetError(msg)


def keep(done: Done, path: Path, name: str, licence: str, attribution: str) -> list[Entry]:
    """Record a registered scan as a head, and its colours as a texture where it has any.

    Raises:
        AssetError: no licence or attribution, a name that cannot be used, or too little of the face is coloured.
    """
    check_terms(name, licence, attribution)
    baked = _bake(done, path) if done.scan.coloured else None
    (fetched_dir() / OWN).mkdir(parents=True, exist_ok=True)
    source = {"file": path.name, "licence": licence, "attribution": attribution}
    file = f"{OWN}/{name}.npz"
    partial = fetched_dir() / OWN / f".{name}.tmp.npz"
    write_head(partial, asset_path(MODEL), name, done.registered, source)
    partial.replace(fetched_dir() / file)
    entry = Entry(
        name, "head", file, "", 0, licence, path.name, attribution,
        f"Registered to '{MODEL}': {done}.", fetched=True,
    )  # fmt: skip
    entries = [record(entry, root=fetched_dir(), folder=OWN)]
    if baked is not None:
        entries.append(_record_texture(baked, f"{name}_skin", path, licence, attribution))
    return entries


def _bake(done: Done, path: Path) -> Baked:
    head, skins = default_head(), plain_skins(texture_pool())
    try:
        return bake_scan(done.scan, done.target, done.registered.vertices, Atlas(head, ATLAS_SIZE), skins)
    except ValueError as error:
        msg = f"'{path.name}': {error}"
        raise AssetError(msg) from error


def _record_texture(baked: Baked, name: str, path: Path, licence: str, attribution: str) -> Entry:
    head = default_head()
    image, landmarks, parsing = portrait(head, baked.image)
    looks = measure(image, landmarks, parsing)
    file = f"{OWN}/{name}.webp"
    save_texture(fetched_dir() / file, baked.image, baked.valid)
    tags = {key: f"{looks[key]:.2f}" for key in NAMES if np.isfinite(looks[key])}
    entry = Entry(
        name, "texture", file, "", 0, licence, path.name, attribution,
        f"Baked from a scan; it gave {baked.share:.0%} of the face, the rest is skin '{baked.skin}'.", fetched=True,
        tags={"part": "skin", "subject": path.stem, "atlas": Atlas(head, ATLAS_SIZE).fingerprint, **tags},
    )  # fmt: skip
    return record(entry, root=fetched_dir(), folder=OWN)
