"""One training loop for every network of the ladder: any module, any loss, any batches; averaged weights, exact resume.

A step's batch depends on (seed, step) alone, and a checkpoint holds network, optimiser, averaged weights and the
step, so a run that was killed anywhere goes on to the same numbers as an unbroken one. Processes on several devices
come from Lightning Fabric: each takes its share of the same global batch, so their number changes rounding only.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.networks.kept import fitting
from models.networks.prefetch import ahead

if TYPE_CHECKING:
    from lightning_fabric import Fabric

CHECKPOINT = "checkpoint.safetensors"
SLOWEST = 0.02  # of the largest rate: where the cosine ends

Batch = Any  # a dataclass of tensors whose first axis is the pair
Loss = Callable[[nn.Module, Batch], Mapping[str, Tensor]]  # scalars; "loss" is minimised, all are recorded
Sample = Callable[
    [range], Batch
]  # the batch of some positions, which count the pairs of all epochs from 0 on


@dataclass(frozen=True)
class Recipe:
    """Numbers of one network's training; they are kept in the checkpoint and in the model card."""

    steps: int
    batch: int = 8  # pairs of a step, over all devices
    rate: float = 2e-3
    warmup: int = 100  # steps of linear growth of the rate; then half a cosine
    momentum: float = 0.9  # first beta of AdamW
    square: float = 0.98  # and the second
    decay: float = 0.1  # AdamW
    average: float = 0.998  # of the weights that are kept
    clip: float = 1.0  # largest gradient norm
    seed: int = 0
    save_every: int = 500


def one_process(bf16: bool) -> Fabric:
    """A fabric of this process's CPU alone."""
    from lightning_fabric import Fabric

    return Fabric(accelerator="cpu", devices=1, precision="bf16-mixed" if bf16 else "32-true")


class Trainer:
    """Network, optimiser and averaged weights as one thing that can be saved and resumed.

    Args:
        net: the network. Every use of its parameters by ``loss`` must lie in one call of ``net(...)``.
        loss: scalars of a batch.
        recipe: numbers.
        fabric: devices and precision.

    Raises:
        ValueError: the batch cannot be shared out evenly.
    """

    def __init__(self, net: nn.Module, loss: Loss, recipe: Recipe, fabric: Fabric) -> None:
        if recipe.batch % fabric.world_size:
            msg = (
                f"a batch of {recipe.batch} pairs cannot be shared out to {fabric.world_size} processes; choose "
                "a number of devices that divides it."
            )
            raise ValueError(msg)
        # With channels last a CPU's convolutions, pooling and upsampling are twice to five times as fast (ADR 016).
        self.net = net.to(memory_format=torch.channels_last)
        self.objective, self.recipe, self.fabric = loss, recipe, fabric
        self.step, self.losses = 0, dict[str, float]()
        self.optimiser = torch.optim.AdamW(
            net.parameters(), recipe.rate, betas=(recipe.momentum, recipe.square), weight_decay=recipe.decay,
            foreach=True,
        )  # fmt: skip
        self._wrapped, self._driver = fabric.setup(net, self.optimiser)
        self.averaged = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @property
    def loss(self) -> float:
        """What the last step minimised."""
        return self.losses.get("loss", float("nan"))

    def run(self, sample: Sample) -> Iterator[int]:
        """Train to ``recipe.steps``; yields after every step."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        wanted = (share_of(at, self.recipe.batch, rank, world) for at in range(self.step, self.recipe.steps))
        for batch in ahead(sample, wanted):
            self.advance(_moved(batch, self.fabric.device))
            yield self.step

    def rate(self) -> float:
        """Learning rate of the next step."""
        recipe = self.recipe
        cosine = 0.5 * (1 + np.cos(np.pi * self.step / recipe.steps))
        return float(recipe.rate * max(SLOWEST, min(1.0, (self.step + 1) / max(1, recipe.warmup)) * cosine))

    def advance(self, batch: Batch) -> None:
        """One step."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        found = self.objective(self._wrapped, batch)
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(found["loss"])
        self.fabric.clip_gradients(
            self._wrapped, self._driver, max_norm=self.recipe.clip, error_if_nonfinite=False
        )
        self._driver.step()
        self.step += 1
        scalars = torch.stack([value.detach().float() for value in found.values()])
        if self.fabric.world_size > 1:
            scalars = self.fabric.all_reduce(scalars, reduce_op="mean")
        self.losses = dict(zip(found, scalars.tolist(), strict=True))
        self._average()

    def _average(self) -> None:
        keep = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        now = self.net.state_dict()
        smooth = [k for k, v in now.items() if v.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([self.averaged[k] for k in smooth], [now[k] for k in smooth], 1 - keep)
        for name in now.keys() - set(smooth):
            self.averaged[name].copy_(now[name])

    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean scalars of the averaged weights over some batches; nothing of the training changes."""
        net = copy.deepcopy(self.net)
        net.load_state_dict(self.averaged)
        net.eval()
        sums: dict[str, float] = {}
        count = 0
        with torch.no_grad(), self.fabric.autocast():
            for batch in batches:
                count += 1
                for name, value in self.objective(net, _moved(batch, self.fabric.device)).items():
                    sums[name] = sums.get(name, 0.0) + float(value)
        return {name: value / count for name, value in sums.items()}

    def save(self, folder: Path) -> None:
        """Write everything that a resumed run needs, whole or not at all; the first process does it."""
        if self.fabric.is_global_zero:
            tensors = {f"net.{k}": v for k, v in self.net.state_dict().items()}
            tensors |= {f"averaged.{k}": v for k, v in self.averaged.items()}
            for i, state in self.optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{i}.{k}": v for k, v in state.items()}
            meta = {"run": json.dumps({"step": self.step, "recipe": asdict(self.recipe)}, sort_keys=True)}
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f".{CHECKPOINT}.tmp"
            save_file({k: v.cpu().contiguous() for k, v in tensors.items()}, partial, meta)
            partial.replace(folder / CHECKPOINT)
        self.fabric.barrier()

    def resume(self, folder: Path) -> bool:
        """Take up the checkpoint of a folder when there is one.

        The number of steps may differ: the rest of the run then follows the schedule of the new number.

        Raises:
            ValueError: it was trained by another recipe, or is of another network.
        """
        path = folder / CHECKPOINT
        if not path.is_file():
            return False
        with fitting(f"the checkpoint {path} and this training", "give another --out"):
            return self._taken_up(path)

    def _taken_up(self, path: Path) -> bool:
        with safe_open(path, "pt") as file:
            run = json.loads(file.metadata()["run"])
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
        mine = asdict(self.recipe)
        if changed := [k for k, v in run["recipe"].items() if k != "steps" and mine.get(k) != v]:
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
        try:
            self.net.load_state_dict(parts["net"])
        except RuntimeError:
            msg = f"{path} holds a network of another size; go on with its --preset, or give another --out."
            raise ValueError(msg) from None
        for name, value in self.averaged.items():
            value.copy_(parts["averaged"][name])
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimiser"].items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict(
            {"state": state, "param_groups": self.optimiser.state_dict()["param_groups"]}
        )
        self.step = int(run["step"])
        return True


def averaged_weights(folder: Path) -> dict[str, Tensor] | None:
    """The averaged weights of a folder's checkpoint, or None where there is none."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    prefix = "averaged."
    with safe_open(path, "pt") as file:
        return {
            k.removeprefix(prefix): file.get_tensor(k)
            for k in file.keys()  # noqa: SIM118 - not a dict
            if k.startswith(prefix)
        }


def share_of(step: int, batch: int, rank: int, world: int) -> range:
    """Positions, counted over all epochs, that a process takes of a step's batch."""
    each = batch // world
    first = step * batch + rank * each
    return range(first, first + each)


def _moved(batch: Batch, device: torch.device) -> Batch:
    """The same dataclass with its tensors on another device."""
    found = {f.name: getattr(batch, f.name) for f in fields(batch)}
    return replace(batch, **{k: v.to(device) for k, v in found.items() if isinstance(v, Tensor)})
