"""Uploading a store to a URL: every file that belongs to it, each content once, the manifest last."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from storage.commit import superseded
from storage.errors import CorruptStore, StoreError
from storage.files import sha256_file
from storage.generation import latest
from storage.layout import LATEST, PERMISSIONS, SETTINGS, SUPERSEDED, StoredFile, locked
from storage.manifest import Manifest, check_follows
from storage.remote import Remote
from storage.store import Store

THREADS = 8  # files on their way at once
BESIDE = ("run.json", "LICENCES.md", "report.html", "contact_sheet.png", "datasheet.md", "croissant.json")
Tell = Callable[[int, int, int], None]  # files done, files in all, bytes of the last one


@dataclass(frozen=True)
class Pushed:
    """What an upload did."""

    manifest: Manifest
    sent: int  # files
    sent_bytes: int
    kept: int  # files that were there already


def push(store: Store, url: str, tell: Tell = lambda done, total, size: None) -> Pushed:
    """Upload what a store is now: all that is committed, and the latest generation if one is published.

    The same call again sends only what is missing, so an interrupted upload goes on. Files are hashed before they are
    sent, and a pushed shard is never sent again.

    Args:
        store: the store; it may be at work meanwhile.
        url: where to, such as ``s3://bucket/prefix``.
        tell: hears of every file that is sent.

    Raises:
        StoreError: the place refuses, holds another plan, or holds shards that this store lacks.
        CorruptStore: a file here is not what its commit says; nothing is published then.
    """
    remote = Remote(url)
    files = store_files(store)
    published = latest(store.root)
    generation = published.name if published else ""
    if numbers := remote.numbers():  # refused before gigabytes are on their way
        before = remote.manifest(numbers[-1])
        check_follows(url, before, Manifest(before.number + 1, store.plan.hash, generation, tuple(files)))
    there = remote.objects()
    todo: dict[str, StoredFile] = {}
    for file in files:
        path = remote.object_path(file)
        if there.get(path) != file.bytes:  # a torn object has another size
            todo[path] = file
    done = 0
    with ThreadPoolExecutor(THREADS) as threads:
        waiting = {threads.submit(_send, store.root, remote, file): file for file in todo.values()}
        try:
            for one in as_completed(waiting):
                one.result()
                done += 1
                tell(done, len(todo), waiting[one].bytes)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    manifest = remote.publish(files, store.plan.hash, generation)
    return Pushed(manifest, len(todo), sum(f.bytes for f in todo.values()), len(files) - len(todo))


def _send(root: Path, remote: Remote, file: StoredFile) -> None:
    path = root / file.name
    if not path.is_file() or path.stat().st_size != file.bytes or sha256_file(path) != file.sha256:
        raise CorruptStore(
            f"{file.name} is not what it was when it was committed ({file.bytes} bytes with SHA-256 "
            f"{file.sha256[:12]}), so nothing is published; run `facepairs verify {root} --deep`."
        )
    remote.send(path, file)


def store_files(store: Store) -> list[StoredFile]:
    """Every file of a store that others need, in the order of names; no attempts, no alarms, no orphans.

    Raises:
        StoreError: nothing is committed yet.
        CorruptStore: a commit was damaged.
    """
    root = store.root
    # Held so that no generation is published and no shard retried between the looks at their files.
    with locked(root):
        small = ["store.json", "plan/plan.parquet", *_there(root, (LATEST, PERMISSIONS, *BESIDE))]
        for folder, pattern in (("manifests", "gen-*.json"), (SUPERSEDED, "*.json"), (SETTINGS, "*.json")):
            small += sorted(path.relative_to(root).as_posix() for path in (root / folder).glob(pattern))
        done = store.commits()
        if not done:
            raise StoreError(f"{root} has no committed shard to upload; run the synthesis first.")
        small += [f"commits/{shard:06d}.json" for shard in done]
        files = {name: _measured(root, name) for name in small}
        for commit in (*done.values(), *superseded(root)):
            files |= {file.name: file for file in (commit.tar, commit.index)}
    files |= {entry["name"]: StoredFile(**entry) for entry in store.description["snapshot"].values()}
    return [files[name] for name in sorted(files)]


def _there(root: Path, names: Iterable[str]) -> list[str]:
    return [name for name in names if (root / name).is_file()]


def _measured(root: Path, name: str) -> StoredFile:
    path = root / name
    return StoredFile(name, path.stat().st_size, sha256_file(path))
