"""Arrays that are computed once and memory-mapped afterwards: a folder that is there as a whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


def kept_arrays(folder: Path, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Memory maps of the arrays of a folder, which is filled when it is absent.

    Args:
        folder: where they are kept; it may be deleted at any time.
        make: gives the arrays by name.
    """
    if not folder.is_dir():
        partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.tmp"
        partial.mkdir(parents=True)
        try:
            for name, array in make().items():
                np.save(partial / f"{name}.npy", array, allow_pickle=False)
            try:
                partial.rename(folder)
            except OSError:
                if not folder.is_dir():  # another process was faster
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return {
        path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(folder.glob("*.npy"))
    }
