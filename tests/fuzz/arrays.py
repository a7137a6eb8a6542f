"""Archives of arrays, MATLAB files and pickles that are read without unpickling."""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.io import savemat

from assets.readers.archive import Archive, read_npy
from assets.readers.facescape import read_facescape
from assets.readers.fitted import parameters
from assets.readers.linear_npz import read_linear_npz
from assets.readers.lyhm import read_lyhm
from assets.readers.plain_pickle import UnsafePickleError, loads
from assets.readers.tree import PhotoSetError, Tree
from assets.registry import AssetError
from tests.hostile.bombs import npy_header

OURS = (AssetError, PhotoSetError, UnsafePickleError)


def _npz(data: bytes, work: Path) -> None:
    (work / "a.npz").write_bytes(data)
    archive = Archive(work / "a.npz")
    for name in archive.names:
        archive.read(name)


def _linear(data: bytes, work: Path) -> None:
    (work / "a.npz").write_bytes(data)
    read_linear_npz(work / "a.npz", "a")


def _facescape(data: bytes, work: Path) -> None:
    (work / "a.npz").write_bytes(data)
    read_facescape(work / "a.npz", work)


def _npy(data: bytes, work: Path) -> None:
    (work / "a.npy").write_bytes(data)
    read_npy(work / "a.npy")


def _lyhm(data: bytes, work: Path) -> None:
    (work / "a.mat").write_bytes(data)
    read_lyhm(work / "a.mat")


def _fitted(data: bytes, work: Path) -> None:
    (work / "a.mat").write_bytes(data)
    parameters(Tree(work, {"a.mat": str(work / "a.mat")}, left_out={}), "a.jpg")  # type: ignore[arg-type]


READERS: dict[str, Callable[[bytes, Path], None]] = {
    "npz": _npz,
    "linear.npz": _linear,
    "facescape.npz": _facescape,
    "npy": _npy,
    "pickle": lambda data, work: loads(data),
    "lyhm.mat": _lyhm,
    "fitted.mat": _fitted,
}


def seeds(reader: str) -> Iterator[bytes]:
    """A sound file of every kind."""
    out = io.BytesIO()
    if reader.endswith("npz"):
        mean = np.random.default_rng(0).normal(size=(9, 3))
        np.savez(
            out, mean=mean, id_basis=mean[None], faces=np.arange(9).reshape(3, 3), licence="CC0", unit_mm=1.0
        )
        yield out.getvalue()
    elif reader == "npy":
        yield npy_header("(4,)") + bytes(32)
    elif reader == "pickle":
        yield b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02]q\x03(K\x02G?\xf0\0\0\0\0\0\0eu."
        yield from _object_array()
    else:
        part = {"mu": np.ones((1, 9)), "eigVec": np.ones((9, 2)), "eigVal": np.ones((1, 2))}
        faces = {"faces": np.array([[1, 2, 3]])}
        fitted = {"Pose_Para": np.ones((1, 7)), "pt3d_68": np.ones((3, 68)), "Shape_Para": np.ones((199, 1)),
                  "Exp_Para": np.ones((29, 1))}  # fmt: skip
        for packed in (False, True):
            out = io.BytesIO()
            savemat(
                out,
                {"shp": part, "tex": part, "tri": faces} if reader == "lyhm.mat" else fitted,
                do_compression=packed,
            )
            yield out.getvalue()


def _object_array() -> Iterator[bytes]:
    """What NumPy writes for a dictionary, from its own file format."""
    out = io.BytesIO()
    np.lib.format.write_array(out, np.array({"a": np.arange(3), "b": [1, 2]}, object), allow_pickle=True)
    data = out.getvalue()
    body = data[10 + int.from_bytes(data[8:10], "little") :]
    assert list(pickletools.genops(body))
    yield body
