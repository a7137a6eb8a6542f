"""``facepairs audit``: look at a sample of a store with observers that took no part in it, and write down the numbers.

Only ``STORE/audit`` is written. ``audit.json`` comes last and is the mark of a finished audit.
"""

from __future__ import annotations

import functools
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cyclopts import Parameter
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from flows.audit_numbers import read_baseline, summarise
from flows.audit_report import Findings, write_page, write_report
from flows.audit_units import Examiner, Notes, draw_units
from flows.outputs import check_folder
from flows.remake import matching_recipe
from flows.sheet import accepted_keys
from models.heads.linear import LinearHead
from storage.errors import StoreError
from storage.files import canonical_json, read_sealed, seal, sha256_bytes, write_replace
from storage.generation import latest
from storage.store import Store
from tasks.audit_look import Shape
from tasks.audit_measure import Looked, calibrate, measure
from tasks.decode import snapshot_head
from tasks.observe import Observer
from tasks.source_table import SourceTable

if TYPE_CHECKING:
    from tasks.recipe import Recipe

VERSION = 1  # of units and numbers
FOLDER, RESULT, UNITS, STATE = "audit", "audit.json", "units", "state.json"
Tell = Callable[[str, int, int], None]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print the summary as JSON.")]


def audit(
    store: Annotated[Path, Parameter(help="Folder of the store.")] = Path(),
    *,
    pairs: Annotated[int, Parameter(help="Accepted pairs to look at, by whole sub-batches.")] = 400,
    baseline: Annotated[
        Path | None, Parameter(help="Results of the chain benchmark to compare the cost of a pair with.")
    ] = None,
    report: Annotated[
        Path | None,
        Parameter(help="Folder for a small Markdown report with plots, to commit beside the docs."),
    ] = None,
    anew: Annotated[
        bool,
        Parameter(negative=(), help="Throw away an audit of another state of the store, and begin again."),
    ] = False,
    as_json: Json = False,
) -> int:
    """Measure a store with observers that took no part in making it; the same command again resumes.

    Example: facepairs audit out/demo --pairs 200 --report docs/audit
    """
    console = Console(stderr=as_json)
    with _progress(console) as tell:
        summary = run_audit(store, pairs, baseline=baseline, report=report, anew=anew, tell=tell)
    if as_json:
        sys.stdout.write(json.dumps(summary, sort_keys=True) + "\n")
        return 0
    table = Table("number", "value", "wanted", "", box=None, header_style="bold")
    for row in summary["thresholds"]:
        value = "–" if row["value"] is None else f"{row['value']:.3f}"
        met = {None: "not measured", True: "[green]met[/]", False: "[red]missed[/]"}[row["met"]]
        table.add_row(row["what"], value, f"{row['way']} {row['limit']:.3f}", met)
    console.print(f"{summary['pairs']} pairs from {summary['photos']} photographs", highlight=False)
    console.print(table)
    console.print(f"look at {store / FOLDER / 'audit.html'}", highlight=False, soft_wrap=True)
    return 0


def run_audit(
    root: Path,
    pairs: int,
    *,
    baseline: Path | None = None,
    report: Path | None = None,
    anew: bool = False,
    tell: Tell = lambda what, done, total: None,
    recipe: Recipe | None = None,
    observer: Observer | None = None,
    heads: Callable[[str], LinearHead] | None = None,
) -> dict[str, Any]:
    """Audit a store and write table, summary and report; returns the summary.

    Args:
        root: folder of the store.
        pairs: accepted pairs to look at.
        baseline: see :func:`audit`.
        report: see :func:`audit`.
        anew: see :func:`audit`.
        tell: is told what is being done, and how much of it is done.
        recipe: what made the store; default: as its configuration says.
        observer: who looks; default: the parser and the networks of the ledger.
        heads: head models by name; default: those of the store's snapshot.

    Raises:
        StoreError: no store, nothing accepted, or an audit of another state is in the way.
        SynthesizeError: the recipe is not one that can be audited, or the baseline cannot be read.
    """
    store = Store.open(root)
    if pairs < 1:
        msg = f"--pairs takes 1 or more accepted pairs to look at, got {pairs}."
        raise StoreError(msg)
    check_folder(store.root / FOLDER, "the audit in")
    if report is not None:
        check_folder(report, "--report")
    if baseline is not None:
        read_baseline(baseline)  # refused now, and not after all has been looked at
    keys = accepted_keys(store)
    if not keys:
        msg = f"{root} has no committed pair to look at; run `facepairs synthesize --out {root}` first."
        raise StoreError(msg)
    recipe = matching_recipe(store, recipe)
    observer = observer or _observer()
    heads = heads or _snapshot_heads(store)
    folder = _folder(store, observer, anew)
    examiner = Examiner(store, recipe, heads, observer, folder / UNITS)
    units, photos, rejects = draw_units(store, pairs)
    seen: dict[str, Notes] = {}
    todo = [*photos, *units, *rejects]
    for n, unit in enumerate(todo):
        tell("looking", n, len(todo))
        seen[unit.name] = examiner.do(unit)
    tell("looking", len(todo), len(todo))

    plans = {row.key: row for unit in units for row in unit.rows}
    looked = [_looked(store, plans[note["key"]], note) for unit in units for note in seen[unit.name]]
    looked.sort(key=lambda pair: pair.key)
    of_photo = {(note["head"], note["source"]): note for unit in photos for note in seen[unit.name]}
    size = int(store.schema.sizes["R"])
    known = calibrate(looked, heads, size)
    rows = measure(looked, known, of_photo, heads, size, lambda done: tell("measuring", done, len(looked)))
    metas = []
    for n, key in enumerate(keys):
        metas.append(store.read(key, ["meta"])["meta"])
        tell("reading", n + 1, len(keys))
    published = latest(store.root)
    summary = summarise(store, rows, metas, _sources(store), baseline)
    summary |= {
        "generation": published.name if published else None, "state": state_of(store), "size": size,
        "observer": observer.fingerprint, "store": store.root.name, "fingerprint": store.fingerprint,
    }  # fmt: skip
    write_replace(folder / "audit.parquet", _parquet(rows))
    refused = [note for unit in rejects for note in seen[unit.name]]
    shown = Findings(store, summary, rows, looked, known, of_photo, refused, heads)
    write_page(folder / "audit.html", shown)
    if report is not None:
        write_report(report, shown)
    write_replace(folder / RESULT, seal(_plain(summary)))
    return summary


def read_audit(root: Path) -> dict[str, Any]:
    """The summary of a finished audit.

    Raises:
        FileNotFoundError: there is none.
        CorruptStore: it was damaged.
    """
    return read_sealed(root / FOLDER / RESULT)


def state_of(store: Store) -> str:
    """Hash of what is committed: plan, and bytes of every shard."""
    commits = {f"{shard:06d}": commit.content for shard, commit in store.commits().items()}
    return sha256_bytes(canonical_json({"plan": store.plan.hash, "commits": commits}))


def _folder(store: Store, observer: Observer, anew: bool) -> Path:
    """``STORE/audit`` for this state of the store and these observers.

    Raises:
        StoreError: an audit of another state or with other observers is there.
    """
    folder = store.root / FOLDER
    if anew and folder.exists():
        shutil.rmtree(folder)
    (folder / UNITS).mkdir(parents=True, exist_ok=True)
    mine = {"state": state_of(store), "observer": observer.fingerprint, "version": VERSION}
    path = folder / STATE
    if path.exists():
        there = read_sealed(path)
        if there != mine:
            changed = [name for name in mine if there.get(name) != mine[name]]
            what = (
                "another state of the store" if "state" in changed else "other observers or another version"
            )
            msg = (
                f"{folder} holds an audit of {what} ({str(there.get(changed[0]))[:12]}, now "
                f"{str(mine[changed[0]])[:12]}); copy what you want to keep and add --anew to begin again."
            )
            raise StoreError(msg)
    else:
        write_replace(path, seal(mine))
    return folder


def _observer() -> Observer:
    from assets.registry import asset_path

    return Observer(asset_path("bisenet"), asset_path("observer"))


def _snapshot_heads(store: Store) -> Callable[[str], LinearHead]:
    @functools.cache
    def head(name: str) -> LinearHead:
        return snapshot_head(store, name)

    return head


def _looked(store: Store, row: Any, note: dict[str, Any]) -> Looked:
    shape = Shape.of_meta(store.read(row.key, ["meta"])["meta"])
    return Looked(row.key, row.source, row.head, row.texture, shape, note)


def _sources(store: Store) -> list[Any]:
    path = store.root / "snapshot" / "sources.parquet"
    store.snapshot(path.name)  # its hash
    return list(SourceTable.read(path).rows)


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, compression="zstd")
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    """JSON has no NaN: a number that could not be measured is null."""
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


@contextmanager
def _progress(console: Console) -> Iterator[Tell]:
    """A bar per step, with the time left."""
    with Progress(
        TextColumn("{task.description:<10}"), BarColumn(bar_width=28), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("eta"), TimeRemainingColumn(compact=True), console=console, speed_estimate_period=600,
    ) as live:  # fmt: skip
        bars: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = live.add_task(what, total=total, completed=done)
            live.update(bars[what], completed=done)

        yield tell
