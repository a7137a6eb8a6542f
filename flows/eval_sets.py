"""Which set a folder holds, and how worker processes open it again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assets.readers.facescape_bench import is_facescape
from assets.readers.micc import is_scan_folder
from storage.benchmark import MANIFEST, Benchmark
from storage.errors import StoreError
from tasks.evalset import BenchSet, EvalSet, StoreSet
from tasks.evalset_read import LabSet, PictureSet, WildSet
from tasks.scan_set import ScanSet
from tasks.sources import find_photos

Where = tuple[Any, ...]  # JSON-able arguments of :func:`open_set`


def recognise(folder: Path, splits: tuple[str, ...]) -> Where:
    """What a folder holds.

    Raises:
        StoreError: nothing that can be evaluated on.
    """
    if (folder / MANIFEST).is_file():
        return ("benchmark", str(folder.absolute()))
    if (folder / "store.json").is_file():
        return ("store", str(folder.absolute()), list(splits))
    if not folder.is_dir():
        msg = f"there is no folder {folder}; make a benchmark with `facepairs bench build {folder}`."
        raise StoreError(msg)
    part = is_facescape(folder)
    kind = f"facescape-{part}" if part else "scans" if is_scan_folder(folder) else "pictures"
    if kind == "pictures" and not find_photos(folder):
        msg = f"{folder} is no benchmark, store, set of FaceScape, folder of scans or of pictures; pass one of these."
        raise StoreError(msg)
    return (kind, str(folder.absolute()))


def open_set(kind: str, folder: str, *more: Any) -> EvalSet:
    """The set; once per process."""
    return _opened(kind, folder, *(tuple(m) if isinstance(m, list) else m for m in more))


@functools.lru_cache(maxsize=1)
def _opened(kind: str, folder: str, *more: Any) -> EvalSet:
    root = Path(folder)
    if kind == "benchmark":
        return BenchSet(Benchmark.open(root))
    if kind == "store":
        return StoreSet(root, *more)
    sets: dict[str, Callable[[Path], EvalSet]] = {
        "facescape-wild": WildSet, "facescape-lab": LabSet, "scans": ScanSet, "pictures": PictureSet,
    }  # fmt: skip
    return sets[kind](root)
