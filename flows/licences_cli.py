"""``facepairs licences`` and ``facepairs publish``: what may be done with a store, and marking it as public."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from flows.licences import CREDITS, FLAG, mark_public, permissions, store_ledger, store_verdict
from storage.store import Store

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")]
Where = Annotated[Path, Parameter(help="Folder of the store.")]
Despite = Annotated[
    str, Parameter(name=FLAG, help="Who permits it although the ledger does not; the store keeps the text.")
]
_out = Console()


def licences(store: Where = Path(), *, as_json: Json = False) -> int:
    """Say what may be done with a store, because of which files, and what it was made from.

    Example: facepairs licences out/demo
    """
    opened = Store.open(store)
    rows, found, done = store_ledger(opened), store_verdict(opened), permissions(opened)
    if as_json:
        sys.stdout.write(
            json.dumps({**found.as_dict(), "ledger": rows, "permissions": done}, sort_keys=True) + "\n"
        )
        return 0
    _out.print(f"{store} {found.line}", highlight=False, markup=False)
    table = Table("kind", "what", "licence", "by", "from", box=None, header_style="bold")
    for row in rows:
        what = f"{row['count']} photographs" if row["count"] > 1 else row["name"]
        table.add_row(row["kind"], what, row["licence"], row["attribution"], row["source"])
    _out.print(table, markup=False)
    for one in done:
        why = f"despite the ledger: {one['despite']}" if one["despite"] else "as the ledger allows"
        _out.print(f"{one['at']} {one['action']} {one['target']}, {why}", highlight=False, markup=False)
    return 0


def publish(
    store: Where = Path(),
    url: Annotated[str, Parameter(help="Upload it there afterwards, such as s3://bucket/prefix.")] = "",
    *,
    despite: Despite = "",
    as_json: Json = False,
) -> int:
    """Mark a store as public and write the credits that go with it, LICENCES.md; refused where its ledger forbids it.

    With a URL the store is uploaded, too, as `facepairs push` does.

    Example: facepairs publish out/demo s3://bucket/demo
    """
    if url:
        from flows.remote_cli import check_url

        check_url(url)
    opened = Store.open(store)
    found = mark_public(opened, despite)
    number = None
    if url:
        from flows.remote_cli import push_shown

        number = push_shown(opened, url, Console(stderr=as_json)).manifest.number
    if as_json:
        told = {**found.as_dict(), "page": str(opened.root / CREDITS), "url": url, "number": number}
        sys.stdout.write(json.dumps(told, sort_keys=True) + "\n")
        return 0
    _out.print(
        f"{store} is marked as public; pass {CREDITS} on with it. It {found.line}",
        highlight=False,
        markup=False,
    )
    return 0
