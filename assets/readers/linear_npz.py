"""Any linear head model (FLAME, BFM …) as a plain ``.npz``: the form that docs/bring-your-own.md describes.

Arrays: ``mean`` (V, 3); ``id_basis`` (K, V, 3) and ``id_std`` (K,), or a basis that is scaled already; ``exp_basis``
(E, V, 3) and ``exp_std`` (E,) likewise, or none; ``exp_names`` (E,); ``faces`` (F, 3) from 0, CCW seen from outside;
``landmarks`` (68,) vertices, or (68, 3) with ``landmark_bary`` (68, 3); ``unit_mm`` (); ``uvs`` (T, 2), ``face_uvs``
(F, 3); ``licence``, ``attribution``, ``source`` (), ``commercial`` (). All but mean, bases and faces may be left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from assets.readers.archive import Archive
from assets.readers.damaged import damaged
from assets.registry import AssetError

KNOWN = {
    "mean", "id_basis", "id_std", "exp_basis", "exp_std", "exp_names", "faces", "landmarks", "landmark_bary", "unit_mm",
    "uvs", "face_uvs", "licence", "attribution", "source", "commercial",
}  # fmt: skip
EXPRESSION_STD = (
    0.3  # of our coefficients, which lie in 0..1: a published N(0, 1) mode becomes two, up and down
)


def read_linear_npz(file: Path, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields of a :class:`RawHead`, landmarks possibly left out, and what the file says of its licence.

    Raises:
        AssetError: absent, damaged, unknown or missing arrays, or shapes that do not fit.
    """
    archive = Archive(file)
    if unknown := sorted(set(archive.names) - KNOWN):
        msg = f"{file} has an array '{unknown[0]}', which is not known: it takes {', '.join(sorted(KNOWN))}."
        raise AssetError(msg)
    archive.require("mean", "id_basis", "faces")
    data = {key: archive.read(key) for key in archive.names}
    with damaged(f"{file} is not of the documented form", "see docs/bring-your-own.md", AssetError):
        return _fields(data, file, name)


def _fields(data: dict[str, Any], file: Path, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    mean = np.asarray(data["mean"], np.float64)
    count = len(mean)
    identity = _basis(data, "id", count, file)
    expressions = _basis(data, "exp", count, file) if "exp_basis" in data else np.zeros((0, count, 3))
    names = [str(n) for n in np.atleast_1d(data.get("exp_names", []))]
    if "exp_std" in data:  # signed principal components: two one-sided ones of three deviations' reach
        expressions = np.concatenate([expressions, -expressions]) * (3 * EXPRESSION_STD)
        names = [f"{n}{sign}" for sign in "+-" for n in (names or _numbered(len(expressions) // 2))]
    names = names or _numbered(len(expressions))
    given: dict[str, Any] = {
        "name": name,
        "mean": mean,
        "id_basis": identity,
        "exp_basis": expressions,
        "exp_names": tuple(names),
        "faces": np.asarray(data["faces"], np.int64),
        "unit_mm": float(data["unit_mm"]) if "unit_mm" in data else None,
        "uvs": data.get("uvs"),
        "face_uvs": None if data.get("face_uvs") is None else np.asarray(data["face_uvs"], np.int64),
        "provenance": {"source": str(data.get("source", file.name)), "identity_modes": len(identity)},
    }
    if "landmarks" in data:
        marks = np.asarray(data["landmarks"], np.int64)
        single = marks.ndim == 1
        given["landmark_vertices"] = np.repeat(marks[:, None], 3, 1) if single else marks
        given["landmark_bary"] = (
            np.tile([1.0, 0.0, 0.0], (len(marks), 1))
            if single
            else np.asarray(data.get("landmark_bary"), np.float64)
        )
    said = {key: str(data[key]) for key in ("licence", "attribution", "source", "commercial") if key in data}
    return given, said


def _basis(data: dict[str, Any], kind: str, count: int, file: Path) -> np.ndarray:
    basis = np.asarray(data[f"{kind}_basis"], np.float64)
    if basis.ndim != 3 or basis.shape[1:] != (count, 3):
        msg = (
            f"{file}: {kind}_basis of (modes, {count}, 3) expected, got {basis.shape}; transpose it (FLAME and BFM "
            f"keep modes last)."
        )
        raise AssetError(msg)
    std = np.asarray(data.get(f"{kind}_std", np.ones(len(basis))), np.float64).ravel()
    if len(std) != len(basis):
        msg = f"{file}: {kind}_std of {len(basis)} numbers expected, got {len(std)}."
        raise AssetError(msg)
    return basis * std[:, None, None]


def _numbered(count: int) -> list[str]:
    return [f"expression{number:02d}" for number in range(count)]
