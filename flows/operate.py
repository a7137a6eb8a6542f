"""Verbs that act on a store there is: run, retry, diff, export. Like all verbs they speak JSON and exit 0, 1 or 2."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from flows.outputs import check_at_least
from flows.verbs import Json, Where, tell_json
from storage.store import Store

Workers = Annotated[int | None, Parameter(help="Worker processes; default: as the last run had.")]


def run(
    store: Where = Path(),
    *,
    workers: Workers = None,
    runner: Annotated[
        str | None, Parameter(help="processes, dask or tcp://host:port; default: as the last run had.")
    ] = None,
    metrics: Annotated[
        int | None, Parameter(help="Port of 127.0.0.1 for Prometheus; 0 takes a free one.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Go on with a store from its own settings: what is pending is made, and published when all of it is there.

    Example: facepairs run out/demo --workers 8
    """
    from flows.cli import run_config
    from flows.remake import load_config

    Store.open(store)
    given = {"workers": workers, "runner": runner}
    changes = {"metrics": metrics} | {name: value for name, value in given.items() if value is not None}
    config = load_config(store)
    return run_config(type(config).model_validate(config.model_dump() | changes), as_json)


def retry(
    store: Where = Path(),
    *,
    reason: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Why rows were rejected; may be given several times.")
    ],
    limits: Annotated[
        dict[str, float] | None, Parameter(help="Limits of the check, by name, such as --limits.seam 3.")
    ] = None,
    allow_mixed: Annotated[
        bool,
        Parameter(
            negative=(), help="The rows will be made by other settings or code than the store: say so."
        ),
    ] = False,
    workers: Workers = None,
    as_json: Json = False,
) -> int:
    """Make the rows again that were rejected for a reason, and publish a new generation; all others stay as they are.

    Example: facepairs retry out/demo --reason seam --limits.seam 3 --allow-mixed
    """
    from flows.retry import run_retry

    out = Console(stderr=as_json)
    told = run_retry(
        store, list(reason), workers=workers, limits=limits, allow_mixed=allow_mixed,
        tell=lambda done, total, text: out.print(f"{done} of {total} shards; {text}", highlight=False),
    )  # fmt: skip
    if as_json:
        tell_json(told)
        return 0
    became = ", ".join(f"{count} {name}" for name, count in told["became"].items())
    out.print(f"{told['rows']} rows made again: {became}; {told['generation']}", highlight=False)
    totals = told["totals"]
    out.print(
        f"{totals['planned']} planned = {totals['committed']} committed + {totals['rejected']} rejected + "
        f"{totals['pending']} pending"
    )
    return 0


def diff(
    before: Annotated[str, Parameter(help="A generation: 3, gen-000003 or latest.")],
    after: Annotated[str, Parameter(help="Another one.")],
    store: Where = Path(),
    *,
    rows: Annotated[int, Parameter(help="Rows that are listed; --json has them all.")] = 20,
    as_json: Json = False,
) -> int:
    """Say what changed between two generations: rows, bytes, rejects, settings, code.

    Example: facepairs diff 1 latest out/demo
    """
    from storage.diff import compare, find_generation

    check_at_least(0, rows=rows)
    opened = Store.open(store)
    found = compare(opened, find_generation(opened, before), find_generation(opened, after))
    if as_json:
        tell_json(asdict(found))
        return 0
    out = Console()
    if found.same:
        out.print(f"{found.before} and {found.after} hold the same bytes.", highlight=False)
        return 0
    more = found.bytes[1] - found.bytes[0]
    out.print(
        f"{found.before} -> {found.after}: {len(found.rows)} rows in {len(found.shards)} shards, {more / 1e6:+.1f} MB",
        highlight=False,
    )
    table = Table("what", "before", "after", "", box=None, header_style="bold")
    changed = [(name, *pair) for name, pair in found.totals.items() if pair[0] != pair[1]]
    changed += [(f"rejected: {name}", *pair) for name, pair in found.reasons.items() if pair[0] != pair[1]]
    for name, old, new in changed:
        table.add_row(name, str(old), str(new), f"{new - old:+d}")
    out.print(table)
    for mark, told in found.settings.items():
        out.print(f"settings or code {mark[:12]}: {told}", highlight=False)
    for row in found.rows[:rows]:
        fields = f" ({', '.join(row.fields)} differ)" if row.fields else ""
        out.print(f"  {row.key}  {row.before} -> {row.after}{fields}", highlight=False)
    if len(found.rows) > rows:
        out.print(f"  and {len(found.rows) - rows} more: --rows {len(found.rows)} lists them, --json too")
    return 0


def export(
    form: Annotated[Literal["webdataset", "hf"], Parameter(help="Tars for WebDataset, or Parquet.")],
    store: Where = Path(),
    *,
    out: Annotated[Path, Parameter(help="Folder to write; an unfinished one is gone on with.")],
    fields: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Fields of a pair to take along; default: all.")
    ] = (),
    generation: Annotated[str, Parameter(help="Which generation: a number, a name or latest.")] = "latest",
    rows: Annotated[int, Parameter(help="Pairs of one file.")] = 500,
    despite_licences: Annotated[
        str, Parameter(help="Who permits it, where the licence ledger does not; is kept in the store.")
    ] = "",
    as_json: Json = False,
) -> int:
    """Copy a generation for other tools, pair by pair and checked; with the licences of everything it was made from.

    Example: facepairs export hf out/demo --out out/demo-hf
    """
    from flows.export import export_store

    console = Console(stderr=as_json)
    told = export_store(
        store, out, form, fields=fields, generation=generation, rows=rows, despite=despite_licences,
        tell=lambda done, total, name: console.print(f"{done} of {total}: {name}", highlight=False),
    )  # fmt: skip
    if as_json:
        tell_json(told)
        return 0
    splits = ", ".join(f"{name} {count}" for name, count in told["splits"].items())
    console.print(
        f"{told['out']}: {told['pairs']} pairs ({splits}) in {told['files']} files, {told['bytes'] / 1e6:.1f} MB; "
        f"read back and compared",
        highlight=False,
    )
    return 0
