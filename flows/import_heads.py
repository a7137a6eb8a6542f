"""Imports published head models into the folder of what a user added, with licence, source and hash."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from assets.heads.adopt import adopt, write_core, write_head
from assets.heads.raw import RawHead
from assets.readers.mesh import Scan
from assets.registry import (
    OWN,
    AssetError,
    Entry,
    Kind,
    asset_path,
    default_head,
    fetched_dir,
    ledger,
    record,
)
from models.heads.load import core_file
from models.networks.face_landmarker import FaceLandmarker
from tasks.scan_view import NoFaceError, find_marks

Say = Callable[[str], None]


@dataclass(frozen=True)
class Terms:
    """What the ledger says of an import; every store made with it repeats it."""

    licence: str
    source: str
    attribution: str
    commercial: bool
    note: str = ""


ICT = Terms(
    "MIT",
    "ICT-FaceKit:FaceXModel",
    "University of Southern California, Institute for Creative Technologies",
    True,
)
FACESCAPE = Terms(
    "FaceScape", "FaceScape", "Nanjing University, FaceScape", False,
    "Non-commercial research by the signatory; nothing derived from it may be published or passed on.",
)  # fmt: skip
LYHM = Terms(
    "LYHM", "Liverpool-York Head Model", "University of York and Alder Hey Hospital", False,
    "Non-commercial research at universities; may not be passed on.",
)  # fmt: skip


def import_ict(folder: Path, name: str, say: Say) -> Entry:
    """ICT-FaceKit's folder as a linear head.

    Raises:
        AssetError: files are missing, of another version or damaged, or the name is taken.
    """
    from assets.readers.ict import read_ict

    free_name(name)
    say(f"reading {folder}")
    raw = read_ict(folder, name)
    made = raw.provenance
    say(
        f"{made['identity_modes']} identity modes and {made['expressions']} expressions ({made['published']} published)"
    )
    return install_head(raw, sorted(folder.rglob("*.obj")), ICT, say)


def import_facescape(path: Path, name: str, colours: int, say: Say) -> Entry:
    """FaceScape's bilinear model, v1.6 file or v1.0 to v1.3 folder, with textures from its colour model if asked.

    Raises:
        AssetError: another version, a bad release, a damaged file, or a name that is taken.
    """
    from assets.readers.facescape import read_facescape
    from flows.import_textures import install_colours

    free_name(name)
    say(f"reading {path}: the core is converted once, slot by slot")
    with _work() as work:
        model = read_facescape(path, work, name, colours)
        extra = {} if model.landmarks_10 is None else {"landmarks_10": model.landmarks_10}
        entry = install_head(model.head, model.files, FACESCAPE, say, extra)
    if model.colours is not None:
        install_colours(name, model.colours, FACESCAPE, say)
    return entry


def import_lyhm(file: Path, name: str, textures: int, landmarks: Path | None, say: Say) -> Entry:
    """Liverpool-York Head Model with the bundled head's expressions, and textures drawn from its texture basis.

    Raises:
        AssetError: not the model, of MATLAB 7.3, damaged, no face found on its mean, or a name that is taken.
    """
    from assets.heads.cap import cap_vertices
    from assets.readers.lyhm import read_lyhm
    from flows.import_textures import install_colours

    free_name(name)
    say(f"reading {file}")
    model = read_lyhm(file)
    vertices, bary = given_marks(landmarks) or seen_marks(model.mean, model.faces, model.colour)
    raw = RawHead(
        name=name, mean=model.mean, id_basis=model.modes, exp_basis=np.zeros((0, len(model.mean), 3)), exp_names=(),
        faces=model.faces, landmark_vertices=vertices, landmark_bary=bary,
        provenance={"source": "Liverpool-York Head Model", "identity_modes": len(model.modes)},
    )  # fmt: skip
    entry = install_head(raw, [file], LYHM, say)
    draws = np.random.default_rng(0).standard_normal((textures, len(model.colour_modes)))
    if textures:
        draws[0] = 0
        colours = np.clip(model.colour + np.tensordot(draws, model.colour_modes, 1), 1, 255)
        colours = np.rint(colours).astype(np.uint8)
        colours[:, cap_vertices(model.mean, model.colour, raw.marks())] = 0
        install_colours(name, colours, LYHM, say)
    return entry


def import_npz(
    file: Path, name: str, landmarks: Path | None, licence: str, attribution: str, say: Say
) -> Entry:
    """Any linear model in the documented form.

    Raises:
        AssetError: the file is not in that form, says nothing of its licence, or the name is taken.
    """
    from assets.readers.linear_npz import read_linear_npz

    free_name(name)
    say(f"reading {file}")
    fields, said = read_linear_npz(file, name)
    licence, attribution = licence or said.get("licence", ""), attribution or said.get("attribution", "")
    if not licence or not attribution:
        msg = f"{file} does not say under which licence and by whom it is: pass --licence and --attribution."
        raise AssetError(msg)
    if (marks := given_marks(landmarks)) is not None:
        fields["landmark_vertices"], fields["landmark_bary"] = marks
    if "landmark_vertices" not in fields:
        say("no landmarks in the file: looking for them on the mean, drawn from the front")
        fields["landmark_vertices"], fields["landmark_bary"] = seen_marks(fields["mean"], fields["faces"])
    commercial = said.get("commercial", "False") in ("True", "1")
    terms = Terms(licence, said.get("source", file.name), attribution, commercial)
    return install_head(RawHead(**fields), [file], terms, say)


def given_marks(file: Path | None) -> tuple[np.ndarray, np.ndarray] | None:
    """Landmarks of a JSON file: 68 vertices from 0, or ``{"vertices": (68, 3), "bary": (68, 3)}``; None for no file.

    Raises:
        AssetError: something else stands in it.
    """
    if file is None:
        return None
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        vertices = np.array(data["vertices"] if isinstance(data, dict) else data, np.int64)
        bary = (
            np.array(data["bary"], np.float64)
            if isinstance(data, dict)
            else np.tile([1.0, 0.0, 0.0], (68, 1))
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{file} holds no landmarks ({error}); expected 68 vertex numbers, or vertices and bary of (68, 3)."
        raise AssetError(msg) from None
    vertices = np.repeat(vertices[:, None], 3, 1) if vertices.ndim == 1 else vertices
    if vertices.shape != (68, 3) or bary.shape != (68, 3):
        msg = f"{file} has landmarks of {vertices.shape} and {bary.shape}, (68, 3) and (68, 3) are expected."
        raise AssetError(msg)
    return vertices, bary


def seen_marks(
    mean: np.ndarray, faces: np.ndarray, colours: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks of a model's mean, found on drawn pictures of it: vertex triples and weights.

    Raises:
        AssetError: no face is seen on it.
    """
    surface = Scan(mean, np.ascontiguousarray(faces, np.int32), colours=colours)
    try:
        marks = find_marks(surface, default_head(), FaceLandmarker(asset_path("face_landmarker")))
    except NoFaceError as error:
        raise AssetError(str(error)) from error
    return marks.vertices, marks.bary


def free_name(name: str) -> None:
    """Refuse a name that something else in the ledger has; a head of one's own may be imported again.

    Raises:
        AssetError: the name is taken, or no file can have it.
    """
    if not name or not all(c.isalnum() or c in "-_" for c in name):
        msg = f"'{name}' cannot name a head: use letters, digits, '-' and '_'."
        raise AssetError(msg)
    there = ledger().entries_by_name.get(name)
    if there is not None and not (there.kind == "head" and there.path.startswith(f"{OWN}/")):
        msg = f"the ledger has a {there.kind} '{name}' already; choose another name with --name."
        raise AssetError(msg)


def install_head(
    raw: RawHead, files: Iterable[Path], terms: Terms, say: Say, extra: Mapping[str, np.ndarray] | None = None
) -> Entry:
    """Adopt a model, write its files and record them.

    Args:
        raw: the model.
        files: what it was read from; the head file keeps one hash over all of them.
        terms: licence and source.
        say: gets a short sentence at the start of each step.
        extra: further arrays to keep in the head file.
    """
    made = {**raw.provenance, "license": terms.licence, "inputs_sha256": digest_of(files)}
    raw = replace(raw, provenance=made)
    adopted = adopt(raw, default_head(), say)
    file = fetched_dir() / OWN / "heads" / f"{raw.name}.npz"
    tags: dict[str, str] = {}
    if raw.core is not None:
        say("writing the core")
        write_core(adopted, raw, core_file(file))
        tags = {"core": f"{raw.name}-core"}
        own_entry(tags["core"], "head", core_file(file), terms, {"part": "core"})
    arrays: dict[str, Any] = {**adopted.arrays, **(extra or {})}
    write_head(arrays, file)
    return own_entry(raw.name, "head", file, terms, tags)


def own_entry(name: str, kind: Kind, file: Path, terms: Terms, tags: Mapping[str, str]) -> Entry:
    """Record a file below the folder of a user's own assets."""
    entry = Entry(
        name, kind, file.relative_to(fetched_dir()).as_posix(), "", 0, terms.licence, terms.source, terms.attribution,
        terms.note, fetched=True, commercial=terms.commercial, tags=tags,
    )  # fmt: skip
    return record(entry, root=fetched_dir(), folder=OWN)


def digest_of(files: Iterable[Path]) -> str:
    """One hash over the names and contents of the files that something was made from."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            whole.update(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {file.name}\n".encode())
    return whole.hexdigest()


@contextmanager
def _work() -> Iterator[Path]:
    """A folder beside the assets, on the same disk, that is gone afterwards."""
    root = fetched_dir()
    root.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".import-", dir=root))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
