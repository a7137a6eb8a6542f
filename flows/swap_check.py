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

FIDELITY = 0.1  # of the completion recipe


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


def fewer_mouths(faces: Sequence[Face], count: int | None) -> list[Face]:
    """The faces with only ``count`` open mouths left, for a learning curve: chosen at random, the same every time."""
    open_mouths = [i for i, face in enumerate(faces) if "mouth" in face.holes]
    if count is None or count >= len(open_mouths):
        return list(faces)
    dropped = set(np.random.default_rng(0).permutation(open_mouths)[count:].tolist())
    return [face for i, face in enumerate(faces) if i not in dropped]


def mouth_rows(
    training: Sequence[Face], held: Sequence[Face], renders: Sequence[Face], steps: int
) -> list[Row]:
    """Train the mouth's network alone for some steps, with the recipe of the weights that ship, and try it."""
    torch.manual_seed(0)
    sampler = CompletionSampler(training, renders, parts=("mouth",))
    trainer = Trainer(
        CompletionNet(),
        _paint,
        sampler,
        Recipe(steps=steps, fidelity=FIDELITY),
        ("eye",),
        bf16=native_bf16("cpu"),
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
