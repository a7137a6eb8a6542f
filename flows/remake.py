"""Make single pairs of a store again, with every field of every stage, from their plan rows alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from flows.config import SynthesizeConfig, SynthesizeError
from storage.errors import StoreError
from storage.files import write_replace
from storage.fingerprint import differences, fingerprint
from storage.store import Store
from tasks.chain import Made, Trace

if TYPE_CHECKING:
    from tasks.recipe import Recipe

CONFIG = "run.json"  # the configuration of the last run, beside store.json


@dataclass(frozen=True)
class Remade:
    """A pair that was made again."""

    key: str
    trace: Trace
    pictures: dict[str, np.ndarray]  # by caption: uint8 (R, R, 3)


def save_config(config: SynthesizeConfig) -> None:
    """Keep the configuration of a run in its store, whole or not at all."""
    write_replace(config.out / CONFIG, config.model_dump_json(indent=1).encode())


def load_config(root: Path) -> SynthesizeConfig:
    """The configuration of the last run of a store that may have been moved since.

    Raises:
        SynthesizeError: the store has none.
    """
    try:
        text = (root / CONFIG).read_text()
    except FileNotFoundError:
        msg = f"{root} has no {CONFIG}, so its pairs cannot be made again; run the synthesize command on it once more."
        raise SynthesizeError(msg) from None
    return SynthesizeConfig.model_validate_json(text).model_copy(update={"out": root.absolute()})


def remake(root: Path, key: str) -> Remade:
    """Make one pair again.

    Raises:
        StoreError: no such key, or code, weights or settings are no longer those of the store.
    """
    return next(iter(remake_all(root, [key])))


def remake_all(root: Path, keys: Collection[str], recipe: Recipe | None = None) -> Iterator[Remade]:
    """Make some pairs again, in key order; see :func:`remake`. Pairs of one sub-batch cost no more than one of them."""
    store = Store.open(root)
    recipe = matching_recipe(store, recipe)
    for shard in sorted({store.shard_of(key) for key in keys}):
        rows = store.plan.shards[shard]
        head = rows[0].head
        wanted = [row.key for row in rows if row.key in keys]
        for trace in recipe.chain(head).trace(rows, wanted, partial(recipe.load, head=head)):
            yield Remade(trace.outcome.row.key, trace, recipe.pictures(trace))


def matching_recipe(store: Store, recipe: Recipe | None = None) -> Recipe:
    """The recipe that made a store; default: as its configuration says.

    Raises:
        StoreError: code, weights or settings are no longer those of the store.
    """
    recipe = recipe or load_config(store.root).make_recipe()
    if fingerprint(recipe.description) != store.fingerprint:
        changed = differences(store.description["config"], recipe.description)
        msg = f"{store.root} was made by other code or settings ({changed}); its pairs cannot be made again with these."
        raise StoreError(msg)
    return recipe


def same_bytes(store: Store, remade: Remade, recipe: Recipe) -> bool:
    """Whether a pair that was made again equals the stored one in every field."""
    if not isinstance(remade.trace.outcome, Made):
        return store.why(remade.key)["status"] == "rejected"
    kept = recipe.chain(remade.trace.outcome.row.head).keep
    made = Made(remade.trace.outcome.row, {name: remade.trace.fields[name] for name in kept})
    fields = recipe.sample(made).fields
    stored = store.read(remade.key, tuple(fields))
    lossless = [spec.name for spec in store.schema.fields if spec.lossless]
    return all(np.array_equal(stored[name], fields[name]) for name in lossless)


def write_strip(path: Path, pictures: dict[str, np.ndarray], side: int = 256) -> None:
    """Pictures side by side with their captions, as PNG."""
    tiles = []
    for caption, picture in pictures.items():
        tile = np.full((side + 22, side, 3), 250, np.uint8)
        tile[22:] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        cv2.putText(tile, caption, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
        tiles.append(tile)
    done, data = cv2.imencode(path.suffix or ".png", np.concatenate(tiles, axis=1)[..., ::-1])
    if not done:
        msg = f"{path} cannot be written as a picture; give it the suffix .png or .jpg."
        raise SynthesizeError(msg)
    write_replace(path, data.tobytes())
