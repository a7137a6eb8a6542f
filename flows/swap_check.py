"""How good completed mouths are on every photograph that shows one: each is measured by a network that never saw it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from flows.swap_data import CompletionSampler
from flows.swap_eval import Row, completion_rows
from flows.swap_faces import Face
from models.networks.completion import CompletionNet
from models.networks.train_swap_loop import Item, Recipe, Trainer
from models.networks.unet import native_bf16


def folds(faces: Sequence[Face], count: int) -> Iterator[tuple[list[Face], list[Face]]]:
    """(training, held) faces of each fold.

    Faces of one photograph stay together, and so do neighbours in the order of names, which often show one person.

    Raises:
        ValueError: fewer photographs with an open mouth than folds.
    """
    names = sorted({_photograph(f) for f in faces if "mouth" in f.holes})
    if len(names) < count:
        msg = f"{len(names)} photographs show an open mouth, {count} folds need as many; give --folds {len(names)}."
        raise ValueError(msg)
    for block in np.array_split(names, count):
        held = set(block.tolist())
        yield (
            [f for f in faces if _photograph(f) not in held],
            [f for f in faces if _photograph(f) in held and "mouth" in f.holes],
        )


def mouth_rows(
    training: Sequence[Face], held: Sequence[Face], renders: Sequence[Face], steps: int
) -> list[Row]:
    """Train the mouth's network alone for some steps, with the recipe of the weights that ship, and try it."""
    torch.manual_seed(0)
    sampler = CompletionSampler(training, renders, parts=("mouth",))
    trainer = Trainer(
        CompletionNet(), _paint, sampler, Recipe(steps=steps), ("mouth",), bf16=native_bf16("cpu")
    )
    for _ in trainer.run():
        pass
    net = CompletionNet()
    net.load_state_dict(trainer.averaged)
    return [row for row in completion_rows(net.eval(), held) if row[0].startswith("mouth")]


def _paint(net: torch.nn.Module, item: Item) -> torch.Tensor:
    painted: torch.Tensor = net(item.part, *item.inputs)
    return painted


def _photograph(face: Face) -> str:
    """Name without the number of the crop."""
    return re.sub(r"-\d+$", "", Path(face.id.split("#")[0]).name)
