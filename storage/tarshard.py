"""Tar shards with deterministic bytes: USTAR, mtime 0, uid and gid 0, members in the order given.

Any tar reader opens them (``tar tf``, WebDataset, Energon); we read by offset.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from storage.errors import CorruptStore
from storage.untrusted import MAX_FIELD

BLOCK = 512
CHECKSUM = "crc32"  # zlib's; named in store.json so that a reader need not guess


@dataclass(frozen=True)
class Member:
    """Where the payload of one member lies in its tar, in bytes, and its CRC-32."""

    name: str
    offset: int
    length: int
    crc32: int

    @property
    def end(self) -> int:
        """First byte after the padded payload."""
        return self.offset + -(-self.length // BLOCK) * BLOCK


def header(name: str, length: int) -> bytes:
    """The 512 bytes before a payload."""
    info = tarfile.TarInfo(name)
    info.size = length
    info.mode = 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


class TarWriter:
    """Writes members one after another and hashes while writing. Leaves fsync to :meth:`close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0
        self._hash = hashlib.sha256()
        self._file = path.open("xb", buffering=1 << 20)

    def add(self, name: str, data: bytes) -> Member:
        """Append one member."""
        self._write(header(name, len(data)))
        member = Member(name, self.bytes, len(data), zlib.crc32(data))
        self._write(data)
        self._write(bytes(member.end - self.bytes))
        return member

    def close(self) -> str:
        """End the archive, bring it to the disk and return its SHA-256."""
        self._write(bytes(2 * BLOCK))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._hash.hexdigest()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error the archive must not be ended: a torn tar must look torn.
        try:
            self._file.close()
        except OSError:
            if kind is None:
                raise


def scan(path: Path) -> Iterator[Member]:
    """Every member of a shard in file order, read again from the disk.

    Raises:
        CorruptStore: a header, the padding or the end is not what :class:`TarWriter` writes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        while True:
            at = file.tell()
            block = file.read(BLOCK)
            if block == bytes(BLOCK):
                if file.read() != bytes(BLOCK):
                    raise CorruptStore(f"{path.name}: bytes after the end of the archive at {at}; {_REMAKE}")
                return
            try:
                info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
                whole = block == header(info.name, info.size) and at + BLOCK + info.size <= size
            except (tarfile.HeaderError, UnicodeError, ValueError):
                whole = False
            if not whole:
                raise CorruptStore(f"{path.name}: no valid tar header at byte {at} of {size}; {_REMAKE}")
            if info.size > MAX_FIELD:
                raise CorruptStore(f"{path.name}: a member of {info.size} bytes at {at}; {_REMAKE}")
            data = file.read(info.size)
            member = Member(info.name, at + BLOCK, info.size, zlib.crc32(data))
            if file.read(member.end - member.offset - info.size).strip(b"\0"):
                raise CorruptStore(f"{path.name}: padding after {info.name} is not zero; {_REMAKE}")
            yield member


_REMAKE = "the shard is damaged: forget it with `facepairs gc --forget SHARD` and run the synthesis again."


def check_payload(data: bytes | memoryview, crc32: int, key: str, name: str, shard: int) -> None:
    """Nothing, if the CRC of ``data`` is right.

    Raises:
        CorruptStore: names shard, sample and field.
    """
    if zlib.crc32(data) != crc32:
        raise CorruptStore(
            f"shard {shard}, sample {key}, field '{name}': the bytes are not those committed; {_REMAKE}"
        )
