"""FaceScape's benchmark of single-view reconstruction: its in-the-wild and its in-the-lab images (facts §2.6).

    ROOT/…/wild_gt_mesh/000.obj … 399.obj         cube frame, pose bins by number, 100 each
    ROOT/…/wild_<images>/000.png|jpg …
    ROOT/…/predef/wild_pupil_scales.npy (400,), wild_head_centers.npy (400, 3), wild_rotations.npy (400, 3, 3)
    ROOT/…/lab_gt_mesh/00.obj … 19.obj            pupil distances
    ROOT/…/lab_cam/00_0_00.json …                 [K, Rt] of subject, focal length, view
    ROOT/…/lab_<images>/00_0_00.png|jpg …
    ROOT/…/predef/lab_head_centers.npy (3, 3) by focal length, lab_rotations.npy (11, 3, 3) by view

Meshes, cameras and ``predef`` are named as its evaluation code names them; the folders of images are found by their
files, since that code never opens them. Read from the code alone: the data is given out on application.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from assets.readers.archive import read_npy
from assets.readers.damaged import damaged
from assets.readers.photo import SUFFIXES
from assets.registry import AssetError

WILD_COLUMNS = ("0-5°", "5-30°", "30-60°", "60-90°")
PUPILS = (64.0 + 61.7) / 2  # mm between the pupils, to which the lab's meshes are scaled
MOST_CAMERA = 100_000  # bytes of a camera's file: 21 numbers
LAB_FOCAL = 0  # the focal length of the published table: 1200 pixels
LAB_VIEWS = ("0°", *("30°",) * 8, *("60°",) * 2)


@dataclass(frozen=True, eq=False)
class WildCase:
    """An orthographic image: ``head_mm = rotation.T @ (pupil * (cube - centre))``."""

    key: str
    column: str
    image: Path
    mesh: Path
    pupil: float  # mm in a cube unit
    rotation: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, " 3"]  # cube units


@dataclass(frozen=True, eq=False)
class LabCase:
    """A pinhole image, camera x right, y down, z away, mm: ``head_mm = rotation.T @ (camera - centre)``."""

    key: str
    column: str
    image: Path
    mesh: Path
    intrinsics: Float[np.ndarray, "3 3"]
    extrinsics: Float[
        np.ndarray, "3 4"
    ]  # mesh in pupil distances to the camera, translation in pupil distances too
    rotation: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, " 3"]


def is_facescape(root: Path) -> str:
    """ "wild" or "lab" where a folder holds that half of the benchmark, else empty; wild when it holds both."""
    for part in ("wild", "lab"):
        if _folder(root, f"{part}_gt_mesh") is not None:
            return part
    return ""


def read_wild(root: Path) -> Iterator[WildCase]:
    """The in-the-wild cases whose mesh is there.

    Raises:
        AssetError: a file is missing or has another shape than the evaluation code reads.
    """
    meshes = _wanted(root, "wild_gt_mesh")
    count = 400
    scales = _array(root, "wild_pupil_scales.npy", (count,))
    centres = _array(root, "wild_head_centers.npy", (count, 3))
    rotations = _array(root, "wild_rotations.npy", (count, 3, 3))
    for mesh in sorted(meshes.glob("[0-9][0-9][0-9].obj")):
        n = int(mesh.stem)
        if n < count:
            yield WildCase(
                mesh.stem, WILD_COLUMNS[n // 100], _image(root, "wild", mesh.stem), mesh, float(scales[n]),
                rotations[n], centres[n],
            )  # fmt: skip


def read_lab(root: Path) -> Iterator[LabCase]:
    """The in-the-lab cases of the published table's focal length.

    Raises:
        AssetError: a file is missing or has another shape than the evaluation code reads.
    """
    meshes, cameras = _wanted(root, "lab_gt_mesh"), _wanted(root, "lab_cam")
    centres = _array(root, "lab_head_centers.npy", (3, 3))
    rotations = _array(root, "lab_rotations.npy", (len(LAB_VIEWS), 3, 3))
    for camera in sorted(cameras.glob(f"[0-9][0-9]_{LAB_FOCAL}_[0-9][0-9].json")):
        subject, _, view = camera.stem.split("_")
        if int(view) >= len(LAB_VIEWS):
            continue
        what = f"{camera} is no camera, [K, Rt] is expected"
        with damaged(what, "unpack FaceScape's benchmark again", AssetError):
            if camera.stat().st_size > MOST_CAMERA:
                raise ValueError(f"{camera.stat().st_size} bytes")
            known = json.loads(camera.read_text(encoding="utf-8"))
            K, Rt = np.array(known[0], np.float64).reshape(3, 3), np.array(known[1], np.float64).reshape(3, 4)
            if not (np.isfinite(K).all() and np.isfinite(Rt).all()):
                raise ValueError("numbers that are not finite")
        yield LabCase(
            camera.stem, LAB_VIEWS[int(view)], _image(root, "lab", camera.stem), meshes / f"{subject}.obj", K, Rt,
            rotations[int(view)], centres[LAB_FOCAL],
        )  # fmt: skip


def _folder(root: Path, name: str) -> Path | None:
    """The first folder of a name at the root or below it."""
    return next((p for p in (root / name, *sorted(root.rglob(name))) if p.is_dir()), None)


def _wanted(root: Path, name: str) -> Path:
    found = _folder(root, name)
    if found is None:
        msg = f"{root} has no folder {name}: pass the folder that FaceScape's benchmark data was unpacked to."
        raise AssetError(msg)
    return found


def _array(root: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One of the arrays that come with the evaluation code."""
    path = next(iter(sorted(root.rglob(name))), None)
    if path is None:
        msg = f"{root} has no {name}: copy benchmark/code/predef of the FaceScape repository into it."
        raise AssetError(msg)
    array = read_npy(path)
    if array.shape != shape or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        msg = (
            f"{path} has {array.dtype} of {array.shape}, finite numbers of {shape} are expected: copy "
            "benchmark/code/predef of the FaceScape repository again."
        )
        raise AssetError(msg)
    return np.asarray(array, np.float64)


def _image(root: Path, part: str, stem: str) -> Path:
    """The picture of a case: in any folder that has the part's name in its own."""
    for folder in sorted(p for p in root.rglob("*") if p.is_dir() and part in p.name.lower()):
        for suffix in sorted(SUFFIXES):
            if (folder / f"{stem}{suffix}").is_file():
                return folder / f"{stem}{suffix}"
    msg = f"{root} has no picture {stem} in a folder with '{part}' in its name: unpack the benchmark's images there."
    raise AssetError(msg)
