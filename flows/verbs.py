"""Verbs that look at a store: status, plan, verify, why, mesh, preview, report, gc."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from flows.outputs import PICTURES, check_at_least, check_file
from storage import gc as garbage
from storage.errors import StoreError
from storage.generation import generations, latest
from storage.manifest import STORE
from storage.remote import is_url
from storage.store import Store
from storage.verify import verify_store

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")]
Where = Annotated[Path, Parameter(help="Folder of the store.")]
_out = Console()


def tell_json(value: Any) -> None:
    """A result as one line of JSON."""
    sys.stdout.write(json.dumps(value, sort_keys=True, default=str) + "\n")


def refuse_store(word: str) -> None:
    """Refuse a store where the key of a pair belongs: left out, or in the wrong order.

    Raises:
        StoreError: it is one.
    """
    if (Path(word) / STORE).is_file():
        msg = f"'{word}' is a store, and the key of a pair comes before it, such as 00000042 {word}."
        raise StoreError(msg)


def status(store: Where = Path(), *, as_json: Json = False) -> int:
    """Show how far a store is, what was rejected, and what each stage costs.

    Example: facepairs status out/demo
    """
    from flows.licences import store_verdict
    from flows.poses import by_yaw, pose_yields
    from flows.summary import stage_yields

    opened = Store.open(store)
    poses = pose_yields(opened)
    counts, stages, published = opened.counts(), stage_yields(opened), latest(opened.root)
    working, alarms = garbage.attempts_at_work(opened), len(list((opened.root / "alarms").glob("*.json")))
    if as_json:
        tell_json(
            {
                **asdict(counts),
                "stages": stages,
                "poses": poses,
                "generation": published.name if published else None,
                "licences": store_verdict(opened).as_dict(),
                "generations": generations(opened.root),
                "working": working,
                "alarms": alarms,
            }
        )
        return 0
    _out.print(
        f"[bold]{store}[/]: {counts.planned} planned = {counts.committed} committed + {counts.rejected} rejected + "
        f"{counts.pending} pending; {counts.shards_done} of {counts.shards} shards; "
        f"{published.name if published else 'nothing published yet'}"
        f"{f'; {len(working)} shards in work' if working else ''}"
    )
    if alarms:
        _out.print(f"[red]{alarms} alarms: attempts made different bytes[/]; type 'facepairs verify {store}'")
    _out.print(f"accepted by yaw: {by_yaw(poses)}", highlight=False)
    _out.print(f"licences: {store_verdict(opened).line}", highlight=False, markup=False)
    table = Table("stage", "rows", "rejected", "ms/row", "share", "reasons", box=None, header_style="bold")
    for row in stages:
        reasons = ", ".join(f"{name} {count}" for name, count in sorted(row["rejects"].items()))
        table.add_row(
            row["stage"], str(row["rows"]), str(row["rejected"]), f"{row['ms_per_row']:.1f}",
            f"{100 * row['share']:.1f} %", reasons,
        )  # fmt: skip
    _out.print(table)
    return 0


def plan(store: Where = Path(), *, as_json: Json = False) -> int:
    """Show what a store was planned to hold: shards, splits, heads, and how evenly sources and textures are used.

    Example: facepairs plan out/demo
    """
    opened = Store.open(store)
    rows = opened.plan.rows
    uses = {
        name: Counter(getattr(row, name) for row in rows) for name in ("split", "head", "source", "texture")
    }
    if as_json:
        tell_json({"hash": opened.plan.hash, "rows": len(rows), "shards": len(opened.plan.shards), **uses})
        return 0
    _out.print(
        f"{len(rows)} pairs in {len(opened.plan.shards)} shards, plan {opened.plan.hash[:12]}, seed {rows[0].seed}"
    )
    table = Table("what", "different", "least used", "most used", box=None, header_style="bold")
    for name, use in uses.items():
        table.add_row(name, str(len(use)), str(min(use.values())), str(max(use.values())))
    _out.print(table)
    _out.print("splits: " + ", ".join(f"{name} {count}" for name, count in sorted(uses["split"].items())))
    return 0


def verify(
    store: Annotated[str, Parameter(help="Folder of the store, or the URL that it was pushed to.")] = ".",
    *,
    deep: Annotated[bool, Parameter(negative=(), help="Read every byte of every shard.")] = False,
    as_json: Json = False,
) -> int:
    """Prove from the bytes on disk that every planned pair is committed, rejected or pending.

    Exit code 1 when something is wrong. Example: facepairs verify out/demo --deep
    """
    if is_url(store):
        from storage.mirror import verify_remote

        found = verify_remote(store, deep)
    else:
        Store.open(store)
        found = verify_store(store, deep)
    if as_json:
        problems = [str(problem) for problem in found.problems]
        counts = asdict(found.counts) if found.counts else None
        tell_json(
            {
                "ok": found.ok,
                "problems": problems,
                "shards": found.shards,
                "bytes": found.bytes,
                "counts": counts,
            }
        )
    else:
        for problem in found.problems:
            _out.print(f"[red]{problem}[/]", highlight=False)
        verdict = "[green]whole[/]" if found.ok else f"[red]{len(found.problems)} problems[/]"
        _out.print(
            f"{store}: {verdict}; {found.shards} shards, {found.bytes / 1e6:.1f} MB read{', deep' if deep else ''}"
        )
    return 0 if found.ok else 1


def why(
    key: str,
    store: Where = Path(),
    *,
    out: Annotated[Path | None, Parameter(help="Picture to write; default: why-KEY.png beside you.")] = None,
    pictures: Annotated[bool, Parameter(help="Make the pair again and draw its stages.")] = True,
    as_json: Json = False,
) -> int:
    """Say what became of a planned pair, and show it stage by stage: it is made again, alone, from its plan row.

    Example: facepairs why 00000042 out/demo
    """
    refuse_store(key)
    opened = Store.open(store)
    told = opened.why(key)
    if pictures:
        from flows.remake import pictures_of, write_strip

        target = out or Path(f"why-{key}.png")
        check_file(target, suffixes=PICTURES)
        shown = pictures_of(opened, key)
        if shown.pictures:
            write_strip(target, shown.pictures)
            told["picture"] = str(target)
        told |= {"stages": shown.stages, "note": shown.note}
    if as_json:
        tell_json(told)
        return 0
    _out.print(f"[bold]{key}[/] in shard {told['shard']}: {told['status']}", highlight=False)
    if told["reason"]:
        _out.print(f"  stage {told['stage']}: {told['reason']}: {told['detail']}", highlight=False)
    for name, value in told["quality"].items():
        _out.print(f"  {name:<14}{value:.4f}")
    for name in ("source", "head", "texture", "split", "seed", "yaw", "turn"):
        _out.print(f"  {name:<14}{told['plan'][name]}", highlight=False)
    if told.get("made_by", opened.fingerprint) != opened.fingerprint:
        _out.print(f"  retried       by settings or code {told['made_by'][:12]}", highlight=False)
    for name in ("picture", "note"):
        if told.get(name):
            _out.print(f"  {name:<14}{told[name]}", highlight=False)
    return 0


def mesh(
    key: str,
    store: Where = Path(),
    *,
    out: Annotated[Path | None, Parameter(help="OBJ file to write; default: KEY.obj beside you.")] = None,
    cube: Annotated[
        bool, Parameter(negative=(), help="In the cube of image and labels; default: head frame, mm.")
    ] = False,
) -> int:
    """Write the surface that a pair's labels were made from, relief included, decoded from the store alone.

    Example: facepairs mesh 00000042 out/demo --out face.obj
    """
    from tasks.decode import MeshReader, write_obj

    refuse_store(key)
    target = out or Path(f"{key}.obj")
    opened = Store.open(store)
    check_file(target)
    decoded = MeshReader(opened).read(key)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_obj(target, decoded, millimetres=not cube)
    _out.print(
        f"wrote {target}: {len(decoded.vertices)} vertices, {len(decoded.head.faces)} triangles",
        highlight=False,
    )
    return 0


def preview(
    store: Where = Path(),
    *,
    out: Annotated[
        Path | None, Parameter(help="Picture to write; default: contact_sheet.png in the store.")
    ] = None,
    count: Annotated[int, Parameter(help="Pairs on the sheet.")] = 64,
    seed: Annotated[int, Parameter(help="Which pairs are drawn.")] = 0,
) -> int:
    """Draw a contact sheet of random accepted pairs: image beside normals.

    Example: facepairs preview out/demo --count 100 --out sheet.png
    """
    from flows.sheet import contact_sheet

    check_at_least(1, count=count)
    check_at_least(0, seed=seed)
    opened = Store.open(store)
    target = out or opened.root / "contact_sheet.png"
    check_file(target, suffixes=PICTURES)
    contact_sheet(opened, target, count, seed)
    _out.print(f"wrote {target}", highlight=False)
    return 0


def report(
    store: Where = Path(),
    *,
    rows: Annotated[int, Parameter(help="Accepted pairs shown stage by stage.")] = 12,
) -> int:
    """Write the store's report.html again.

    Example: facepairs report out/demo --rows 24
    """
    from flows.report import write_report

    check_at_least(0, rows=rows)
    opened = Store.open(store)
    check_file(opened.root / "report.html", "the report")
    _out.print(f"wrote {write_report(opened, rows=rows)}", highlight=False)
    return 0


def gc(
    store: Where = Path(),
    *,
    yes: Annotated[bool, Parameter(negative=(), help="Remove; without it they are only listed.")] = False,
    dry_run: Annotated[bool, Parameter(negative=(), help="Only list them, as without --yes.")] = False,
    forget: Annotated[int | None, Parameter(help="A shard to make pending again, for a remake.")] = None,
    as_json: Json = False,
) -> int:
    """List or remove what dead attempts left behind: files that no commit names.

    Example: facepairs gc out/demo --yes
    """
    opened = Store.open(store)
    if dry_run and (yes or forget is not None):
        msg = f"--dry-run changes nothing, {'--yes' if yes else '--forget'} does; give one of them."
        raise StoreError(msg)
    if forget is not None:
        garbage.forget_shard(opened, forget)
        told = f"shard {forget} is pending again; type 'facepairs run {store}' to make it."
        (Console(stderr=True) if as_json else _out).print(told, highlight=False)
    orphans = garbage.collect(opened, dry_run=not yes)
    if as_json:
        tell_json([asdict(orphan) for orphan in orphans])
        return 0
    for orphan in orphans:
        _out.print(f"{orphan.path}  {orphan.bytes / 1e6:.2f} MB, {orphan.why}", highlight=False)
    what = "removed" if yes else "found; type the command with --yes to remove them"
    _out.print(f"{len(orphans)} orphans, {sum(o.bytes for o in orphans) / 1e6:.1f} MB {what}")
    return 0
