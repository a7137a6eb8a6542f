"""Reconstructions of a network in training beside the truth: a row for each of a few held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from flows.levels import KINDS, LEVELS, head_fitter
from flows.surface_pictures import shaded
from flows.train_run import TrainRun
from models.geometry.maps import decode_normals
from models.networks.hierarchical import to_bytes
from models.networks.rows import whole
from models.networks.train_loop import averaged_weights
from storage.reader import PairReader

SHOWN = 3  # pairs, from all over the split
LAMP = np.float32([-0.35, 0.4, 0.85]) / np.float32(np.linalg.norm([-0.35, 0.4, 0.85]))


@dataclass(frozen=True)
class Sheet:
    """Draws the same pairs again and again.

    Args:
        run: whose store and other levels.
        name: of the level in training.
    """

    run: TrainRun
    name: str

    @cached_property
    def pairs(self) -> list[dict[str, Any]]:
        """The pairs that are shown, decoded."""
        fields = ("image", "semantic", "normal_front")
        reader = PairReader(self.run.store, "val", fields, self.run.generation)
        return [reader[int(i)] for i in np.linspace(0, len(reader) - 1, min(SHOWN, len(reader)))]

    def draw(self, weights: Mapping[str, Tensor]) -> np.ndarray | None:
        """Photo, truth and reconstruction, uint8 (SHOWN R, 3 R, 3); None while the level cannot reconstruct alone.

        Args:
            weights: averaged weights of the level.
        """
        kind = KINDS[self.name]
        levels = {
            self.name: {k: v for k, v in weights.items() if not k.startswith(LEVELS[self.name].training_only)}
        }
        if kind == "sdf" and self.name != "base":
            base = averaged_weights(self.run.home / "base")
            if base is None:
                return None
            levels["base"] = base
        net = whole(to_bytes(levels), {"kind": kind, "preset": self.run.preset}, head_fitter())
        rows = []
        for pair in self.pairs:
            normals = decode_normals(pair["normal_front"])
            covered = (pair["normal_front"] > 0).any(-1)
            light = np.clip(0.15 + 0.85 * np.abs(normals @ LAMP), 0, 1)
            truth = np.where(covered, 40 + 200 * light, 24).astype(np.uint8)
            try:
                made = net.reconstruct(pair["image"], pair["semantic"])
                found, _ = shaded(made.vertices, made.faces, len(pair["image"]))
            except ValueError:  # no surface yet: an empty field
                found = np.full_like(pair["image"], 24)
            rows.append(np.concatenate([pair["image"], np.repeat(truth[..., None], 3, -1), found], axis=1))
        return np.concatenate(rows)
