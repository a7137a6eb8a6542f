"""Content-addressed cache of named arrays: one checked file per key, and fingerprints that make the keys.

A file is written to a temporary name, flushed and renamed, so a reader sees all of it or nothing. It carries
a digest of its own content; a damaged file reads as a miss and is made again.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from storage.files import sha256_file, write_replace

Array = np.ndarray[Any, np.dtype[Any]]
META, DIGEST = "__meta__", "__digest__"


@dataclass(frozen=True)
class Entry:
    """Named arrays and JSON-able facts about them."""

    arrays: Mapping[str, Array]
    meta: Mapping[str, Any]


@dataclass(frozen=True)
class ArrayCache:
    """A folder of npz files named by key. Safe for many writers: same key, same bytes, last rename wins."""

    folder: Path

    def path(self, key: str) -> Path:
        """Where a key's file is; two leading characters make the subfolder, so that folders stay small."""
        return self.folder / key[:2] / f"{key}.npz"

    def get(self, key: str) -> Entry | None:
        """The entry of a key, or None when it is absent or damaged."""
        try:
            with np.load(self.path(key), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            meta = arrays.pop(META).tobytes()
            stored = arrays.pop(DIGEST).tobytes().decode("ascii")
            if stored != _content_digest(arrays, meta):
                return None
            return Entry(arrays, json.loads(meta))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError):
            return None

    def put(self, key: str, entry: Entry) -> None:
        """Write an entry so that it is whole and durable, or not there."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        meta = json.dumps(entry.meta, sort_keys=True, separators=(",", ":")).encode()
        digest = _content_digest(entry.arrays, meta).encode("ascii")
        extra = {META: np.frombuffer(meta, np.uint8), DIGEST: np.frombuffer(digest, np.uint8)}
        packed = io.BytesIO()
        np.savez(packed, allow_pickle=False, **{**entry.arrays, **extra})
        write_replace(path, packed.getvalue())


def _content_digest(arrays: Mapping[str, Array], meta: bytes) -> str:
    whole = hashlib.sha256(meta)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        whole.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        whole.update(array.data if array.size else b"")
    return whole.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, computed once per process as long as its size and time do not change."""
    stat = path.stat()
    return _file_sha256(path, stat.st_size, stat.st_mtime_ns)


@cache
def _file_sha256(path: Path, size: int, mtime_ns: int) -> str:
    return sha256_file(path)


def fingerprint(*values: Any) -> str:
    """16 hex digits that change when any of the values does: stages, heads, arrays, files (by content),
    numbers.

    A stage is its class, name, version and fields; an object that has a ``fingerprint`` of its own is that.

    Raises:
        TypeError: a value of a kind whose content cannot be told.
    """
    return hashlib.sha256("\n".join(_describe(value) for value in values).encode()).hexdigest()[:16]


def _describe(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float, str, np.generic)):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, Path):
        return f"file:{file_sha256(value)}"
    own = getattr(value, "fingerprint", None)
    if isinstance(own, str):
        return f"{type(value).__name__}:{own}"
    if isinstance(value, np.ndarray):
        return f"array:{_content_digest({'': value}, b'')}"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{k!r}={_describe(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, (tuple, list)):
        return "(" + ",".join(_describe(v) for v in value) + ")"
    if is_dataclass(value) and not isinstance(value, type):
        parts = [f"{f.name}={_describe(getattr(value, f.name))}" for f in fields(value)]
        version = f"{getattr(value, 'name', '')}@{getattr(value, 'version', '')}"
        return f"{type(value).__name__}[{version}]({','.join(parts)})"
    msg = (
        f"cannot fingerprint a {type(value).__name__}: expected numbers, text, paths, arrays or "
        f"dataclasses of them; give the class a 'fingerprint' property that returns a str."
    )
    raise TypeError(msg)
