"""What worker processes do: describe a recipe, annotate photographs, prepare the store, make a shard.

Every function takes the run's configuration as JSON and ``emit``, which tells the parent what happens; results
are JSON. Only :func:`prepare` and :func:`make` write to the store, and both may be done twice with one outcome.
"""

from __future__ import annotations

import functools
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.readers.photo_set import Photo
from flows.config import SynthesizeConfig, SynthesizeError
from flows.licences import LICENCES, SOURCES, known_licence, photo_ledger
from flows.remake import save_config
from flows.report import write_report
from flows.sheet import contact_sheet
from storage.files import canonical_json
from storage.manifest import STORE
from storage.plan import SourceRef, draw_plan
from storage.store import Rejected, Sample, Store
from tasks.appearance import compatibility, describe_textures
from tasks.chain import Refused
from tasks.source_table import SourceRow, SourceTable

if TYPE_CHECKING:
    from tasks.recipe import Recipe

Emit = Callable[[dict[str, Any]], None]


@functools.lru_cache(maxsize=2)
def _opened(text: str) -> tuple[SynthesizeConfig, Recipe]:
    """Configuration and recipe, once per process: the recipe holds the networks and heads that it loaded."""
    config = SynthesizeConfig.model_validate_json(text)
    recipe = config.make_recipe()
    if (
        not recipe.description
    ):  # names every asset and limit: unknown ones are refused before the first photograph
        msg = f"the recipe {config.recipe} describes nothing, so its pairs could not be told from others'."
        raise SynthesizeError(msg)
    return config, recipe


def opened(config: dict[str, Any]) -> tuple[SynthesizeConfig, Recipe]:
    """See :func:`_opened`."""
    return _opened(json.dumps(config, sort_keys=True))


@functools.lru_cache(maxsize=2)
def _store(root: Path, mark: tuple[int, ...], config: str, allow_mixed: bool) -> Store:
    """A store, once per process: reading a plan of 100,000 rows takes longer than making a pair."""
    return Store.open(root, json.loads(config), allow_mixed=allow_mixed)


def opened_store(settings: SynthesizeConfig, recipe: Recipe) -> Store:
    """The store of a run, whose plan and field table never change once ``store.json`` is there.

    Raises:
        StoreError: there is none, or it was begun with other settings or code.
    """
    try:
        told = (settings.out / "store.json").stat()
    except FileNotFoundError:
        return Store.open(settings.out)  # says so in a sentence
    mark = (told.st_ino, told.st_size, told.st_mtime_ns)
    config = canonical_json(recipe.description).decode()
    return _store(settings.out, mark, config, settings.allow_mixed)


def annotate(config: dict[str, Any], photos: list[list[Any]], emit: Emit) -> list[dict[str, Any]]:
    """Faces of some photographs, given as :meth:`Photo.to_json` writes them: one ``SourceRow`` per face or reject."""
    settings, recipe = opened(config)
    if (settings.out / STORE).exists():
        opened_store(settings, recipe)  # of other settings or code: refused before the first photograph
    rows = []
    for told in photos:
        photo = Photo.from_json(told)
        found = [
            known_licence(row.labelled(**photo.labels)) for row in recipe.annotate(photo.file(), photo.name)
        ]
        faces = sum(not row.reason for row in found)
        if faces == 1:  # of several it is not known whom the labels mean
            found = [row if row.reason else replace(row, **dict(photo.looks)) for row in found]
        rows += [vars(row) for row in found]
        emit({"photo": photo.name, "faces": faces})
    return rows


def prepare(config: dict[str, Any], sources: list[dict[str, Any]], emit: Emit) -> dict[str, Any]:
    """Draw the plan and create the store, or open the one that is there.

    Raises:
        StoreError: no faces to plan with, or a store of another plan or fingerprint is there.
    """
    settings, recipe = opened(config)
    table = SourceTable.collect(SourceRow(**row) for row in sources)
    references = [SourceRef(row.id, row.yaw, row.identity or row.sha256) for row in table.usable]
    plan = draw_plan(
        references,
        tuple(settings.head_weights),
        recipe.texture_names,
        settings.pairs,
        settings.seed,
        settings.shard,
        settings.splits,
        settings.yaw_edges,
        weights=compatibility(table.usable, recipe.texture_looks, settings.mixing),
        head_weights=settings.head_weights,
    )
    emit({"planned": len(plan), "shards": len(plan.shards)})
    used = {row.source for row in plan.rows}
    licences = [*recipe.licences(), *photo_ledger(row for row in table.usable if row.id in used)]
    snapshot = recipe.snapshot() | {
        SOURCES: _parquet(table),
        LICENCES: json.dumps(licences, indent=1).encode(),
    }
    store = Store.create(
        settings.out, plan, recipe.description, snapshot, quality=recipe.quality, sizes=recipe.sizes,
        fields=recipe.fields, allow_mixed=settings.allow_mixed,
    )  # fmt: skip
    save_config(settings)
    chain = recipe.chain(next(iter(settings.head_weights)))
    looks = zip(recipe.texture_names, recipe.texture_looks, strict=True)
    tones = {name: numbers.get("tone", math.nan) for name, numbers in looks}
    return {
        "textures": describe_textures([row.texture for row in plan.rows], tones),
        "plan": plan.hash,
        "fingerprint": store.fingerprint,
        "stages": [stage.name for stage in chain.stages] + ["store"],
    }


def _parquet(table: SourceTable) -> bytes:
    """The bytes of the source table's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SOURCES
        table.write(path)
        return path.read_bytes()


def warm(config: dict[str, Any], shard: int, emit: Emit) -> None:
    """Make one pair of a shard and throw it away: kernels are compiled (once a machine) and networks loaded."""
    settings, recipe = opened(config)
    store = opened_store(settings, recipe)
    row = store.plan.shards[shard][0]
    for _ in recipe.chain(row.head).run([row], functools.partial(recipe.load, head=row.head)):
        pass


def make(config: dict[str, Any], shard: int, emit: Emit) -> dict[str, Any]:
    """Make and commit one shard; returns its counts, reasons and seconds per stage."""
    settings, recipe = opened(config)
    store = opened_store(settings, recipe)
    rows = store.plan.shards[shard]
    head = rows[0].head  # a shard has one
    chain = recipe.chain(head)
    seconds: dict[str, float] = {}
    stages: list[dict[str, Any]] = []
    began = time.perf_counter()

    def told(event: dict[str, Any]) -> None:
        if event["at"] == "end":
            seconds[event["stage"]] = round(event["seconds"], 4)
            stages.append({"stage": event["stage"], "rows": event["rows"], "rejects": event["rejects"]})
        emit(event)

    def outcomes() -> Iterator[Sample | Rejected]:
        writing = False
        for outcome in chain.run(rows, functools.partial(recipe.load, head=head), told):
            if not writing:
                writing = True
                emit({"stage": "store", "at": "start", "rows": len(rows)})
            if isinstance(outcome, Refused):
                reject = outcome.reject
                yield Rejected(outcome.row.key, reject.reason, outcome.stage, reject.detail)
            else:
                yield recipe.sample(outcome)
        # All but the last fsync, so that the commit, which is written after this, holds it too.
        seconds["store"] = round(time.perf_counter() - began - sum(seconds.values()), 4)

    info = {"seconds": seconds, "stages": stages}
    written = store.write_shard(shard, outcomes(), info)
    emit({"stage": "store", "at": "end", "rows": len(rows), "rejects": {}, "seconds": seconds["store"]})
    commit = written.commit
    return {
        "shard": shard, "state": written.state, "planned": commit.planned, "committed": commit.committed,
        "rejected": commit.rejected, "reasons": dict(commit.reasons), "seconds": seconds, "stages": stages,
        "sha256": commit.tar.sha256,
    }  # fmt: skip


def report(config: dict[str, Any], result: dict[str, Any], emit: Emit) -> dict[str, str]:
    """Write the store's contact sheet and report; returns their paths."""
    settings, recipe = opened(config)
    store = Store.open(settings.out)
    emit({"writing": "contact_sheet.png"})
    sheet = contact_sheet(store, store.root / "contact_sheet.png") if result["committed"] else None
    emit({"writing": "report.html"})
    page = write_report(store, result=result, recipe=recipe)
    return {"report": str(page), "sheet": str(sheet or "")}
