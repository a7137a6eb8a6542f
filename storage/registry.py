"""Trained models: one folder each, whole or absent, and a pointer to the one that is used.

    MODELS/<name>/model.safetensors, config.json, metrics.json, card.md     never changed once there
    MODELS/champion                                                          sealed: the name of the model in use
    MODELS/validation.json                                                   sealed: the pairs that all are measured on

A folder is filled under a temporary name and renamed, so a reader never sees a half one. ``config.json`` is sealed and
holds the SHA-256 of the weights.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import CorruptStore, StoreError
from storage.files import read_sealed, seal, sha256_bytes, sha256_file, sync_folder, write_replace
from storage.untrusted import plain_name, saying

WEIGHTS, CONFIG, METRICS, CARD, CHAMPION = (
    "model.safetensors", "config.json", "metrics.json", "card.md", "champion",
)  # fmt: skip


@dataclass(frozen=True)
class Model:
    """One trained model."""

    folder: Path
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.folder.name

    @property
    def weights(self) -> Path:
        """The weights' file."""
        return self.folder / WEIGHTS

    @property
    def metrics(self) -> dict[str, float]:
        """What was measured of it."""
        with saying(f"{self.name}/{METRICS}"):
            return {
                name: float(value) for name, value in read_sealed(self.folder / METRICS)["metrics"].items()
            }


@dataclass(frozen=True)
class Registry:
    """A folder of models."""

    root: Path

    def add(
        self, weights: bytes, config: Mapping[str, Any], metrics: Mapping[str, float], card: str
    ) -> Model:
        """Keep a model under a name that follows from its content; the same model twice is kept once.

        Args:
            weights: the safetensors file.
            config: what made it: sizes, recipe, store generation, command.
            metrics: what was measured.
            card: the model card, Markdown.
        """
        body = {"config": json.loads(json.dumps(config)), "sha256": sha256_bytes(weights)}
        name = f"{config.get('kind', 'model')}-{sha256_bytes(seal(body))[:12]}"
        self.root.mkdir(parents=True, exist_ok=True)
        partial = self.root / f".{name}.{uuid.uuid4().hex}.tmp"
        partial.mkdir()
        try:
            write_replace(partial / WEIGHTS, weights)
            write_replace(partial / CONFIG, seal(body))
            write_replace(partial / METRICS, seal({"metrics": dict(metrics)}))
            write_replace(partial / CARD, card.encode())
            try:
                partial.rename(self.root / name)
            except OSError:
                if not (self.root / name / CONFIG).is_file():
                    raise
            sync_folder(self.root)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return self.model(name)

    def model(self, name: str) -> Model:
        """A model by its name, with its weights checked.

        Raises:
            StoreError: there is none of that name.
            CorruptStore: its files are not what was written.
        """
        folder = self.root / name
        if "/" in name or name.startswith(".") or not (folder / CONFIG).is_file():
            known = ", ".join(m.name for m in self.models()) or "none"
            msg = f"{self.root} has no model '{name}'; it has {known}."
            raise StoreError(msg)
        body = read_sealed(folder / CONFIG)
        with saying(f"{name}/{CONFIG}"):
            wanted, config = str(body["sha256"]), dict(body["config"])
        if not (folder / WEIGHTS).is_file() or sha256_file(folder / WEIGHTS) != wanted:
            msg = f"{folder / WEIGHTS} is not what was written; restore it from a copy, or train again."
            raise CorruptStore(msg)
        return Model(folder, config)

    def models(self) -> tuple[Model, ...]:
        """All models, by name; their weights are not read."""
        found = sorted(path.parent for path in self.root.glob(f"[!.]*/{CONFIG}"))
        with saying(f"{self.root.name}/*/{CONFIG}"):
            return tuple(Model(folder, dict(read_sealed(folder / CONFIG)["config"])) for folder in found)

    def pinned(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """What all models of this registry share: the first that is told stays.

        Args:
            name: of the file.
            body: what to pin when nothing is.
        """
        path = self.root / f"{name}.json"
        if not path.is_file():
            self.root.mkdir(parents=True, exist_ok=True)
            write_replace(path, seal(dict(body)))
        return read_sealed(path)

    def champion(self) -> Model | None:
        """The model in use, or None."""
        pointer = self.root / CHAMPION
        if not pointer.is_file():
            return None
        with saying(CHAMPION):
            name = plain_name(read_sealed(pointer)["name"], CHAMPION)
        return self.model(name)

    def promote(self, model: Model) -> None:
        """Put a model in use, in one atomic step."""
        write_replace(self.root / CHAMPION, seal({"name": self.model(model.name).name}))
