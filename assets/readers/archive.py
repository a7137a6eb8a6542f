"""Arrays of ``.npz`` archives one at a time, objects without unpickling, and large ones in pieces."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from assets.readers.plain_pickle import UnsafePickleError, loads
from assets.registry import AssetError


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
                    return loads(stream.read())
                except UnsafePickleError as error:
                    msg = f"{self.path}, array '{name}': {error}."
                    raise AssetError(msg) from None
            raw = stream.read()
            if len(raw) != int(np.prod(shape)) * dtype.itemsize:
                raise EOFError(f"{len(raw)} bytes")
            return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")

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
            step = int(np.prod(shape[1:])) * dtype.itemsize
            for start in range(0, shape[0], most):
                count = min(most, shape[0] - start)
                raw = stream.read(count * step)
                if len(raw) != count * step:
                    raise EOFError(f"row {start} of {shape[0]}")
                yield np.frombuffer(raw, dtype).reshape(count, *shape[1:])

    @contextlib.contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except FileNotFoundError:
            msg = f"{self.path} does not exist; give the path of your copy."
            raise AssetError(msg) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            msg = f"{self.path} is damaged or cut short ({error}); download it again."
            raise AssetError(msg) from None

    @contextlib.contextmanager
    def _member(self, name: str) -> Iterator[IO[bytes]]:
        with self._opened() as archive, archive.open(f"{name}.npy") as stream:
            yield stream


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
