"""What may be removed: files that no commit names and no living attempt holds."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from storage.commit import LOCK, commit_path, superseded
from storage.errors import StoreError
from storage.files import read_sealed, sync_folder
from storage.generation import generations, read_generation
from storage.layout import SUPERSEDED, locked
from storage.store import Store
from storage.untrusted import saying


@dataclass(frozen=True)
class Orphan:
    """A file or folder that nothing refers to."""

    path: Path
    bytes: int
    why: str


def find_orphans(store: Store) -> list[Orphan]:
    """Orphans of dead attempts. An attempt lives while its process holds the lock in its folder, so no date is needed.

    Raises:
        CorruptStore: a commit was damaged; then nothing can be called an orphan.
    """
    # Living attempts are listed before the commits are read: one that commits in between is then in both lists.
    alive = {folder.name for folder in _attempts(store) if _is_alive(folder)}
    kept = {name for c in store.commits().values() for name in (c.tar.name, c.index.name)}
    for alarm in (store.root / "alarms").glob("*.json"):
        body = read_sealed(alarm)
        with saying(f"alarms/{alarm.name}"):
            kept |= {body[side][part]["name"] for side in ("first", "second") for part in ("tar", "index")}
    found = []
    pinned = {
        content
        for name in generations(store.root)
        for content in read_generation(store.root, name).commits.values()
    }
    for commit in superseded(store.root):
        if commit.content in pinned:
            kept |= {commit.tar.name, commit.index.name}
        else:
            path = store.root / SUPERSEDED / f"{commit.shard:06d}-{commit.attempt}.json"
            found.append(Orphan(path, path.stat().st_size, "a retry replaced it, and no generation pins it"))
    for path in sorted((store.root / "shards").glob("*/*")):
        attempt = path.name.split(".")[0]
        if path.relative_to(store.root).as_posix() not in kept and attempt not in alive:
            found.append(Orphan(path, path.stat().st_size, "no commit names it"))
    for folder in _attempts(store):
        if folder.name not in alive:
            size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            found.append(Orphan(folder, size, "its attempt is dead"))
    if not alive:  # a temporary file of a living attempt may be about to get its name
        temps = sorted(store.root.rglob(".*.tmp"))
        found += [Orphan(path, path.stat().st_size, "its writer is dead") for path in temps]
    return found


def attempts_at_work(store: Store) -> list[int]:
    """Shards that a living process is making now."""
    return sorted(int(folder.name[:6]) for folder in _attempts(store) if _is_alive(folder))


def collect(store: Store, dry_run: bool = True) -> list[Orphan]:
    """Remove the orphans, or with ``dry_run`` only list them.

    Raises:
        StoreError: the operating system refused to remove one.
    """
    with ExitStack() as held:
        # No attempt can begin and nothing can be published meanwhile; attempts at work go on.
        held.enter_context(locked(store.root))
        if (store.root / "tmp").is_dir():  # copies of a store may lack what is empty; then nothing is at work
            held.enter_context(locked(store.root / "tmp"))
        orphans = find_orphans(store)
        for orphan in () if dry_run else orphans:
            try:
                _remove(orphan.path)
            except OSError as error:
                raise StoreError(
                    f"{orphan.path}: {error.strerror or error} while removing it, and what follows it is still there; "
                    "remove the cause and run the same command again."
                ) from error
    return orphans


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):  # its attempt removed it meanwhile
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def forget_shard(store: Store, shard: int) -> None:
    """Make a shard pending again, damaged or not. Its files become orphans; made again, it gets the same bytes.

    Raises:
        StoreError: the plan has no such shard, or it is pending already.
    """
    path = commit_path(store.root, shard)
    if shard not in store.plan.shards or not path.exists():
        raise StoreError(f"shard {shard} has no commit to forget; see `facepairs status`.")
    path.unlink()
    sync_folder(path.parent)


def _attempts(store: Store) -> Iterator[Path]:
    digits = "[0-9]" * 6
    return (p for p in sorted((store.root / "tmp").glob(f"{digits}-*")) if p.is_dir() and not p.is_symlink())


def _is_alive(folder: Path) -> bool:
    try:
        fd = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
