"""Photographs inside archives: where their bytes are, and how they are read without unpacking anything.

A place is text, so that it can be handed to another process: an absolute path, or

    tar:OFFSET:SIZE:/path/of.tar                        bytes as they are
    zip:OFFSET:STORED:SIZE:METHOD:CRC:/path/of.zip      OFFSET of the local header; METHOD 0 stored, 8 deflated
    parquet:GROUP:ROW:COLUMN:/path/of.parquet           a binary column; COLUMN.bytes for a struct that has them

Nothing of an archive is ever written, so that names in it cannot lead anywhere; sizes are checked before a byte is
decompressed.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

MAX_BYTES = 640_000_000  # no picture within the decode limit stores more (assets.readers.photo)
MAX_GROUP = 4_000_000_000  # uncompressed bytes of one parquet row group: it is read as a whole
MAX_OFFSET = 1 << 62  # what the system can be asked for
STORED, DEFLATED = 0, 8
_LOCAL_HEADER = struct.Struct("<4s22xHH")


class MemberError(OSError):
    """A member cannot be read; ``strerror`` is the reason, as of any other file."""

    def __init__(self, reason: str) -> None:
        super().__init__(0, reason)


@dataclass(frozen=True)
class Member:
    """A photograph that is no plain file, or one that brings masks along.

    ``masks`` are places too, by class name (CelebAMask-HQ's); they belong to the photograph's content.
    """

    where: str
    name: str
    masks: Mapping[str, str] = field(default_factory=dict)

    def read_bytes(self) -> bytes:
        """The photograph's bytes.

        Raises:
            OSError: it cannot be read.
        """
        return read_place(self.where)

    def sha256(self) -> str:
        """Hash of the photograph's bytes, followed by those of its masks where it has some.

        Raises:
            OSError: one of them cannot be read.
        """
        whole = hashlib.sha256(self.read_bytes())
        for name, where in sorted(self.masks.items()):
            whole.update(name.encode() + read_place(where))
        return whole.hexdigest()


def tar_place(path: str | Path, offset: int, size: int) -> str:
    """Place of a tar member's data."""
    return f"tar:{offset}:{size}:{path}"


def zip_place(path: str | Path, offset: int, stored: int, size: int, method: int, crc: int) -> str:
    """Place of a zip member, by its local header."""
    return f"zip:{offset}:{stored}:{size}:{method}:{crc}:{path}"


def parquet_place(path: str | Path, group: int, row: int, column: str) -> str:
    """Place of a cell; the column may be of a struct: ``image.bytes``."""
    return f"parquet:{group}:{row}:{quote(column, safe='.')}:{path}"


def read_place(where: str) -> bytes:
    """The bytes at a place.

    Raises:
        OSError: they cannot be read, or there are more of them than a picture can have.
    """
    kind, colon, rest = where.partition(":")
    if not colon or where.startswith("/"):
        return _plain(Path(where))
    if kind == "tar":
        offset, size, path = rest.split(":", 2)
        return _read(path, int(offset), int(size))
    if kind == "zip":
        offset, stored, size, method, crc, path = rest.split(":", 5)
        data = _unzip(path, int(offset), int(stored), int(size), int(method))
        if zlib.crc32(data) != int(crc):
            raise MemberError("damaged in the archive (its check sum is another)")
        return data
    if kind == "parquet":
        group, row, column, path = rest.split(":", 3)
        return _cell(path, int(group), int(row), unquote(column))
    return _plain(Path(where))


def _plain(path: Path) -> bytes:
    """A file that is one: a pipe would be waited for, and a device has no end."""
    if not path.is_file():
        path.stat()  # missing: in the system's own words
        raise MemberError("no plain file")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise MemberError(f"{size} bytes, more than a file of a photo set may have ({MAX_BYTES})")
    return path.read_bytes()


def _read(path: str, offset: int, size: int) -> bytes:
    _check(offset, size)
    fd = os.open(path, os.O_RDONLY)
    try:
        data = os.pread(fd, size, offset)
    finally:
        os.close(fd)
    if len(data) != size:
        raise MemberError(f"the archive ends {size - len(data)} bytes early")
    return data


def _check(offset: int, *sizes: int) -> None:
    if min(offset, *sizes) < 0 or offset > MAX_OFFSET:
        raise MemberError(f"the archive has it at byte {offset} with {sizes[-1]} bytes, which no archive has")
    if max(sizes) > MAX_BYTES:
        raise MemberError(f"the archive promises {max(sizes)} bytes, more than a picture of ours may have")


def _unzip(path: str, offset: int, stored: int, size: int, method: int) -> bytes:
    _check(offset, stored, size)
    header = _read(path, offset, _LOCAL_HEADER.size)
    magic, name, extra = _LOCAL_HEADER.unpack(header)
    if magic != b"PK\x03\x04":
        raise MemberError("the archive's directory points to what is no member")
    data = _read(path, offset + _LOCAL_HEADER.size + name + extra, stored)
    if method == STORED:
        return data
    if method != DEFLATED:
        raise MemberError(f"compression method {method} is not read; store or deflate it")
    try:
        # One byte more than promised, so that a bomb is noticed and not unpacked.
        made = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
    except zlib.error as error:
        raise MemberError(f"damaged in the archive ({error})") from error
    if len(made) != size:
        raise MemberError(f"{size} bytes promised, {'more' if len(made) > size else len(made)} unpacked")
    return made


def _cell(path: str, group: int, row: int, column: str) -> bytes:
    value = _column(path, Path(path).stat().st_mtime_ns, group, column)[row].as_py()
    if not isinstance(value, bytes):
        raise MemberError("the row holds no picture")
    if len(value) > MAX_BYTES:
        raise MemberError(f"{len(value)} bytes, more than a picture of ours may have")
    return value


@lru_cache(maxsize=1)
def _column(path: str, mtime_ns: int, group: int, column: str) -> pa.ChunkedArray[Any]:
    """One column of one row group; rows are asked for in order, so that one is enough to keep."""
    try:
        with pq.ParquetFile(path) as file:
            size = file.metadata.row_group(group).total_byte_size
            if size > MAX_GROUP:
                raise MemberError(f"a row group of {size / 1e9:.1f} GB; write the file with smaller ones")
            table = file.read_row_group(group, columns=[column]).combine_chunks()
    except (pa.ArrowException, ValueError, IndexError) as error:
        raise MemberError(f"damaged parquet file ({' '.join(str(error).split())[:120]})") from error
    found = table.column(0)
    for part in column.split(".")[1:]:
        found = pa.chunked_array([chunk.field(part) for chunk in found.chunks])
    return found
