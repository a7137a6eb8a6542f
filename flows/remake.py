"""Make single pairs of a store again, with every field of every stage, from their plan rows alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from pydantic import ValidationError

from flows.config import SynthesizeConfig, SynthesizeError
from storage.errors import StoreError
from storage.files import write_replace
from storage.fingerprint import differences, fingerprint
from storage.index import COMMITTED
from storage.retry import settings_of
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
        SynthesizeError: the store has none, or somebody changed it.
    """
    try:
        text = (root / CONFIG).read_text()
    except FileNotFoundError:
        msg = f"{root} has no {CONFIG}, so its pairs cannot be made again; run the synthesize command on it once more."
        raise SynthesizeError(msg) from None
    except UnicodeDecodeError:
        text = ""  # told below
    try:
        config = SynthesizeConfig.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = (
            f"{root / CONFIG} does not say what a run writes there ({where}{': ' * bool(where)}{first['msg']}); run "
            "the synthesize command on the store once more, which writes it again."
        )
        raise SynthesizeError(msg) from None
    return config.model_copy(update={"out": root.absolute()})


def remake(root: Path, key: str) -> Remade:
    """Make one pair again.

    Raises:
        StoreError: no such key, or code, weights or settings are no longer those of the store.
    """
    return next(iter(remake_all(root, [key])))


def remake_all(root: Path, keys: Collection[str], recipe: Recipe | None = None) -> Iterator[Remade]:
    """Make some pairs again, by shard; see :func:`remake`. Pairs of one sub-batch cost no more than one of them."""
    store = Store.open(root)
    for (shard, mark), wanted in sorted(by_maker(store, keys).items()):
        matching = matching_recipe(store, recipe, mark)
        rows = store.plan.shards[shard]
        head = rows[0].head
        for trace in matching.chain(head).trace(rows, wanted, partial(matching.load, head=head)):
            yield Remade(trace.outcome.row.key, trace, matching.pictures(trace))


def by_maker(store: Store, keys: Collection[str]) -> dict[tuple[int, str], list[str]]:
    """Keys by shard and by the fingerprint of what made them; what is pending will be made by the store's own."""
    found: dict[tuple[int, str], list[str]] = {}
    commits = {shard: store.committed(shard) for shard in {store.shard_of(key) for key in keys}}
    for key in sorted(keys):
        commit = commits[shard := store.shard_of(key)]
        mark = commit.made_by(key) if commit else store.description["fingerprint"]
        found.setdefault((shard, mark), []).append(key)
    return found


def matching_recipe(store: Store, recipe: Recipe | None = None, mark: str = "") -> Recipe:
    """The recipe that made a store, or some samples of it.

    Args:
        store: the store.
        recipe: what is thought to have made it; default: as its configuration says.
        mark: fingerprint of what made the samples; default: the store's own.

    Raises:
        StoreError: code, weights or settings are no longer those.
    """
    mark = mark or store.description["fingerprint"]
    recipe = recipe or load_config(store.root).make_recipe()
    if fingerprint(recipe.description) == mark:
        return recipe
    made_with = settings_of(store, mark) or {}
    limits = made_with.get("settings", {}).get("limits")
    if limits is not None:  # those that a retry was given are not in the configuration of the last run
        other: Recipe = load_config(store.root).model_copy(update={"limits": limits}).make_recipe()
        if fingerprint(other.description) == mark:
            return other
    changed = differences(made_with, recipe.description)
    msg = f"{store.root} was made by other code or settings ({changed}); its pairs cannot be made again with these."
    raise StoreError(msg)


def cannot_remake() -> tuple[type[Exception], ...]:
    """What is raised where pairs cannot be made again: settings, code, assets or annotations are not those any more."""
    from assets.registry import AssetError
    from tasks.sources import SourceError  # not before it is needed: networks come with it

    return (StoreError, SynthesizeError, AssetError, SourceError)


@dataclass(frozen=True)
class Shown:
    """What can be drawn of a pair; ``note`` says what cannot, and why."""

    pictures: dict[str, np.ndarray]  # by caption: uint8 (R, R, 3)
    stages: list[str]  # that it went through
    note: str = ""


def pictures_of(store: Store, key: str) -> Shown:
    """A pair stage by stage; where it cannot be made again, what the store has of it."""
    try:
        made = remake(store.root, key)
    except cannot_remake() as error:
        return Shown(stored_pictures(store, key), [], str(error))
    return Shown(made.pictures, list(made.trace.stages))


def stored_pictures(store: Store, key: str) -> dict[str, np.ndarray]:
    """Image and normals of a committed pair as they are stored; none of any other."""
    if store.why(key)["status"] != COMMITTED:
        return {}
    wanted = [name for name in ("image", "normal_front", "normal_back") if name in store.schema.names]
    fields = store.read(key, wanted)
    return {name: (a >> 8).astype(np.uint8) if a.dtype == np.uint16 else a for name, a in fields.items()}


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
    path.parent.mkdir(parents=True, exist_ok=True)
    write_replace(path, data.tobytes())
