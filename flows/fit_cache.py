"""Heads fitted to the landmarks of every cached pair, as the residual network sees them: made once, by a real detector.

A fit of perfect landmarks would teach the network errors that it never meets; so the pair's image goes through the
same detector and fit that a photograph goes through.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from flows.pair_cache import PairCache
from models.networks.fitted_head import CHANNELS, Fit
from storage.errors import StoreError


@dataclass(frozen=True)
class FitCache:
    """Memory maps beside those of the pairs: ``maps found``, first axis the pair.

    Args:
        pairs: the pairs.
        fit: detector and head model.
    """

    pairs: PairCache
    fit: Fit

    @cached_property
    def root(self) -> Path:
        """Folder of the arrays, made when it is not there."""
        root = self.pairs.root.with_name(f"{self.pairs.source.split}-{self.pairs.side}-fits")
        if not root.is_dir():
            self._fill(root)
        return root

    def array(self, name: str) -> np.ndarray:
        """One of the arrays; zeros where nothing was found."""
        return self._arrays[name]

    @cached_property
    def found(self) -> np.ndarray:
        """Positions of the pairs whose landmarks were found.

        Raises:
            StoreError: there is none.
        """
        found = np.nonzero(self.array("found"))[0]
        if not len(found):
            msg = (
                f"the landmark model finds no face in the pairs of the split '{self.pairs.source.split}' of "
                f"{self.pairs.source.store}; train without the row 'residual'."
            )
            raise StoreError(msg)
        return found

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            path.stem: np.load(path, mmap_mode="r", allow_pickle=False)
            for path in sorted(self.root.glob("*.npy"))
        }

    def _fill(self, root: Path) -> None:
        n, side = len(self.pairs), self.pairs.side
        shapes = {"maps": ((n, side, side, CHANNELS), np.float16), "found": ((n,), np.bool_)}
        partial = root.parent / f".{root.name}.{uuid.uuid4().hex}.tmp"
        partial.mkdir(parents=True)
        try:
            arrays = {
                name: np.lib.format.open_memmap(partial / f"{name}.npy", "w+", dtype, shape)
                for name, (shape, dtype) in shapes.items()
            }
            for i in range(n):
                pair = self.pairs.reader[i]
                head = self.fit(pair["image"])
                if head is None:
                    continue
                arrays["found"][i] = True
                arrays["maps"][i] = head.maps(side)
            for array in arrays.values():
                array.flush()
            partial.rename(root)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
