"""What PRNet was first trained on: photographs as they are, labelled with the head fitted to their landmarks.

Photographs, poses and turned heads are those of a store's plan, so that a network trained on these and one trained
on the store's pairs differ in their pairs alone: here image and shape agree in the landmarks only (paper, figure 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assets.registry import head_model
from flows.remake import load_config
from models.geometry.camera import ScaledOrtho
from models.heads.linear import LinearHead
from storage.errors import StoreError
from storage.plan import PlanRow
from storage.store import Store
from tasks.contract import Batch
from tasks.sources import SourceError
from tasks.turn import Turn


@dataclass(frozen=True, eq=False)
class FittedPhoto:
    """One photograph and the head that was fitted to it."""

    image: np.ndarray  # uint8 (R, R, 3)
    semantic: np.ndarray  # uint8 (R, R)
    vertices: np.ndarray  # float32 (V, 3), cube
    head: LinearHead


def fitted_photos(store: Path, split: str, most: int) -> Iterator[FittedPhoto]:
    """The first photographs of a split as the plan turns them, each (photograph, turn) once, in the plan's order.

    Args:
        store: folder of the store; annotations come from the cache that its run used.
        split: "train", "val", "test".
        most: how many.

    Raises:
        StoreError: a photograph is not in the cache.
    """
    recipe = load_config(store).make_recipe()
    heads: dict[str, LinearHead] = {}
    done: set[tuple[str, float]] = set()
    for row in Store.open(store).plan.rows:
        if len(done) == most:
            return
        if row.split != split or (row.source, row.turn) in done:
            continue
        if row.head not in heads:
            heads[row.head] = head_model(row.head)
        try:
            arrays = recipe.load(row.source, row.head)
        except SourceError as error:
            msg = f"{error} PRNet on fitted photographs needs the annotations of {store}."
            raise StoreError(msg) from None
        found = _turned(row, arrays, heads[row.head])
        if found is not None:
            done.add((row.source, row.turn))
            yield found


def _turned(row: PlanRow, arrays: dict[str, np.ndarray], head: LinearHead) -> FittedPhoto | None:
    """One photograph, turned as planned; None where the turned face would leave the crop."""
    size = len(arrays["photo"])
    stage = Turn(head, size)
    given = {f.name: np.asarray(arrays[f.name])[None] for f in stage.needs}
    made = stage(Batch((row,), given))
    if made.rejects:
        return None
    now = {**given, **made.fields}
    pose = ScaledOrtho(float(now["scale"][0]), now["rotation"][0], now["translation"][0])
    vertices = pose.to_cube(head.vertices(now["identity"][0], now["expression"][0]))
    return FittedPhoto(now["photo"][0], now["parsing"][0], vertices.astype(np.float32), head)
