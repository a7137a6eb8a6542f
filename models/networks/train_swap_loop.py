"""The training loop of the two swap networks: masked losses, a late patch discriminator, averaged weights, resume.

A step's batch depends on (seed, step) alone, so a run that is killed and resumed sees what an unbroken run would see.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Item:
    """A batch of one part: network inputs, wanted RGB (b, 3, h, w), and the mask (b, 1, h, w) of what is painted."""

    part: str
    inputs: tuple[Tensor, ...]
    target: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Recipe:
    """Numbers of a training run; they are kept in the checkpoint and in the model card."""

    steps: int = 4000
    rate: float = 1e-3
    warmup: int = 100
    seed: int = 0
    average: float = 0.998  # decay of the averaged weights that ship
    gradient: float = 1.0  # weight of the image-gradient loss
    fidelity: float = 0.0  # weight of each picture's logarithmic error, which PSNR counts
    adversary: float = 0.02  # weight of the discriminator's verdict
    features: float = 0.5  # weight of discriminator feature matching
    adversary_from: float = 0.4  # share of the steps after which the discriminator joins
    save_every: int = 200


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches of (RGB, mask); also returns its features for matching."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = ((4, width), (width, 2 * width), (2 * width, 4 * width))
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in sizes
        )
        self.verdict = nn.Conv2d(4 * width, 1, 3, padding=1)

    def forward(
        self, image: Float[Tensor, "b 3 h w"], mask: Float[Tensor, "b 1 h w"]
    ) -> tuple[Tensor, list[Tensor]]:
        """Patch logits (b, 1, h/8, w/8) and the feature maps before them."""
        x = torch.cat([image - 0.5, mask], dim=1)
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.verdict(x), features


def masked_mean(x: Float[Tensor, "b c h w"], mask: Float[Tensor, "b 1 h w"]) -> Float[Tensor, ""]:
    """Mean of a map over the pixels of a mask."""
    return (x * mask).sum() / (mask.sum() * x.shape[1]).clamp_min(1.0)


def reconstruction_loss(item: Item, painted: Tensor, gradient: float, fidelity: float = 0.0) -> Tensor:
    """Masked L1 of colours at two scales and of image gradients; zero for a perfect answer.

    ``fidelity`` weighs the logarithm of each picture's mean squared error, so that a picture that is easy counts as
    much as one that is hard; it is zero at an error of a tenth of the range.
    """
    difference = painted - item.target
    loss = masked_mean(difference.abs(), item.mask)
    coarse = F.avg_pool2d(difference * item.mask, 4)
    loss = loss + masked_mean(coarse.abs(), F.avg_pool2d(item.mask, 4))
    across = (difference[..., 1:] - difference[..., :-1]).abs()
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs()
    edges = masked_mean(across, item.mask[..., 1:]) + masked_mean(down, item.mask[..., 1:, :])
    loss = loss + gradient * edges
    if fidelity:
        squared = (difference**2 * item.mask).sum((1, 2, 3)) / (3 * item.mask.sum((1, 2, 3))).clamp_min(1.0)
        loss = loss + fidelity * torch.log(100 * (squared + 1e-4)).mean()
    return loss


Paint = Callable[[nn.Module, Item], Tensor]
Sampler = Callable[[np.random.Generator], list[Item]]


@dataclass
class Trainer:
    """Network, adversary, optimisers and averaged weights, as one thing that can be saved and resumed.

    ``judged`` names the parts that an adversary looks at.
    """

    net: nn.Module
    paint: Paint
    sample: Sampler
    recipe: Recipe
    judged: tuple[str, ...]
    step: int = 0
    bf16: bool = False
    losses: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.net.to(memory_format=torch.channels_last)
        self.adversaries = nn.ModuleDict({p: PatchDiscriminator() for p in self.judged})
        self.optimiser = torch.optim.AdamW(self.net.parameters(), self.recipe.rate, betas=(0.9, 0.99))
        self.adversary_optimiser = torch.optim.AdamW(
            self.adversaries.parameters(), 0.3 * self.recipe.rate, betas=(0.5, 0.99)
        )
        self.averaged = {k: v.detach().clone() for k, v in self.net.state_dict().items()}

    def run(self) -> Iterator[int]:
        """Train to ``recipe.steps``; yields after every step."""
        while self.step < self.recipe.steps:
            self.advance()
            yield self.step

    def advance(self) -> None:
        """One step over one batch of every part."""
        recipe = self.recipe
        rng = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(self.step,)))
        progress = self.step / recipe.steps
        rate = recipe.rate * min(1.0, (self.step + 1) / recipe.warmup) * 0.5 * (1 + np.cos(np.pi * progress))
        for optimiser, share in ((self.optimiser, 1.0), (self.adversary_optimiser, 0.3)):
            for group in optimiser.param_groups:
                group["lr"] = max(rate, 0.02 * recipe.rate) * share
        judged = progress >= recipe.adversary_from and recipe.adversary > 0
        items = self.sample(rng)
        total = torch.zeros(())
        verdicts = torch.zeros(())
        self.losses = {}
        for item in items:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                painted = self.paint(self.net, item).float()
                loss = reconstruction_loss(item, painted, recipe.gradient, recipe.fidelity)
                self.losses[f"{item.part}/reconstruction"] = float(loss.detach())
                if judged and item.part in self.adversaries:
                    adversary = self.adversaries[item.part]
                    fake, fake_features = adversary(painted, item.mask)
                    real, real_features = adversary(item.target, item.mask)
                    where = F.max_pool2d(item.mask, 8, ceil_mode=False)[..., : fake.shape[2], : fake.shape[3]]
                    matching = sum(
                        (a - b.detach()).abs().mean()
                        for a, b in zip(fake_features, real_features, strict=True)
                    )
                    loss = loss - recipe.adversary * masked_mean(fake, where) + recipe.features * matching
                    fake_now, _ = adversary(painted.detach(), item.mask)
                    verdict = masked_mean(F.relu(1 - real), where) + masked_mean(F.relu(1 + fake_now), where)
                    self.losses[f"{item.part}/verdict"] = float(verdict.detach())
                    verdicts = verdicts + verdict
            total = total + loss
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        if verdicts.requires_grad:
            # Only the discriminator's own loss may move it.
            self.adversary_optimiser.zero_grad(set_to_none=True)
            verdicts.backward()
            self.adversary_optimiser.step()
        self.step += 1
        decay = min(recipe.average, (1 + self.step) / (10 + self.step))
        for name, value in self.net.state_dict().items():
            self.averaged[name].lerp_(value, 1 - decay)

    def save(self, folder: Path) -> None:
        """Write everything that a resumed run needs, atomically."""
        tensors: dict[str, Tensor] = {}
        for prefix, state in self._states().items():
            tensors |= {f"{prefix}.{k}": v.contiguous() for k, v in state.items()}
        meta = {"run": json.dumps({"step": self.step, "recipe": asdict(self.recipe)})}
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{CHECKPOINT}.tmp"
        save_file(tensors, partial, meta)
        partial.replace(folder / CHECKPOINT)

    def resume(self, folder: Path) -> bool:
        """Take up the checkpoint of a folder when there is one."""
        path = folder / CHECKPOINT
        if not path.is_file():
            return False
        with safe_open(path, "pt") as file:
            meta = file.metadata()
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
        groups: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            prefix, name = key.split(".", 1)
            groups.setdefault(prefix, {})[name] = value
        self.net.load_state_dict(groups["net"])
        self.adversaries.load_state_dict(groups["adversary"])
        self.averaged = {k: v.clone() for k, v in groups["averaged"].items()}
        _restore(self.optimiser, groups.get("optimiser", {}))
        _restore(self.adversary_optimiser, groups.get("adversary_optimiser", {}))
        self.step = int(json.loads(meta["run"])["step"])
        return True

    def _states(self) -> Mapping[str, Mapping[str, Tensor]]:
        return {
            "net": self.net.state_dict(),
            "averaged": self.averaged,
            "adversary": self.adversaries.state_dict(),
            "optimiser": _flat(self.optimiser),
            "adversary_optimiser": _flat(self.adversary_optimiser),
        }


def _flat(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Optimiser state as named tensors."""
    return {f"{i}.{k}": v for i, s in optimiser.state_dict()["state"].items() for k, v in s.items()}


def _restore(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


@dataclass
class Curve:
    """Losses and metrics of a run as CSV rows (step, seconds, name, value), and in TensorBoard."""

    folder: Path
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder.mkdir(parents=True, exist_ok=True)
        self._board = SummaryWriter(str(self.folder / "tensorboard"))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append values of one step."""
        path = self.folder / "curves.csv"
        fresh = not path.is_file()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(("step", "seconds", "name", "value"))
            seconds = round(time.monotonic() - self.started, 1)
            for name, value in values.items():
                writer.writerow((step, seconds, name, f"{value:.6g}"))
                self._board.add_scalar(name, value, step)
        self._board.flush()


def ship(averaged: Mapping[str, Tensor], path: Path, meta: Mapping[str, str]) -> None:
    """Write averaged weights as bfloat16 safetensors, atomically.

    The metadata goes into one entry, because safetensors writes several in an order that differs from run to run.
    """
    tensors = {k: v.to(torch.bfloat16).contiguous() for k, v in averaged.items()}
    partial = path.with_name(f".{path.name}.tmp")
    save_file(tensors, partial, {"run": json.dumps(dict(meta), sort_keys=True)})
    partial.replace(path)
