"""FaceScape's bilinear models (NJU, research only): v1.6 as one ``.npz``, v1.0 to v1.3 as a folder of arrays.

Indices of faces and texture coordinates count from 1, those of landmarks and contour lines from 0. The core
(3V, 52, K) keeps x, y, z of a vertex in turn; releases differ in whether slots 1.. hold faces or residuals to the
neutral one, so the numbers are asked. Nothing in the files is unpickled (:mod:`assets.readers.plain_pickle`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assets.heads.raw import RawHead
from assets.readers.archive import MOST_PICKLED, Archive
from assets.readers.damaged import damaged
from assets.readers.obj import split_polygons
from assets.readers.plain_pickle import UnsafePickleError, loads
from assets.registry import AssetError

VERTICES_16, VERTICES_10 = 26278, 26317
EXPRESSIONS = 52  # the first is the neutral face
KEYS_16 = (
    "shape_bm_core", "fv_indices", "ft_indices", "fv_indices_front", "texcoords", "lm_list_v16", "vert_10to16_dict",
    "vert_16to10_dict", "id_mean", "id_var", "contour_line_left", "contour_line_right", "bottom_cand",
)  # fmt: skip
MOST_MODES = 1000  # identity modes, whose core is written out; there are 938 people in the data
ROWS = 900  # rows of the core in memory at a time: 19 MB of a 50-mode core in double precision
FACE_LIKE = (0.6, 1.6)  # norm of another expression's face over the neutral one's
RESIDUAL = 0.4  # the same of a residual, at most
ITEMS = 2  # corner list and texture list stand at these places of a face in the older releases' lists


@dataclass(frozen=True, eq=False)
class FaceScape:
    """A bilinear model and what its archive says besides."""

    head: RawHead
    landmarks_10: (
        np.ndarray | None
    )  # (68,) vertices of the older topology, which the TU scans have; -1 unknown
    colours: np.ndarray | None  # (c, V, 3) uint8: mean colour first, then draws; black is unknown
    files: tuple[Path, ...]


def read_facescape(path: Path, work: Path, name: str = "facescape", colours: int = 0) -> FaceScape:
    """Read a model; its core goes to ``work/core.npy`` in single precision, slot by slot, and is mapped from there.

    Args:
        path: ``facescape_bm_v1.6_….npz``, or the folder of v1.0 to v1.3.
        work: folder for the converted core.
        name: of the head.
        colours: draws of the colour model to make besides its mean (v1.6).

    Raises:
        AssetError: missing files, another version, a damaged file, or one of the bad releases.
    """
    with damaged(f"{path} is not FaceScape's bilinear model", "download it again", AssetError):
        return (
            _read_folder(path, work, name) if path.is_dir() else _read_16(Archive(path), work, name, colours)
        )


def _read_16(archive: Archive, work: Path, name: str, colours: int) -> FaceScape:
    if "id_exp" in archive.path.name:
        msg = (
            f"{archive.path} has its expressions as principal components too, so no slot is the neutral face and none "
            f"stays within 0..1; use facescape_bm_v1.6_847_50_52_id_front.npz."
        )
        raise AssetError(msg)
    archive.require(*KEYS_16)
    shape = archive.shape("shape_bm_core")
    if (
        len(shape) != 3
        or shape[0] != 3 * VERTICES_16
        or shape[1] != EXPRESSIONS
        or not 0 < shape[2] <= MOST_MODES
    ):
        msg = (
            f"{archive.path}: shape_bm_core of (78834, 52, K) expected, got {shape}; use a facescape_bm_v1.6 file, or "
            f"give the folder of an older version."
        )
        raise AssetError(msg)
    for faces in ("fv_indices", "fv_indices_front"):
        last = int(np.max(archive.read(faces)))
        if last > VERTICES_16:
            msg = (
                f"{archive.path}: {faces} names vertex {last} of {VERTICES_16}: this is the wrong release that was "
                f"offered from 2021-09-07 to 2021-09-18; download the file again."
            )
            raise AssetError(msg)
    mean, variance = (np.asarray(archive.read(key), np.float64).ravel() for key in ("id_mean", "id_var"))
    if len(mean) != shape[2] or len(variance) != shape[2] or not (variance > 0).all():
        msg = (
            f"{archive.path}: id_mean and id_var of {shape[2]} positive numbers expected, got {len(mean)} and "
            f"{len(variance)}: they were wrong before 2021-12-08; download the file again."
        )
        raise AssetError(msg)
    core = _converted(archive, work / "core.npy", shape)
    landmarks = np.asarray(archive.read("lm_list_v16"), np.int64).ravel()
    corners, texture = (_indices(archive.read(key)) for key in ("fv_indices", "ft_indices"))
    made = _raw(
        name,
        core,
        mean,
        np.sqrt(variance),
        corners,
        texture,
        np.asarray(archive.read("texcoords")),
        landmarks,
    )
    to_10 = _lookup(archive.read("vert_16to10_dict"), VERTICES_16)
    head = _with_contour(made, archive)
    return FaceScape(head, to_10[landmarks], _colours(archive, colours), (archive.path,))


def _converted(archive: Archive, file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The core as (52, V, 3, K) float32, slots 1.. residuals, mapped from a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    vertices = shape[0] // 3
    core = np.lib.format.open_memmap(file, "w+", np.float32, (shape[1], vertices, 3, shape[2]))
    at = 0
    for rows in archive.rows("shape_bm_core", 3 * (ROWS // 3)):
        count = len(rows) // 3
        core[:, at : at + count] = rows.reshape(count, 3, *shape[1:]).transpose(2, 0, 1, 3)
        at += count
    if not np.isfinite(core[0]).all():
        msg = f"{archive.path}: the core has NaN or infinity; download the file again."
        raise AssetError(msg)
    return core


def _as_residuals(core: np.ndarray, mean: np.ndarray, name: str) -> np.ndarray:
    """Make slots 1.. residuals to slot 0, if they are not yet; in place."""
    neutral = core[0] @ mean
    size = np.linalg.norm(neutral - neutral.mean(0))
    ratio = np.zeros(len(core) - 1)
    for slot in range(1, len(core)):
        face = core[slot] @ mean
        ratio[slot - 1] = np.linalg.norm(face - face.mean(0)) / size
    if ((FACE_LIKE[0] < ratio) & (ratio < FACE_LIKE[1])).all():
        for slot in range(1, len(core)):
            core[slot] -= core[0]
    elif not (ratio < RESIDUAL).all():
        msg = (
            f"head '{name}': expression slots are {ratio.min():.2f} to {ratio.max():.2f} times as large as the neutral "
            f"face, neither faces (about 1) nor residuals (below {RESIDUAL}); the file is damaged or of another model."
        )
        raise AssetError(msg)
    return core


def _raw(
    name: str, core: np.ndarray, mean: np.ndarray, std: np.ndarray, corners: np.ndarray, texture: np.ndarray,
    texcoords: np.ndarray, landmarks: np.ndarray,
) -> RawHead:  # fmt: skip
    if len(landmarks) != 68:
        msg = f"head '{name}': 68 landmark vertices expected, got {len(landmarks)}; use the published list."
        raise AssetError(msg)
    core = _as_residuals(core, mean, name)
    neutral = core[0] @ mean
    faces, face_uvs = split_polygons(neutral, corners, texture)
    return RawHead(
        name=name,
        mean=neutral,
        id_basis=np.stack([core[0, :, :, k] * std[k] for k in range(core.shape[3])]),
        exp_basis=np.stack([core[slot] @ mean for slot in range(1, len(core))]),
        exp_names=tuple(f"facescape{slot:02d}" for slot in range(1, len(core))),
        faces=faces,
        landmark_vertices=np.repeat(landmarks[:, None], 3, 1),
        landmark_bary=np.tile([1.0, 0.0, 0.0], (68, 1)),
        uvs=np.asarray(texcoords, np.float64)[:, :2],
        face_uvs=face_uvs,
        core=core,
        identity_mean=mean,
        identity_std=std,
        provenance={"source": "FaceScape bilinear model", "identity_modes": int(core.shape[3])},
    )


def _indices(given: Any) -> np.ndarray:
    """Face corners, counted from 1 in the file, as (f, 4) from 0 with -1 for a triangle's last."""
    corners = np.asarray(given, np.int64) - 1
    if corners.ndim != 2 or corners.shape[1] not in (3, 4) or corners.min() < 0:
        msg = f"faces of 3 or 4 corners counted from 1 expected, got an array of {corners.shape}; is the file whole?"
        raise AssetError(msg)
    if corners.shape[1] == 4:
        return corners
    return np.pad(corners, ((0, 0), (0, 1)), constant_values=-1)


def _lookup(given: Any, count: int) -> np.ndarray:
    """A vertex map, kept as a dictionary or as an array, as (count,) with -1 for none."""
    table = np.full(count, -1, np.int64)
    if isinstance(given, dict):
        for key, value in given.items():
            if 0 <= int(key) < count and value is not None:
                table[int(key)] = int(value)
        return table
    flat = np.asarray(given, np.int64).ravel()
    table[: min(count, len(flat))] = flat[:count]
    return table


def _with_contour(head: RawHead, archive: Archive) -> RawHead:
    """Jaw lines: image left is landmarks 0 to 7, then the candidates under the chin, then image right."""
    left, right = (list(archive.read(f"contour_line_{side}")) for side in ("left", "right"))
    if len(left) != 8 or len(right) != 8:
        msg = f"{archive.path}: 8 contour lines on each side expected, got {len(left)} and {len(right)}."
        raise AssetError(msg)
    lines = [np.asarray(line, np.int64).ravel() for line in (*left, archive.read("bottom_cand"), *right)]
    table = np.full((17, max(1, *map(len, lines))), -1, np.int64)
    for row, line in zip(table, lines, strict=True):
        row[: len(line)] = line
    table[np.arange(17), 0] = np.where(table[:, 0] < 0, head.landmark_vertices[:17, 0], table[:, 0])
    fields = {key: getattr(head, key) for key in head.__dataclass_fields__}
    return RawHead(**(fields | {"contour": table}))


COLOUR_SPREAD = (
    9.0  # levels rms that a drawn colour differs from the mean: the file has no deviations of its modes
)


def _colours(archive: Archive, count: int) -> np.ndarray | None:
    """Colours per vertex (RGB) from the colour model, which is blue first and only on the front."""
    if not count or "color_bm_mean" not in archive.names:
        return None
    mean = np.asarray(archive.read("color_bm_mean"), np.float64).reshape(-1, 3)
    modes = np.asarray(archive.read("color_bm_core"), np.float64).reshape(len(mean), 3, -1)
    front = np.asarray(archive.read("v_indices_front"), np.int64).ravel()
    place = _lookup(archive.read("vc_dict_front"), len(front))
    rng = np.random.default_rng(0)
    made = np.zeros((count, VERTICES_16, 3), np.uint8)
    for number in range(count):
        move = modes @ rng.standard_normal(modes.shape[2])
        share = 0 if number == 0 else COLOUR_SPREAD / max(float(np.sqrt((move**2).mean())), 1e-9)
        colour = np.clip(mean + share * move, 1, 255)[:, ::-1]
        made[number, front[place >= 0]] = np.rint(colour[place[place >= 0]])
    return made


def _read_folder(folder: Path, work: Path, name: str) -> FaceScape:
    """v1.0 to v1.3: core (K, 52, 3V), factors of 847 people, faces and texture coordinates in pickles of their own."""
    cores = sorted(folder.rglob("core_*_52.npy"))
    cores = sorted(cores, key=lambda file: "_50_" not in file.name)
    if not cores:
        msg = (
            f"{folder} has no core_847_50_52.npy; give the folder of FaceScape's bilinear model v1.0 to v1.3."
        )
        raise AssetError(msg)
    base = cores[0].parent
    people = base / cores[0].name.replace("core", "factors_id")
    faces, coordinates = base / "predef_faces.pkl", base / "predef_texcoords.pkl"
    marks = next((base / n for n in ("landmark_indices.npz", "index_68.txt") if (base / n).is_file()), None)
    for file in (people, faces, coordinates):
        if not file.is_file():
            msg = f"{base} has {cores[0].name} but not {file.name}; copy the whole folder."
            raise AssetError(msg)
    if marks is None:
        msg = (
            f"{base} has no landmarks: put landmark_indices.npz of the FaceScape toolkit (toolkit/predef) or "
            f"index_68.txt of Detailed3DFace there."
        )
        raise AssetError(msg)
    stored = _mapped(cores[0])
    if stored.ndim != 3 or stored.shape[1:] != (EXPRESSIONS, 3 * VERTICES_10):
        msg = f"{cores[0]}: (K, 52, 78951) expected, got {stored.shape}; is it of FaceScape v1.0 to v1.3?"
        raise AssetError(msg)
    work.mkdir(parents=True, exist_ok=True)
    modes = len(stored)
    core = np.lib.format.open_memmap(
        work / "core.npy", "w+", np.float32, (EXPRESSIONS, VERTICES_10, 3, modes)
    )
    for slot in range(EXPRESSIONS):
        core[slot] = stored[:, slot].reshape(modes, VERTICES_10, 3).transpose(1, 2, 0)
    factors = np.asarray(_mapped(people), np.float64)
    if factors.ndim != 2 or factors.shape[1] != modes or len(factors) < 2:
        msg = f"{people}: (people, {modes}) expected, got {factors.shape}; it belongs to another core."
        raise AssetError(msg)
    listed = _pickled(faces)
    corners, texture = (_indices([item[place] for item in listed]) for place in (0, ITEMS))
    if marks.suffix == ".npz":
        landmarks = np.asarray(Archive(marks).read("v10"), np.int64).ravel()
    else:
        landmarks = np.array(marks.read_text(encoding="utf-8").split(), np.int64)
    head = _raw(
        name, core, factors.mean(0), factors.std(0, ddof=1), corners, texture,
        np.asarray(_pickled(coordinates), np.float64), landmarks,
    )  # fmt: skip
    return FaceScape(head, landmarks, None, (cores[0], people, faces, coordinates, marks))


def _mapped(file: Path) -> np.ndarray:
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        msg = f"{file} is damaged or cut short ({error}); download it again."
        raise AssetError(msg) from None


def _pickled(file: Path) -> Any:
    try:
        if file.stat().st_size > MOST_PICKLED:
            raise UnsafePickleError(f"{file.stat().st_size} bytes, at most {MOST_PICKLED} are read")
        return loads(file.read_bytes())
    except UnsafePickleError as error:
        msg = f"{file}: {error}."
        raise AssetError(msg) from None
