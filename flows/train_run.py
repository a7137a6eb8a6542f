"""What a training run is told; the form that a deployment shows."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flows.levels import LEVELS
from flows.outputs import check_folder
from flows.pair_cache import Source
from models.networks.sdf_nets import SIZES
from models.networks.train_loop import Recipe
from storage.errors import StoreError
from storage.files import canonical_json, sha256_bytes
from storage.manifest import STORE
from storage.registry import Registry


class TrainSettings(BaseModel):
    """Everything but the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path = Path("runs/sdf")  # checkpoints, curves, models
    preset: str = "small"
    rows: tuple[str, ...] = ("base", "fine")  # levels to train, in this order
    steps: dict[str, int] = {}  # of levels whose preset's number is not wanted
    pairs: int = 100  # held-out pairs that are measured
    devices: int = 1  # GPUs, or CPU processes where there is no GPU
    threads: int = 2  # of each CPU process
    masks: Literal["parsed", "labels"] = "parsed"  # seen by the parser, as in use, or composed with the pair
    command: str = "facepairs train STORE"

    @property
    def models(self) -> Registry:
        """Where finished models are kept."""
        return Registry(self.out / "models")

    def recipe(self, name: str) -> Recipe:
        """Numbers of a level."""
        recipe = LEVELS[name].recipe(self.preset)
        return Recipe(**{**vars(recipe), "steps": self.steps.get(name, recipe.steps)})

    def key(self) -> str:
        """What of the settings decides the weights, as one short name."""
        told = {
            "preset": self.preset,
            "masks": self.masks,
            "recipes": {name: vars(self.recipe(name)) for name in self.rows},
        }
        return sha256_bytes(canonical_json(told))[:12]

    def check(self) -> None:
        """Say what cannot be before anything starts.

        Raises:
            StoreError: an unknown row or preset, a number that makes no sense, or a folder that cannot be written.
        """
        if unknown := [name for name in (*self.rows, *self.steps) if name not in LEVELS]:
            msg = f"--rows and --steps take {', '.join(LEVELS)}, got '{unknown[0]}'."
            raise StoreError(msg)
        if self.preset not in SIZES:
            msg = f"--preset takes {' or '.join(SIZES)}, got '{self.preset}'."
            raise StoreError(msg)
        numbers = (("--pairs", self.pairs), ("--devices", self.devices), ("--threads", self.threads))
        for name, number in (*numbers, *((f"--steps {level}", n) for level, n in self.steps.items())):
            if number < 1:
                msg = f"{name} must be 1 or more, got {number}."
                raise StoreError(msg)
        if (self.out / STORE).exists():
            msg = f"--out {self.out} is a store; give a folder of its own for checkpoints and models."
            raise StoreError(msg)
        check_folder(self.out)


class TrainRun(TrainSettings):
    """One run on one published generation."""

    store: Path
    generation: str  # file name of the manifest
    home: Path  # checkpoints and curves; ``out`` itself unless a run is one of many of the same registry

    def source(self, split: str) -> Source:
        """The pairs of a split, as the networks see them."""
        return Source(self.store, self.generation, split, self.masks == "parsed")
