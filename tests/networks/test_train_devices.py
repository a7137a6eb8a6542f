"""Two processes take the steps of one: the same losses within rounding, whatever is done by whom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from models.networks.train_loop import Trainer, share_of
from tests.networks.test_train_loop import RECIPE, batch, field_loss, network


def trained(fabric: Fabric, folder: Path) -> None:
    """Train, in every process; the first one tells the losses."""
    torch.set_num_threads(1)
    worker = Trainer(network(), field_loss, RECIPE, fabric)
    losses = [worker.loss for _ in worker.run(pairwise)]
    worker.save(folder)
    if fabric.is_global_zero:
        (folder / "losses.json").write_text(json.dumps(losses))


def pairwise(positions: range):  # type: ignore[no-untyped-def]
    """A batch whose pairs depend on their own positions, as real batches do."""
    parts = [batch(range(at, at + 1)) for at in positions]
    return type(parts[0])(
        *(torch.cat([getattr(p, n)[:1] for p in parts]) for n in ("image", "points", "target"))
    )


def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    found = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        folder.mkdir()
        fabric = Fabric(accelerator="cpu", devices=devices, strategy="ddp_spawn" if devices > 1 else "auto")
        fabric.launch(trained, folder)
        found.append(json.loads((folder / "losses.json").read_text()))
    assert np.allclose(found[0], found[1], rtol=2e-3)
    assert found[0][-1] < found[0][0]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_shares_make_up_the_batch_in_order(world: int) -> None:
    shares = [share_of(3, 8, rank, world) for rank in range(world)]
    assert [at for share in shares for at in share] == list(range(24, 32))


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    class Three:
        world_size = 3

    with pytest.raises(ValueError, match="batch of 2 pairs cannot be shared out to 3"):
        Trainer(network(), field_loss, RECIPE, Three())  # type: ignore[arg-type]
