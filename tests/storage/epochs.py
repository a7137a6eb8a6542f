"""What ranks and loader workers read of a store, as a process of its own: it forks, and so it runs no threads.

``python -m tests.storage.epochs STORE`` prints, for each world and number of workers, the keys of an epoch by rank:
whole, and in two parts with an interruption between.
"""

from __future__ import annotations

import json
import sys

import torch

from storage.dataset import PairDataset
from storage.reader import EpochOrder

WORLDS, WORKERS = (1, 2, 3, 8), (0, 1, 4)
SEED, EPOCH, STOPPED_AT = 5, 2, 4


def keys(dataset: PairDataset, order: EpochOrder, workers: int) -> list[str]:
    """In the order in which a rank gets them."""
    context = {"multiprocessing_context": "fork"} if workers else {}
    return [key for batch in dataset.loader(order, 2, workers, **context) for key in batch["key"]]


def main(path: str) -> None:
    torch.set_num_threads(1)
    dataset = PairDataset(path, fields=["sdf_value"])
    told = []
    for world in WORLDS:
        for workers in WORKERS:
            cell = {"world": world, "workers": workers}
            for name, start in (("whole", 0), ("resumed", STOPPED_AT)):
                orders = [EpochOrder(len(dataset), SEED, EPOCH, rank, world, start) for rank in range(world)]
                cell[name] = [keys(dataset, order, workers) for order in orders]
            told.append(cell)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
