"""Remote stores on this machine: a cache for readers, a whole copy to go on with, and a proof of what lies there.

A mirror is the folder of a store without its tars: plan, snapshot, commits, indices, generations. Tars come when they
are first read, whole and checked by hash, into a cache that all mirrors of a URL share.
"""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from storage.cache import default_cache
from storage.errors import CorruptStore, StoreError
from storage.files import sha256_bytes, sha256_file, sync_folder
from storage.layout import FOLDERS, StoredFile
from storage.manifest import STORE, Manifest
from storage.remote import Remote
from storage.store import Store
from storage.verify import Problem, Report, verify_store

THREADS = 8  # files on their way at once
Tell = Callable[[int, int, int], None]  # files done, files in all, bytes of the last one


@dataclass(frozen=True)
class Tars:
    """Where the tars of a mirrored store come from; small enough to be sent to a data loader's processes."""

    remote: Remote
    folder: Path  # the cache of this URL's tars

    def __call__(self, file: StoredFile) -> Path:
        """The path of a tar in the cache, fetched and checked when it is not there yet.

        Raises:
            StoreError, CorruptStore: as :meth:`storage.remote.Remote.fetch`.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", file.sha256):  # it becomes a path, and comes from somebody else
            raise CorruptStore(
                f"{file.name} has the SHA-256 {file.sha256!r} in its commit; do not use this store."
            )
        path = self.folder / f"{file.sha256}.tar"
        if not _has(path, file):
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / f"{file.sha256}.lock").open("ab") as held:
                fcntl.flock(held, fcntl.LOCK_EX)  # readers of one shard fetch it once
                if not _has(path, file):
                    _check_space(self.folder, file.bytes)
                    self.remote.fetch(file, path)
        return path


def _has(path: Path, file: StoredFile) -> bool:
    return path.is_file() and path.stat().st_size == file.bytes


def open_mirror(url: str, cache: Path | None = None, number: int | None = None) -> Store:
    """A remote store for reading: small files at once, tars when they are needed.

    Args:
        url: of the store.
        cache: folder; default: ``remote`` in :func:`default_cache`.
        number: of the upload; default: the latest.

    Raises:
        StoreError: nothing is there, or the place refuses.
        CorruptStore: what is there is torn or hostile.
    """
    remote = Remote(url)
    manifest = remote.manifest(number)
    home = (cache or default_cache() / "remote") / sha256_bytes(url.encode())[:16]
    root = home / manifest.content[:32]
    if not (root / STORE).is_file():
        small = [file for file in manifest.files if not file.name.endswith(".tar")]
        _fetch_all(remote, small, root)
    return replace(Store.open(root), tars=Tars(remote, home / "tars"))


def pull(
    url: str, folder: Path, number: int | None = None, tell: Tell = lambda done, total, size: None
) -> Manifest:
    """A whole copy of a remote store, to go on with: afterwards the folder is as it was where it was pushed.

    The same call again fetches what is missing or damaged.

    Raises:
        StoreError: nothing is there, or not of that number; or the folder holds something else, or has gone on.
        CorruptStore: what is there is torn or hostile; the folder is no store then.
    """
    remote = Remote(url)
    if number is not None and number not in (there := remote.numbers()):
        has = ", ".join(map(str, there)) or "none"
        raise StoreError(
            f"{url} has no upload {number}; its uploads are {has}: give one of them with --number."
        )
    manifest = remote.manifest(number)
    _check_folder(folder, manifest, url)
    _fetch_all(remote, manifest.files, folder, tell)
    for name in FOLDERS:
        (folder / name).mkdir(exist_ok=True)
    return manifest


def _check_folder(folder: Path, manifest: Manifest, url: str) -> None:
    """Raises StoreError where a pull would overwrite what it did not bring."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.name.startswith("."):
            continue
        file = manifest.by_name.get(name)
        if file is None:
            raise StoreError(f"{folder} holds '{name}', which is not in {url}; choose a new folder.")
        own = name.startswith(("commits/", "manifests/")) or name in {STORE, "LATEST"}
        if own and sha256_file(path) != file.sha256:
            raise StoreError(f"'{name}' in {folder} is another than in {url}; choose a new folder.")


def _fetch_all(
    remote: Remote, files: Iterable[StoredFile], root: Path, tell: Tell = lambda done, total, size: None
) -> None:
    """Fetch what is missing or damaged; ``store.json`` last, because it says that the rest is there."""
    todo = [file for file in files if not _is_whole(root / file.name, file)]
    root.mkdir(parents=True, exist_ok=True)
    _check_space(root, sum(file.bytes for file in todo))
    ahead = [file for file in todo if file.name != STORE]
    done = 0
    with ThreadPoolExecutor(THREADS) as threads:

        def fetch(file: StoredFile) -> StoredFile:
            remote.fetch(file, root / file.name)
            return file

        try:
            for file in threads.map(fetch, ahead):
                done += 1
                tell(done, len(todo), file.bytes)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    for path in {(root / file.name).parent for file in ahead}:
        sync_folder(path)
    for file in todo:
        if file.name == STORE:
            remote.fetch(file, root / STORE)
            sync_folder(root)
            tell(len(todo), len(todo), file.bytes)


def _is_whole(path: Path, file: StoredFile) -> bool:
    return _has(path, file) and sha256_file(path) == file.sha256


def _check_space(root: Path, need: int) -> None:
    free = shutil.disk_usage(root).free
    if free < need:
        raise StoreError(
            f"{need / 1e6:.0f} MB needed at {root}, {free / 1e6:.0f} MB free; free some space and run the same command "
            "again."
        )


def verify_remote(url: str, deep: bool = False, cache: Path | None = None) -> Report:
    """Check a remote store.

    Always: the manifest, every small file by hash, and what :func:`storage.verify.verify_store` proves of them; that
    each object is there with its size. ``deep`` reads every object to its end and compares SHA-256; nothing is kept.

    Raises:
        StoreError: nothing is there, or the place refuses.
    """
    remote = Remote(url)
    manifest = remote.manifest()
    there = remote.objects()
    problems = list(_check_objects(remote, manifest, there, deep))
    if any(not problem.file.endswith(".tar") for problem in problems):
        return Report(tuple(problems), None, 0, 0, deep)
    try:
        store = open_mirror(url, cache, manifest.number)
    except CorruptStore as error:
        return Report((*problems, Problem(STORE, str(error))), None, 0, 0, deep)
    found = verify_store(store)
    problems += [problem for problem in found.problems if not problem.file.endswith(".tar")]
    read = manifest.size if deep else sum(f.bytes for f in manifest.files if not f.name.endswith(".tar"))
    return Report(tuple(problems), found.counts, found.shards, read, deep)


def _check_objects(
    remote: Remote, manifest: Manifest, there: dict[str, int], deep: bool
) -> Iterator[Problem]:
    def look(file: StoredFile) -> Problem | None:
        size = there.get(remote.object_path(file))
        if size != file.bytes:
            got = "no object" if size is None else f"{size} bytes"
            message = f"{file.bytes} bytes expected at {remote.object_path(file)}, {got} found; push the store again."
            return Problem(file.name, message, _shard(file))
        try:
            if deep:
                remote.check(file)
        except CorruptStore as error:
            return Problem(file.name, str(error), _shard(file))
        return None

    with ThreadPoolExecutor(THREADS if deep else 1) as threads:
        yield from (problem for problem in threads.map(look, manifest.files) if problem is not None)


def _shard(file: StoredFile) -> int | None:
    name = Path(file.name).name[:6]
    return int(name) if file.name.startswith(("shards/", "commits/")) and name.isdigit() else None
