"""One training loop for f_base and f_fine: mean squared error over every feature map, averaged weights, exact resume.

A step's batch depends on (seed, step) alone, and a checkpoint holds network, optimiser, averaged weights and the
step, so a run that was killed anywhere goes on to the same numbers as an unbroken one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.networks.implicit import ImplicitField

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class SdfRecipe:
    """Numbers of one level's training; they are kept in the checkpoint and in the model card."""

    steps: int
    batch: int = 8
    points: int = 4000  # of each pair and step
    rate: float = 2e-3
    warmup: int = 100
    decay: float = 1e-4  # AdamW
    average: float = 0.998  # of the weights that are kept
    clip: float = 1.0  # largest gradient norm
    seed: int = 0
    save_every: int = 200


@dataclass(frozen=True)
class SdfBatch:
    """Inputs and scaled targets of one step."""

    image: Float[Tensor, "b i R R"]
    points: Float[Tensor, "b n 3"]
    target: Float[Tensor, "b n"]


Sample = Callable[[int], SdfBatch]  # the batch of a step


class SdfTrainer:
    """Network, optimiser and averaged weights as one thing that can be saved and resumed."""

    def __init__(self, net: ImplicitField, recipe: SdfRecipe, bf16: bool) -> None:
        self.net = (
            net  # not channels-last: group normalisation's backward pass is twice as slow there on a CPU
        )
        self.recipe, self.bf16, self.step, self.loss = recipe, bf16, 0, float("nan")
        self.optimiser = torch.optim.AdamW(
            net.parameters(), recipe.rate, betas=(0.9, 0.98), weight_decay=recipe.decay
        )
        self.averaged = {k: v.detach().clone() for k, v in net.state_dict().items()}

    def run(self, sample: Sample) -> Iterator[int]:
        """Train to ``recipe.steps``; yields after every step."""
        while self.step < self.recipe.steps:
            self.advance(sample(self.step))
            yield self.step

    def advance(self, batch: SdfBatch) -> None:
        """One step."""
        recipe = self.recipe
        progress = self.step / recipe.steps
        rate = recipe.rate * min(1.0, (self.step + 1) / recipe.warmup) * 0.5 * (1 + np.cos(np.pi * progress))
        for group in self.optimiser.param_groups:
            group["lr"] = max(rate, 0.02 * recipe.rate)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            answers = self.net(batch.image, batch.points)
            losses = [nn.functional.mse_loss(a.float(), batch.target) for a in answers]
        loss = torch.stack(losses).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), recipe.clip)
        self.optimiser.step()
        self.step, self.loss = self.step + 1, float(losses[-1].detach())
        keep = min(recipe.average, (1 + self.step) / (10 + self.step))
        for name, value in self.net.state_dict().items():
            self.averaged[name].lerp_(value, 1 - keep)

    def save(self, folder: Path) -> None:
        """Write everything that a resumed run needs, whole or not at all."""
        tensors = {f"net.{k}": v for k, v in self.net.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{k}": v for k, v in state.items()}
        meta = {"run": json.dumps({"step": self.step, "recipe": asdict(self.recipe)}, sort_keys=True)}
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{CHECKPOINT}.tmp"
        save_file({k: v.contiguous() for k, v in tensors.items()}, partial, meta)
        partial.replace(folder / CHECKPOINT)

    def resume(self, folder: Path) -> bool:
        """Take up the checkpoint of a folder when there is one.

        Raises:
            ValueError: it was trained by another recipe.
        """
        path = folder / CHECKPOINT
        if not path.is_file():
            return False
        with safe_open(path, "pt") as file:
            run = json.loads(file.metadata()["run"])
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
        mine = asdict(self.recipe)
        if changed := [k for k, v in run["recipe"].items() if mine.get(k) != v]:
            name = changed[0]
            msg = (
                f"{path} was trained with {name} {run['recipe'][name]}, not {mine.get(name)}; go on with the old "
                "value, or give another --out."
            )
            raise ValueError(msg)
        parts: dict[str, dict[str, Tensor]] = {"net": {}, "averaged": {}, "optimiser": {}}
        for key, value in tensors.items():
            part, name = key.split(".", 1)
            parts[part][name] = value
        self.net.load_state_dict(parts["net"])
        self.averaged = {k: v.clone() for k, v in parts["averaged"].items()}
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimiser"].items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict(
            {"state": state, "param_groups": self.optimiser.state_dict()["param_groups"]}
        )
        self.step = int(run["step"])
        return True
