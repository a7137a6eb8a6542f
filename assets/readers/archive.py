"""Arrays of ``.npz`` archives one at a time, objects without unpickling, and large ones in pieces."""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from assets.readers.damaged import damaged
from assets.readers.plain_pickle import UnsafePickleError, loads
from assets.registry import AssetError

# Bytes of one array that is read as a whole. The Basel models, the largest in use, have bases of 0.3 GB; FaceScape's
# core of 1 GB is read in rows.
MOST_BYTES = 2_000_000_000
MOST_PICKLED = 256_000_000  # bytes of a pickled dictionary or list; FaceScape's take 2 MB


@dataclass(frozen=True)
class Archive:
    """An ``.npz`` file of another's making."""

    path: Path

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its arrays.

        Raises:
            AssetError: not an archive, or cut short.
        """
        with self._opened() as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())

    def require(self, *names: str) -> None:
        """Refuse an archive that lacks one of the arrays.

        Raises:
            AssetError: names the first one.
        """
        there = self.names
        for name in names:
            if name not in there:
                msg = f"{self.path} has no array '{name}' (it has {', '.join(there[:8])} …); is it the right file?"
                raise AssetError(msg)

    def read(self, name: str) -> Any:
        """One array, or the plain value that an object array holds.

        Raises:
            AssetError: absent, damaged, or an object that is no plain value.
        """
        self.require(name)
        with self._member(name) as stream:
            shape, fortran, dtype = _header(stream)
            if dtype.hasobject:
                try:
                    raw = stream.read(MOST_PICKLED + 1)
                    if len(raw) > MOST_PICKLED:
                        raise UnsafePickleError(f"more than {MOST_PICKLED} bytes of objects")
                    return loads(raw)
                except UnsafePickleError as error:
                    msg = f"{self.path}, array '{name}': {error}."
                    raise AssetError(msg) from None
            return _array(stream, shape, fortran, dtype)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array, which is not read."""
        self.require(name)
        with self._member(name) as stream:
            return _header(stream)[0]

    def rows(self, name: str, most: int) -> Iterator[np.ndarray]:
        """A large array by rows of its first axis, at most so many at a time.

        Raises:
            AssetError: damaged, an object, or kept column by column.
        """
        with self._member(name) as stream:
            shape, fortran, dtype = _header(stream)
            if fortran or dtype.hasobject:
                msg = (
                    f"{self.path}, array '{name}': numbers row by row expected; save it again with np.savez."
                )
                raise AssetError(msg)
            step = math.prod(shape[1:]) * dtype.itemsize
            if most * step > MOST_BYTES:
                raise ValueError(f"rows of {step} bytes")
            for start in range(0, shape[0], most):
                count = min(most, shape[0] - start)
                raw = stream.read(count * step)
                if len(raw) != count * step:
                    raise EOFError(f"row {start} of {shape[0]}")
                yield np.frombuffer(raw, dtype).reshape(count, *shape[1:])

    @contextlib.contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        if not self.path.exists():
            msg = f"{self.path} does not exist; give the path of your copy."
            raise AssetError(msg)
        with _whole(self.path), zipfile.ZipFile(self.path) as archive:
            yield archive

    @contextlib.contextmanager
    def _member(self, name: str) -> Iterator[IO[bytes]]:
        with self._opened() as archive, archive.open(f"{name}.npy") as stream:
            yield stream


def read_npy(path: Path) -> np.ndarray:
    """The array of a small ``.npy`` file, which holds as many bytes as its header says.

    Raises:
        AssetError: absent, damaged, too large, or objects.
    """
    with _whole(path), path.open("rb") as stream:
        shape, fortran, dtype = _header(stream)
        if dtype.hasobject:
            raise ValueError("it holds objects, not numbers")
        return _array(stream, shape, fortran, dtype)


def _whole(path: Path) -> contextlib.AbstractContextManager[None]:
    return damaged(f"{path} is damaged or cut short", "download it again", AssetError)


def _array(stream: IO[bytes], shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    if not 0 <= size <= MOST_BYTES:
        raise ValueError(f"an array of {size} bytes, at most {MOST_BYTES} are read")
    raw = stream.read(size + 1)  # no more than promised is unpacked
    if len(raw) != size:
        raise EOFError(f"{size} bytes promised, {'more' if len(raw) > size else len(raw)} stored")
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype of an array; ValueError becomes a damaged file."""
    try:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        return read(stream)
    except ValueError as error:
        raise EOFError(str(error)) from None
