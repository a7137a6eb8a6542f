"""``facepairs push`` and ``facepairs pull``: a store to a URL, and back from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from flows.outputs import check_folder
from flows.verbs import Json, Where, tell_json
from storage.errors import StoreError
from storage.mirror import pull as pull_store
from storage.push import Pushed
from storage.push import push as push_store
from storage.remote import is_url
from storage.store import Store

Url = Annotated[str, Parameter(help="Where it lies, such as s3://bucket/prefix.")]


def push(store: Where, url: Url, *, as_json: Json = False) -> int:
    """Upload what a store is now, finished or not; the same command again sends only what is missing.

    This makes a copy for your own machines; whether others may have it is asked by `facepairs publish`.

    Example: facepairs push out/demo s3://bucket/demo
    """
    check_url(url)
    told = push_shown(Store.open(store), url, Console(stderr=as_json))
    if as_json:
        tell_json(_facts(url, told))
    return 0


def check_url(url: str) -> None:
    """Refuse what is no URL: a folder, or store and URL in the wrong order.

    Raises:
        StoreError: it is none.
    """
    if not is_url(url):
        msg = f"'{url}' is no URL, and the place of an uploaded store is one; give a URL such as s3://bucket/prefix."
        raise StoreError(msg)


def push_shown(store: Store, url: str, out: Console) -> Pushed:
    """Upload, and tell people how far it is and what came of it."""

    def tell(done: int, total: int, size: int) -> None:
        if done == total or done % 50 == 0:
            out.print(f"{done} of {total} files", highlight=False)

    told = push_store(store, url, tell)
    generation = told.manifest.generation or "nothing published yet"
    out.print(
        f"{url}: upload {told.manifest.number}, {generation}; {told.sent} files, {told.sent_bytes / 1e6:.1f} MB sent, "
        f"{told.kept} were there",
        highlight=False,
    )
    return told


def _facts(url: str, told: Pushed) -> dict[str, object]:
    return {
        "url": url, "number": told.manifest.number, "generation": told.manifest.generation, "sent": told.sent,
        "sent_bytes": told.sent_bytes, "kept": told.kept, "bytes": told.manifest.size,
    }  # fmt: skip


def pull(
    url: Url,
    store: Annotated[Path, Parameter(help="Folder to make; an unfinished one is gone on with.")],
    *,
    number: Annotated[int | None, Parameter(help="Number of the upload; default: the latest.")] = None,
    as_json: Json = False,
) -> int:
    """Copy a store from a URL to a folder, every file checked by hash, to go on with it there.

    Example: facepairs pull s3://bucket/demo out/demo
    """
    check_url(url)
    check_folder(store, "")
    out = Console(stderr=as_json)

    def tell(done: int, total: int, size: int) -> None:
        if done == total or done % 50 == 0:
            out.print(f"{done} of {total} files", highlight=False)

    manifest = pull_store(url, store, number, tell)
    counts = Store.open(store, allow_mixed=True).counts()
    if as_json:
        tell_json({"url": url, "number": manifest.number, "bytes": manifest.size, "pending": counts.pending})
        return 0
    out.print(
        f"{store}: upload {manifest.number} of {url}, {manifest.size / 1e6:.1f} MB; {counts.committed} committed, "
        f"{counts.rejected} rejected, {counts.pending} pending",
        highlight=False,
    )
    if counts.pending:
        out.print(
            f"type 'facepairs run {store}' to go on, or the synthesize command with this machine's photographs"
        )
    return 0
