"""AFLW2000-3D and 300W-LP as their owners publish them: a JPEG and a .mat of fitted parameters side by side.

The .mat (MATLAB 5) holds pose, 68 points and the coefficients of a Basel face model. Splits keep together what was
made from one photograph: 300W-LP turns each of its own to several yaws and mirrors all of them. Source: Zhu et al.,
CVPR 2016.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float

from assets.readers.damaged import damaged
from assets.readers.mat import read_mat
from assets.readers.photo_set import Photo
from assets.readers.tree import PhotoSetError, Tree

AFLW_KIND, AFLW_TITLE, AFLW_TERMS = "aflw2000-3d", "AFLW2000-3D", "AFLW2000-3D"
LP_KIND, LP_TITLE, LP_TERMS = "300w-lp", "300W-LP", "300W-LP"
MOST = 16_000_000  # bytes that a .mat may unpack to; the largest published one has 0.1 MB
PARTS = ("Pose_Para", "pt3d_68", "pt2d", "Shape_Para", "Exp_Para")
BY = "Zhu et al. 2016"
AFLW = re.compile(r"(?:^|/)(image\d{5})\.jpg$")
LP = re.compile(r"(?:^|/)(AFW|HELEN|IBUG|LFPW)(_Flip)?/([^/]+)_(\d+)\.jpg$")


@dataclass(frozen=True)
class Fitted:
    """Parameters of one picture, in the owners' own frame: image y down, angles in degrees as they define them."""

    pitch: float
    yaw: float
    roll: float
    points: Float[np.ndarray, "68 2"]  # iBUG-68, pixels, the first pixel's centre at (1, 1) as in MATLAB
    shape: Float[np.ndarray, " 199"]
    expression: Float[np.ndarray, " 29"]


def recognises_aflw(tree: Tree) -> bool:
    """A picture of its naming with its .mat beside it."""
    return any(AFLW.search(name) and f"{name[:-4]}.mat" in tree.files for name in tree.files)


def read_aflw(tree: Tree) -> Iterator[Photo]:
    """Every picture that has its .mat."""
    for name, where in tree.files.items():
        if (found := AFLW.search(name)) and f"{name[:-4]}.mat" in tree.files:
            yield Photo(where, name, "", AFLW_TERMS, f"AFLW2000-3D, {BY}", found[1], "AFLW2000-3D")


def recognises_lp(tree: Tree) -> bool:
    """A picture in one of its eight folders with its .mat beside it."""
    return any(LP.search(name) and f"{name[:-4]}.mat" in tree.files for name in tree.files)


def read_lp(tree: Tree) -> Iterator[Photo]:
    """Every picture that has its .mat, grouped by the photograph it was made from."""
    for name, where in tree.files.items():
        if (found := LP.search(name)) and f"{name[:-4]}.mat" in tree.files:
            own = f"{found[1]}-{found[3]}"
            yield Photo(where, name, f"300w-{own}", LP_TERMS, f"300W-LP, {BY}", own, "300W-LP")


def parameters(tree: Tree, name: str) -> Fitted:
    """The parameters of a picture, by its name in the tree.

    Raises:
        PhotoSetError: its .mat is missing, or is not what the owners publish.
    """
    mat = str(PurePosixPath(name).with_suffix(".mat"))
    if mat not in tree.files:
        msg = f"'{name}' in {tree.root} has no '{mat}' beside it; get the set again."
        raise PhotoSetError(msg)
    data = tree.read(mat)
    what = f"'{mat}' in {tree.root} is no parameter file of AFLW2000-3D or 300W-LP"
    with damaged(what, "get the set again", PhotoSetError):
        told: Any = read_mat(data, PARTS, MOST)
        pose = np.asarray(told["Pose_Para"], np.float64).reshape(7)
        # AFLW2000-3D's own pt2d has 21 points; 300W-LP has no pt3d_68, and 68 points there.
        points = np.asarray(told.get("pt3d_68", told.get("pt2d")), np.float64)[:2].T
        if points.shape != (68, 2):
            raise ValueError(f"68 points expected, got {points.shape}")
        shape, expression = (
            np.asarray(told[key], np.float64).reshape(-1) for key in ("Shape_Para", "Exp_Para")
        )
        if (len(shape), len(expression)) != (199, 29):
            raise ValueError(f"199 and 29 coefficients expected, got {len(shape)} and {len(expression)}")
        if not all(np.isfinite(values).all() for values in (pose, points, shape, expression)):
            raise ValueError("numbers that are not finite")
    pitch, yaw, roll = np.degrees(pose[:3]).tolist()
    return Fitted(pitch, yaw, roll, points, shape, expression)
