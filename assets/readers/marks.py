"""68 landmarks of a scan from a file: text, ``.pts``, ``.npy``, JSON, or menpo's labelled ``.ljson``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from assets.readers.archive import read_npy
from assets.readers.damaged import damaged
from assets.registry import AssetError

MOST_BYTES = 1_000_000  # 68 points take 5 kB in the wordiest of the forms

# Groups of menpo's files in iBUG order, with how many points each has.
GROUPS = (
    ("chin", 17),
    ("leyebrow", 5),
    ("reyebrow", 5),
    ("nose", 9),
    ("leye", 6),
    ("reye", 6),
    ("mouth", 20),
)


def read_marks(path: Path) -> Float[np.ndarray, "68 3"]:
    """Read 68 points in iBUG order, x, y, z in the frame of the scan. NaN (null in JSON) means not known.

    Raises:
        AssetError: the file is missing or does not hold 68 points with three coordinates.
    """
    if not path.is_file():
        msg = f"there is no file {path}: pass 68 points (iBUG order, x y z a line)."
        raise AssetError(msg)
    with damaged(f"'{path.name}' holds no landmarks", "write 68 lines of x y z in iBUG order", AssetError):
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes, at most {MOST_BYTES} are read")
        points = _points(path)
    if points.shape != (68, 3):
        shape = " x ".join(map(str, points.shape))
        msg = f"'{path.name}' holds {shape} numbers, expected 68 x 3: write 68 lines of x y z in iBUG order."
        raise AssetError(msg)
    return points


def _points(path: Path) -> np.ndarray:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return np.asarray(read_npy(path), np.float64)
    if suffix in (".json", ".ljson"):
        return _json_points(json.loads(path.read_text(encoding="utf-8")))
    lines = path.read_text(encoding="utf-8").replace(",", " ").splitlines()
    if suffix == ".pts":  # two lines of header, the points between braces
        lines = [
            line
            for line in lines
            if line.strip() and line.split()[0][0] in "-+.0123456789nN" and ":" not in line
        ]
    return np.array([line.split() for line in lines if line.strip() and line.lstrip()[0] != "#"], np.float64)


def _json_points(data: Any) -> np.ndarray:
    if isinstance(data, list):
        return np.array(data, np.float64)
    if "groups" in data:  # menpo 2: one group of landmarks
        data = next(iter(data["groups"].values()), {})
    points = np.array(data["landmarks"]["points"], np.float64)
    labels = {label["label"]: label["mask"] for label in data.get("labels", ())}
    if any(len(labels.get(name, ())) != count for name, count in GROUPS):
        return points
    return points[np.concatenate([labels[name] for name, _ in GROUPS])]
