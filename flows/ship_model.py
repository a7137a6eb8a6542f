"""``facepairs assets ship-model``: the model in use, small enough to ship, where ``facepairs reconstruct`` finds it."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from assets.registry import data_dir
from storage.errors import StoreError
from storage.registry import CARD, Model, Registry

LIMIT = 10e6  # bytes of what ships


def shipped() -> Path:
    """Folder of the model that ships: a registry with one model, in use."""
    return data_dir() / "weights" / "sdf"


def ship(models: Path, levels: tuple[str, ...] = (), out: Path | None = None, report: str = "") -> Model:
    """Write the model in use as bfloat16 into a registry of its own, in place of what was there.

    Args:
        models: the registry that ``facepairs train`` filled.
        levels: of the model; empty for all.
        out: the registry to write; default: :func:`shipped`.
        report: measured figures of the shipped bytes, Markdown, for the card.

    Raises:
        StoreError: no model is in use, it lacks a level, or it is larger than 10 MB.
    """
    found = Registry(models).champion()
    if found is None:
        msg = f"{models} has no model in use; train one with `facepairs train STORE --out {models.parent}`."
        raise StoreError(msg)
    have = set(found.config["levels"])
    wanted = levels or tuple(sorted(have))
    if missing := set(wanted) - have:
        msg = f"{found.name} has no {', '.join(sorted(missing))}; it has {', '.join(sorted(have))}."
        raise StoreError(msg)
    weights = halved(load(found.weights.read_bytes()), wanted)
    if len(weights) > LIMIT:
        msg = (
            f"{', '.join(wanted)} take {len(weights) / 1e6:.1f} MB and at most {LIMIT / 1e6:.0f} ship; name fewer "
            "--levels."
        )
        raise StoreError(msg)
    config: dict[str, Any] = {
        **found.config,
        "levels": sorted(wanted),
        "dtype": "bfloat16",
        "made_from": found.name,
    }
    card, metrics = (found.folder / CARD).read_text(), found.metrics
    about = (
        f"\n## As shipped\n\n{len(weights) / 1e6:.1f} MB of bfloat16, computed in float32: "
        f"{', '.join(sorted(wanted))}. The table above was measured before rounding.\n"
    )
    folder = out or shipped()
    fresh, before = (folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.{end}") for end in ("tmp", "old"))
    try:  # whole beside what ships now, which goes last: `models` may be that very folder
        registry = Registry(fresh)
        model = registry.add(weights, config, metrics, card + about + (f"\n{report}\n" if report else ""))
        registry.promote(model)
        if folder.exists():
            folder.rename(before)
        try:
            fresh.rename(folder)
        except OSError:
            if before.exists():
                before.rename(folder)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(before, ignore_errors=True)
    return Registry(folder).model(model.name)


def halved(tensors: Mapping[str, Tensor], levels: tuple[str, ...]) -> bytes:
    """The safetensors file of some levels in bfloat16."""
    return save({
        name: tensor.to(torch.bfloat16).contiguous()
        for name, tensor in sorted(tensors.items())
        if name.split(".")[0] in levels
    })  # fmt: skip
