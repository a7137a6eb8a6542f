"""The reader as a torch ``Dataset``. The only module of the store that imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from storage.reader import EpochOrder, PairReader
from storage.store import Store


class PairDataset(PairReader, Dataset[dict[str, Any]]):
    """Pairs as dictionaries of tensors, in the dtypes, shapes and frames of the field table."""

    def __init__(
        self,
        store: Store | Path | str,
        split: str | None = None,
        fields: Sequence[str] | None = None,
        generation: str | None = None,
        check: bool = True,
    ) -> None:
        super().__init__(store, split, fields, generation, check)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Tensors of sample ``i``; ``key`` stays text and ``meta`` a dictionary."""
        item = super().__getitem__(i)
        return {
            name: torch.from_numpy(value if value.flags.writeable else value.copy())
            if isinstance(value, np.ndarray)
            else value
            for name, value in item.items()
        }

    def loader(self, order: EpochOrder, batch: int, workers: int = 0, **settings: Any) -> DataLoader[Any]:
        """A ``DataLoader`` over one epoch in the given order.

        Workers come from a fork server unless told otherwise: a fork of a process that runs threads (Prefect, a GPU
        runtime) may hang or fail when it ends.
        """
        if workers:
            settings = {"multiprocessing_context": "forkserver", **settings}
        return DataLoader(self, batch_size=batch, sampler=order, num_workers=workers, **settings)
