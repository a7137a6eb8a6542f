from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from storage.generation import publish
from storage.reader import EpochOrder
from storage.store import Store
from tests.storage.toy_store import N, R, fill, toy_create, toy_fields

torch = pytest.importorskip("torch")
from storage.dataset import PairDataset  # noqa: E402
from tests.storage import epochs  # noqa: E402


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = toy_create(tmp_path_factory.mktemp("dataset") / "store")
    fill(made)
    publish(made)
    return made


def test_items_are_tensors_of_the_field_table(store: Store) -> None:
    dataset = PairDataset(store, fields=["image", "mask", "normal_front", "sdf_value", "meta"])
    assert isinstance(dataset, torch.utils.data.Dataset)
    item = dataset[3]
    assert item["image"].shape == (R, R, 3)
    assert {k: v.dtype for k, v in item.items() if k not in ("key", "meta")} == {
        "image": torch.uint8, "mask": torch.bool, "normal_front": torch.uint16, "sdf_value": torch.float16,
    }  # fmt: skip
    np.testing.assert_array_equal(item["normal_front"].numpy(), toy_fields(item["key"])["normal_front"])
    assert item["meta"]["key"] == item["key"]
    item["sdf_value"] += 1  # the tensor is the caller's own


@pytest.mark.parametrize("workers", [0, 2])
def test_the_order_of_batches_does_not_depend_on_workers(store: Store, workers: int) -> None:
    dataset = PairDataset(store, fields=["sdf_index"])
    dataset[0]  # a descriptor is open before the workers are forked
    order = EpochOrder(len(dataset), seed=4)
    keys = []
    for batch in dataset.loader(order, 3, workers):
        assert batch["sdf_index"].shape[1:] == (N, 3)
        keys += batch["key"]
    assert keys == [dataset.keys[i] for i in order]
    assert set(Counter(keys).values()) == {1}


@pytest.fixture(scope="module")
def read(store: Store) -> dict[tuple[int, int], dict[str, list[list[str]]]]:
    """What every rank read, by world and workers."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.epochs", str(store.root)],
        cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {(cell["world"], cell["workers"]): cell for cell in json.loads(done.stdout)}


@pytest.mark.parametrize("workers", epochs.WORKERS)
@pytest.mark.parametrize("world", epochs.WORLDS)
def test_every_key_comes_once_an_epoch_also_after_an_interruption(
    store: Store, read: dict[tuple[int, int], dict[str, list[list[str]]]], world: int, workers: int
) -> None:
    dataset = PairDataset(store)
    order = [dataset.keys[i] for i in EpochOrder(len(dataset), epochs.SEED, epochs.EPOCH)]
    cell = read[world, workers]
    assert Counter(key for rank in cell["whole"] for key in rank) == Counter(dataset.keys)
    assert cell["whole"] == [order[rank::world] for rank in range(world)]
    # Interrupted after some samples of all ranks together, and gone on with any world: the rest, each once.
    rest = order[epochs.STOPPED_AT :]
    assert cell["resumed"] == [rest[rank::world] for rank in range(world)]
    assert Counter([*order[: epochs.STOPPED_AT], *(k for r in cell["resumed"] for k in r)]) == Counter(
        dataset.keys
    )


def test_the_store_is_written_and_read_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; import storage.store, storage.verify, storage.gc, storage.reader, storage.generation;"
        "sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
