"""Which model is in use: the one with the least CD on one fixed set of held-out pairs, by a margin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.levels import head_fitter
from flows.sdf_scores import Row, score_pairs
from models.networks.rows import whole
from storage.errors import StoreError
from storage.registry import Model, Registry

MARGIN = 0.01  # share by which a new model's CD must be below the champion's
HELD_OUT = ("val", "test")


@dataclass(frozen=True)
class Validation:
    """The fixed set: the first held-out pairs of one generation, kept when a newer one adds pairs."""

    store: Path
    generation: str
    pairs: int

    def rows(self, weights: bytes, config: Mapping[str, Any], tell: Callable[[], None]) -> list[Row]:
        """Scores of a model and of the floors.

        Raises:
            StoreError: there is no held-out pair, or the store is gone.
        """
        net = whole(weights, config, head_fitter())
        found = list(score_pairs(self.store, net, HELD_OUT, self.pairs, tell, self.generation))
        if not found:
            msg = (
                f"{self.store} has no pair of the splits val and test, so nothing can be measured; make a store from "
                "more photographs, or with other --splits."
            )
            raise StoreError(msg)
        return found


def fixed_set(models: Registry, store: Path, generation: str, pairs: int) -> Validation:
    """The registry's set; the first model decides it."""
    body = models.pinned("validation", {"store": str(store), "generation": generation, "pairs": pairs})
    return Validation(Path(body["store"]), body["generation"], int(body["pairs"]))


def promote(models: Registry, model: Model) -> str:
    """Put the model in use if its CD is better than the champion's by the margin, and say why or why not."""
    now, cd = models.champion(), model.metrics["model/cd"]
    if now is not None and now.name == model.name:
        return f"{model.name} is in use: CD {cd:.3f} mm on held-out pairs."
    if cd < 0:
        return f"{model.name} is not used: it reconstructed none of the held-out pairs."
    if now is not None:
        best = now.metrics["model/cd"]
        if not cd < (1 - MARGIN) * best:
            return (
                f"{now.name} stays in use: its CD is {best:.3f} mm, that of {model.name} {cd:.3f} mm, and a new model "
                f"must be better by {100 * MARGIN:g} %."
            )
    models.promote(model)
    return f"{model.name} is in use: CD {cd:.3f} mm on held-out pairs."
