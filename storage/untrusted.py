"""A store that somebody else made: what its files say is checked before anything is allocated, opened or written by it.

Seals and hashes find damage, not malice: whoever writes a store writes its seals too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from storage.errors import CorruptStore, StoreError

# Bytes of one sealed file. A commit takes 2 kB, a generation of 10 million pairs in 40,000 shards 4 MB.
MAX_SEALED = 512_000_000
# Bytes of a plan, an index or a file of the snapshot, which are read as a whole; a bilinear head's core takes 0.8 GB.
MAX_WHOLE = 2_000_000_000
MAX_FIELD = 512_000_000  # bytes of one stored field: an 8192² picture of three 16-bit channels takes 400 MB
MAX_TAR = 1 << 43  # bytes of a shard: what ext4 can hold of one file, and a seek may ask for
MAX_PIXELS = 8192 * 8192  # of one stored picture; the largest sizes in use are 1024²
# Rows of our plans and indices take 2 bytes and more each, however well they are packed (measured at 100,000 rows).
LEAST_ROW = 1
MAX_UNPACKED = 200  # bytes that a byte of our Parquet may unpack to; about 10 where it was measured
_SMALL = 64_000_000  # bytes that may be unpacked in any case
_WORDS = 120


@contextmanager
def saying(where: str) -> Iterator[None]:
    """Around the use of what a file says: whatever does not fit becomes :class:`CorruptStore` that names the file."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        words = "".join(c if c.isprintable() else " " for c in str(error))
        told = f"{type(error).__name__}: {' '.join(words.split())[:_WORDS]}".rstrip(": ")
        raise CorruptStore(
            f"{where}: it does not say what facepairs writes there ({told}); restore it from a copy, or do not use "
            "this store."
        ) from (None if isinstance(error, StopIteration) else error)  # contextlib would take it for the end


def plain_file(path: Path, most: int) -> None:
    """Refuse what would be waited for or has no end (pipes, devices), and what is larger than any of ours.

    Raises:
        CorruptStore: it is such a thing. FileNotFoundError: there is nothing.
    """
    size = path.stat().st_size
    if not path.is_file():
        raise CorruptStore(
            f"{path.name}: a plain file expected, got something else; do not use {path.parent}."
        )
    if size > most:
        raise CorruptStore(f"{path.name}: {size} bytes, at most {most} are read; do not use {path.parent}.")


def plain_name(name: Any, where: str) -> str:
    """A name that leads nowhere.

    Raises:
        CorruptStore: it is no text, empty, hidden, or has a folder in it.
    """
    if not isinstance(name, str) or not name or name.startswith(".") or not name.isprintable() or "/" in name:
        raise CorruptStore(f"{where}: {name!r:.60} is no plain name of a file; do not use this store.")
    return name


def inner_name(name: Any) -> str:
    """A path within a store, relative to its root.

    Raises:
        CorruptStore: it is no text, or leads out.
    """
    if (
        not isinstance(name, str)
        or not name
        or "\0" in name
        or name.startswith("/")
        or ".." in name.split("/")
    ):
        raise CorruptStore(f"the file name {name!r:.80} leads out of the store; do not use this store.")
    return name


def count_of(number: Any, where: str) -> int:
    """A whole number of bytes or samples.

    Raises:
        CorruptStore: it is none.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 62:
        raise CorruptStore(f"{where}: a whole number expected, got {number!r:.40}; do not use this store.")
    return number


def refuse_links(root: Path, folders: Iterable[str]) -> None:
    """Refuse a store whose own folders are links: what is written or collected there would be outside.

    Raises:
        CorruptStore: names the link.
    """
    for name in folders:
        if (root / name).is_symlink():
            raise CorruptStore(_LINK.format(root / name))
    shards = root / "shards"
    if shards.is_dir():
        with os.scandir(shards) as entries:
            if linked := next((entry.path for entry in entries if entry.is_symlink()), ""):
                raise CorruptStore(_LINK.format(linked))


_LINK = "{} is a link, and a store keeps everything in itself; copy what it points to into its place."


def check_parquet(file: pq.ParquetFile, size: int, where: str) -> None:
    """Refuse a Parquet file of ours that promises more rows or bytes than its own bytes can hold.

    Raises:
        CorruptStore: it does.
    """
    about = file.metadata
    unpacked = sum(about.row_group(g).total_byte_size for g in range(about.num_row_groups))
    if about.num_rows * LEAST_ROW > size or unpacked > max(_SMALL, MAX_UNPACKED * size):
        raise CorruptStore(
            f"{where}: {about.num_rows} rows of {unpacked} bytes promised in a file of {size}; do not use this store."
        )
