"""Arrays that are computed once and memory-mapped afterwards: a folder that is there as a whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

Shape = tuple[tuple[int, ...], type[np.generic]]


def kept_arrays(
    folder: Path, shapes: Mapping[str, Shape], rows: Callable[[], Iterable[Mapping[str, np.ndarray]]]
) -> dict[str, np.ndarray]:
    """Memory maps of the arrays of a folder, which is filled when it is absent.

    Args:
        folder: where they are kept; it may be deleted at any time.
        shapes: of each array, first axis the row, and its type.
        rows: one mapping for each row, in order, with an entry for every array.
    """
    if not folder.is_dir():
        partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.tmp"
        partial.mkdir(parents=True)
        try:
            arrays = {
                name: np.lib.format.open_memmap(partial / f"{name}.npy", "w+", dtype, shape)
                for name, (shape, dtype) in shapes.items()
            }
            for i, row in enumerate(rows()):
                for name, value in row.items():
                    arrays[name][i] = value
            for array in arrays.values():
                array.flush()
            try:
                partial.rename(folder)
            except OSError:
                if not folder.is_dir():  # another process was faster
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes}
