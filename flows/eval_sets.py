"""Which set a folder holds, and how worker processes open it again."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from storage.benchmark import MANIFEST, Benchmark
from storage.errors import StoreError
from tasks.evalset import BenchSet, EvalSet, StoreSet

Where = tuple[Any, ...]  # JSON-able arguments of :func:`open_set`


def recognise(folder: Path, splits: tuple[str, ...], most: int) -> Where:
    """What a folder holds.

    Raises:
        StoreError: nothing that can be evaluated on.
    """
    if (folder / MANIFEST).is_file():
        return ("benchmark", str(folder.absolute()))
    if (folder / "store.json").is_file():
        return ("store", str(folder.absolute()), list(splits), most)
    msg = f"{folder} is neither a benchmark nor a store; make one with `facepairs bench build {folder}`."
    raise StoreError(msg)


def open_set(kind: str, folder: str, *more: Any) -> EvalSet:
    """The set; once per process."""
    return _opened(kind, folder, *(tuple(m) if isinstance(m, list) else m for m in more))


@functools.lru_cache(maxsize=1)
def _opened(kind: str, folder: str, *more: Any) -> EvalSet:
    if kind == "benchmark":
        return BenchSet(Benchmark.open(Path(folder)))
    return StoreSet(Path(folder), *more)
