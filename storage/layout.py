"""Where things are in a store's folder, and the files that are written once when it is made.

::

    store.json                     format, field table, config, fingerprint, hashes of the rest; sealed
    plan/plan.parquet              every planned pair
    snapshot/                      head models and whatever else makes the store readable by itself
    shards/<sss>/<shard>-<attempt>.tar, .idx.parquet
    commits/<shard>.json           the only mark that a shard is done; sealed
    manifests/gen-<number>.json    published generations; sealed
    LATEST                         which of them readers take; sealed
    superseded/<shard>-<attempt>.json   commits that a retry replaced; sealed
    settings/<fingerprint>.json    settings, other than the store's own, that a retry was made with; sealed
    tmp/<shard>-<attempt>/         attempts at work
    alarms/                        attempts whose bytes should have been equal
    permissions.json               publications, and exports against the licence ledger; sealed
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.crash import crashpoint
from storage.errors import CorruptStore, StoreError
from storage.files import read_sealed, seal, sha256_bytes, sync_folder, write_once, write_replace
from storage.fingerprint import fingerprint
from storage.plan import Plan
from storage.schema import Schema
from storage.tarshard import CHECKSUM
from storage.untrusted import (
    MAX_WHOLE,
    count_of,
    inner_name,
    plain_file,
    plain_name,
    refuse_links,
    saying,
)

FORMAT = 2  # 2: the plan says each pair's yaw and turn
FOLDERS = ("plan", "snapshot", "shards", "commits", "manifests", "tmp", "alarms")
# Reports that other parts may put next to the data, and what a file manager leaves.
BESIDES = ("report.html", "contact_sheet.png", "datasheet.md", "croissant.json", "logs")
LATEST = "LATEST"
PERMISSIONS = "permissions.json"
SUPERSEDED, SETTINGS = "superseded", "settings"  # made by a retry: replaced commits, settings by fingerprint


@dataclass(frozen=True)
class StoredFile:
    """A file of the store: path relative to its root, bytes, SHA-256."""

    name: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        inner_name(self.name)  # somebody else's store is untrusted
        count_of(self.bytes, self.name)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the store's folder, so that two processes do not make one store at once."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def initialise(
    root: Path,
    plan: Plan,
    config: Mapping[str, Any],
    snapshot: Mapping[str, bytes | memoryview],
    schema: Schema,
) -> None:
    """Write everything that never changes; ``store.json`` last, because it says that the rest is there.

    Raises:
        StoreError: the folder holds something that is not a store's.
    """
    refuse_foreign(root)
    for name in FOLDERS:
        (root / name).mkdir(exist_ok=True)
    data = plan.to_parquet()
    write_replace(root / "plan" / "plan.parquet", data)
    crashpoint("plan_written")
    kept = {}
    for name, content in sorted(snapshot.items()):
        if Path(name).name != name:
            raise StoreError(f"snapshot name '{name}' has a folder in it; give plain file names.")
        write_replace(root / "snapshot" / name, content)
        kept[name] = vars(StoredFile(f"snapshot/{name}", len(content), sha256_bytes(content)))
    crashpoint("snapshot_written")
    body = {
        "format": FORMAT,
        "plan": {
            "hash": plan.hash,
            "rows": len(plan),
            "shards": len(plan.shards),
            "file": vars(StoredFile("plan/plan.parquet", len(data), sha256_bytes(data))),
        },
        "config": config,
        "fingerprint": fingerprint(config),
        "schema": schema.table(),
        "checksum": CHECKSUM,
        "snapshot": kept,
    }
    write_once(root / "store.json", seal(body), crash_done="store_sealed")
    sync_folder(root)


def refuse_foreign(root: Path) -> None:
    """Refuse a folder in which no store can be made, because it holds something else.

    Raises:
        StoreError: names it. CorruptStore: a folder of a store is a link.
    """
    refuse_links(root, FOLDERS)
    own = {*FOLDERS, *BESIDES, "store.json", LATEST}
    if foreign := sorted(p.name for p in root.iterdir() if p.name not in own and not p.name.startswith(".")):
        raise StoreError(
            f"{root} holds '{foreign[0]}', which is not part of a store; choose an empty folder."
        )


def read_checked(root: Path, file: StoredFile) -> bytes:
    """The bytes of a file that must be there and unchanged.

    Raises:
        CorruptStore: it is missing, or not what was written.
    """
    try:
        plain_file(root / file.name, MAX_WHOLE)
        data = (root / file.name).read_bytes()
    except FileNotFoundError as error:
        raise CorruptStore(
            f"{file.name} is missing, {file.bytes} bytes expected; restore it from a copy, or run `facepairs "
            "verify`."
        ) from error
    got = sha256_bytes(data)
    if len(data) != file.bytes or got != file.sha256:
        raise CorruptStore(
            f"{file.name}: {file.bytes} bytes with SHA-256 {file.sha256[:12]} expected, got {len(data)} with "
            f"{got[:12]}; restore it from a copy, or run `facepairs verify`."
        )
    return data


def _no_store(root: Path) -> str:
    """Why a place holds no store, and what to type."""
    if url := re.match(r"(s3a?|gs|gcs|az|abfs|https?):/(.+)", str(root)):
        return (
            f"{url[1]}://{url[2]} is a URL, and this verb works in a folder; copy the store first: `facepairs pull "
            f"{url[1]}://{url[2]} FOLDER`."
        )
    if root.is_file():
        return f"{root} is a file; give the folder of a store, the one that holds store.json."
    return f"{root} is not a store: it has no store.json; run `facepairs synthesize --out {root}` first."


def read_description(root: Path) -> tuple[dict[str, Any], Plan]:
    """The body of ``store.json``, and the plan, both checked.

    Raises:
        StoreError: there is no store, or one of another format.
        CorruptStore: store.json or the plan was damaged.
    """
    try:
        body = read_sealed(root / "store.json")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreError(_no_store(root)) from error
    if body.get("format") != FORMAT:
        raise StoreError(
            f"{root} has store format {body.get('format')}, this version reads {FORMAT}; use the facepairs "
            "version that wrote it."
        )
    refuse_links(root, (*FOLDERS, SUPERSEDED, SETTINGS))
    with saying("store.json"):
        file, _ = StoredFile(**body["plan"]["file"]), body["plan"]["hash"]
        for name, kept in body["snapshot"].items():
            StoredFile(**kept)
            plain_name(name, "store.json")
    data = read_checked(root, file)
    with saying(file.name):
        plan = Plan.from_parquet(data)
    if plan.hash != body["plan"]["hash"]:
        raise CorruptStore(
            f"plan/plan.parquet has plan hash {plan.hash[:12]}, store.json says {body['plan']['hash'][:12]}; "
            "restore it from a copy."
        )
    return body, plan
