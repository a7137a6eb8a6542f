"""MATLAB 5 files of others: unpacked within a limit and walked through before SciPy sees them.

SciPy trusts them: it allocates what their dimensions say, unpacks whatever they hold, and follows cells within cells
until the stack of the process ends. Here every element must lie within its parent, counts must be covered by bytes, and
only the kinds that face data sets use are let through. Format: "MAT-File Format", The MathWorks, Level 5.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 16  # cells and structs within each other; IMDB-WIKI and LYHM need three
MAX_DIMENSIONS = 32  # of NumPy's arrays
HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMBERS = range(6, 16)
_TEXT = {
    1: 1,
    2: 1,
    3: 2,
    4: 2,
    5: 4,
    6: 4,
    7: 4,
    9: 8,
    12: 8,
    13: 8,
    16: 1,
    17: 2,
    18: 4,
}  # bytes of an item, by type


def read_mat(data: bytes, names: tuple[str, ...], most: int, **options: Any) -> dict[str, Any]:
    """Variables of a MATLAB 5 file, as ``scipy.io.loadmat`` gives them.

    Args:
        data: the file.
        names: variables that are wanted; others are left out unread.
        most: bytes that the file may unpack to.
        options: of ``loadmat``.

    Raises:
        ValueError: another version, damaged, too large, too deep, or holding what face data sets do not.
        Whatever SciPy raises on what looks whole: callers take all as a damaged file.
    """
    from scipy.io import loadmat

    order = {b"IM": "<", b"MI": ">"}.get(data[126:128], "")
    if data[:10] == b"MATLAB 7.3":
        msg = "MATLAB 7.3, which is not read; save it with save(..., '-v7') in MATLAB or Octave"
        raise ValueError(msg)
    if len(data) < HEADER or not order or 0 in data[:4]:
        msg = "no header of a MATLAB 5 file"
        raise ValueError(msg)
    kept = [data[:HEADER]]
    for body in _elements(data, order, most):
        name = _Walk(body, order).matrix(0, len(body), 0)
        if name in names:
            kept += [struct.pack(f"{order}II", _MATRIX, len(body)), body, bytes(-len(body) % 8)]
    found: dict[str, Any] = loadmat(io.BytesIO(b"".join(kept)), variable_names=list(names), **options)
    return found


def _elements(data: bytes, order: str, most: int) -> Iterator[bytes]:
    """Every top-level matrix without its tag, unpacked."""
    at, left = HEADER, most
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        at += 8
        if size > len(data) - at:
            msg = f"an element of {size} bytes where {len(data) - at} are left"
            raise ValueError(msg)
        body = data[at : at + size]
        at += size
        if kind == _COMPRESSED:
            body = zlib.decompressobj().decompress(body, left + 9)
            if len(body) > left + 8:
                msg = f"it unpacks to more than {most} bytes"
                raise ValueError(msg)
            kind, size = struct.unpack_from(f"{order}II", body)
            body = body[8 : 8 + size]
        left -= len(body)
        if kind != _MATRIX or len(body) != size or left < 0:
            msg = f"an element of type {kind} with {len(body)} of {size} bytes, a whole matrix is expected"
            raise ValueError(msg)
        yield body


class _Walk:
    """Goes through one matrix without making anything of it."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data = data
        self.pair, self.word = struct.Struct(f"{order}II"), struct.Struct(f"{order}I")

    def element(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Type, first byte, size, and where the next element begins."""
        if end - at < 8:
            msg = f"it ends within the tag at byte {at}"
            raise ValueError(msg)
        kind, size = self.pair.unpack_from(self.data, at)
        if kind >> 16:  # four bytes or fewer, within the tag
            kind, size, first, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            whole = size <= 4
        else:
            first, after = at + 8, at + 8 + size + (-size % 8 if kind != _MATRIX else 0)
            whole = size <= end - first
        if not whole or (kind != _MATRIX and kind not in _TEXT):
            msg = f"an element of type {kind} with {size} bytes at byte {at}, where {end - at} are left"
            raise ValueError(msg)
        return kind, first, size, min(after, end)

    def matrix(self, at: int, end: int, depth: int) -> str:
        """Check a matrix and all that it holds; its name."""
        if at == end:
            return ""  # MATLAB's empty cell
        if depth > MAX_DEPTH:
            msg = f"cells or structs within each other more than {MAX_DEPTH} times"
            raise ValueError(msg)
        _, first, size, at = self.element(at, end)
        if size != 8:
            msg = f"array flags of {size} bytes, 8 are expected"
            raise ValueError(msg)
        (flags,) = self.word.unpack_from(self.data, first)
        _, first, size, at = self.element(at, end)
        if size % 4 or size > 4 * MAX_DIMENSIONS:
            msg = f"dimensions of {size} bytes"
            raise ValueError(msg)
        count = math.prod(self.word.unpack_from(self.data, first + k)[0] for k in range(0, size, 4))
        _, first, size, at = self.element(at, end)
        name = self.data[first : first + size].decode("latin1")
        kind = flags & 0xFF
        if kind in (_CELL, _STRUCT):
            if kind == _STRUCT:
                count, at = self.fields(count, at, end)
            self.children(count, at, end, depth)
        elif kind == _CHAR or kind in _NUMBERS:
            self.values(count, kind, at, end)
        else:
            msg = f"'{name[:40]}' is of class {kind}: numbers, text, cells and structs are read"
            raise ValueError(msg)
        return name

    def fields(self, count: int, at: int, end: int) -> tuple[int, int]:
        """Matrices that a struct array has, and where they begin."""
        _, first, size, at = self.element(at, end)
        width = self.word.unpack_from(self.data, first)[0] if size == 4 else 0
        _, _, size, at = self.element(at, end)
        if not 0 < width <= 64 or size % width:
            msg = f"names of struct fields of {width} bytes each in {size}"
            raise ValueError(msg)
        return count * (size // width), at

    def children(self, count: int, at: int, end: int, depth: int) -> None:
        """The matrices within a cell or a struct, each at least a tag."""
        if count * 8 > end - at:
            msg = f"{count} cells or fields in {end - at} bytes"
            raise ValueError(msg)
        for _ in range(count):
            kind, first, size, at = self.element(at, end)
            if kind != _MATRIX:
                msg = f"an element of type {kind} where a cell or a field is expected"
                raise ValueError(msg)
            self.matrix(first, first + size, depth + 1)

    def values(self, count: int, kind: int, at: int, end: int) -> None:
        """Numbers or text, as many as the dimensions say."""
        item, _, size, _ = self.element(at, end) if at < end or count else (1, 0, 0, 0)
        held = size // _TEXT.get(item, 1)
        # UTF-8 text may have fewer characters than bytes, and scipy fills up text that is too short with spaces.
        if held < count or (held != count and kind != _CHAR):
            msg = f"dimensions of {count} items and {held} stored"
            raise ValueError(msg)
