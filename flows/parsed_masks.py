"""What the face parser sees in the finished pictures of a store, made once by all cores.

A pair's own mask is composed: what the mesh says in the face, what the photograph's parsing says around it. A network
in use gets what a parser sees in its picture, which differs in a tenth to a fifth of the face; one that never saw
the difference draws half as well again with it (ADR 26).
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from storage.reader import PairReader

CHUNK = 32  # pictures that a process is given at once


def one_thread() -> None:
    """A process of many keeps to one core."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def parse_some(store: Path, generation: str, split: str, indices: range) -> UInt8[np.ndarray, "m R R"]:
    """The parser's classes of some pictures, cleaned where a face is found."""
    from flows.eval_work import parsed

    reader = PairReader(store, split, ("image",), generation)
    return np.stack([parsed(reader[i]["image"]) for i in indices])


Parse = Callable[
    [Path, str, str, range], UInt8[np.ndarray, "m R R"]
]  # of (store, generation, split, indices)


@dataclass(frozen=True)
class ParsedMasks:
    """A memory map of CelebAMask classes, (n, R, R), in the order of the pairs; its folder may be deleted.

    Args:
        folder: where it is kept.
        store, generation, split: of the pairs.
        parse: what every process does.
    """

    folder: Path
    store: Path
    generation: str
    split: str
    parse: Parse = parse_some

    @functools.cached_property
    def classes(self) -> UInt8[np.ndarray, "n R R"]:
        """The masks, made when they are not there."""
        if not self.folder.is_dir():
            self._fill()
        found: UInt8[np.ndarray, "n R R"] = np.load(
            self.folder / "classes.npy", mmap_mode="r", allow_pickle=False
        )
        return found

    def _fill(self) -> None:
        partial = self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex}.tmp")
        partial.mkdir(parents=True)
        try:
            array, at = None, 0
            for part in self._parsed():
                if array is None:
                    shape = (self._count, *part.shape[1:])
                    array = np.lib.format.open_memmap(partial / "classes.npy", "w+", np.uint8, shape)
                array[at : at + len(part)] = part
                at += len(part)
            if array is not None:
                array.flush()
                partial.rename(self.folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @functools.cached_property
    def _count(self) -> int:
        return len(PairReader(self.store, self.split, ("image",), self.generation))

    def _parsed(self) -> Iterator[np.ndarray]:
        """Chunk by chunk, in order."""
        chunks = [range(at, min(at + CHUNK, self._count)) for at in range(0, self._count, CHUNK)]
        work = functools.partial(self.parse, self.store, self.generation, self.split)
        cores = min(len(os.sched_getaffinity(0)), len(chunks))
        with multiprocessing.get_context("spawn").Pool(max(1, cores), one_thread) as pool:
            yield from pool.imap(work, chunks)
