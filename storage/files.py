"""Files that are either whole or absent: write to a temporary name, fsync, rename or link, fsync the folder.

A *sealed* file is JSON with one canonical rendering and the SHA-256 of its body, so that any changed
bit is noticed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from storage.crash import crashpoint
from storage.errors import CorruptStore
from storage.untrusted import MAX_SEALED, plain_file

_NO_DIR_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def _plain(value: Any) -> Any:
    """NumPy values as JSON ones; float32 keeps its shortest decimal form, which reads back the same."""
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value] if value.ndim else _plain(value[()])
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.floating):
        return float(str(value))
    raise TypeError(
        f"a value of type {type(value).__name__} has no JSON form; pass numbers, text, lists or dicts"
    )


def canonical_json(value: Any) -> bytes:
    """The one JSON rendering of ``value``: sorted keys, no spaces, UTF-8. NaN raises ValueError."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
    )
    return text.encode()


def sha256_bytes(data: bytes | memoryview) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(path: Path) -> None:
    """Make renames in ``path`` survive a power cut. File systems that cannot sync a folder are accepted."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_DIR_FSYNC:
            raise
    finally:
        os.close(fd)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, so that a power cut takes away none of their names."""
    above = [path.parent, *(p.parent for p in path.parents if not p.exists())]
    path.mkdir(parents=True, exist_ok=True)
    for folder in above:
        with suppress(PermissionError):  # a folder that we may not list, such as one that holds everybody's
            sync_folder(folder)


def _write_temp(path: Path, data: bytes | memoryview) -> Path:
    temp = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temp.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temp.unlink(missing_ok=True)
        raise
    return temp


def write_replace(path: Path, data: bytes | memoryview, crash_temp: str = "", crash_done: str = "") -> None:
    """Put ``data`` at ``path`` in one atomic step, whatever was there before."""
    temp = _write_temp(path, data)
    crashpoint(crash_temp)
    try:
        temp.replace(path)
    except OSError:
        temp.unlink(missing_ok=True)
        raise
    crashpoint(crash_done)
    sync_folder(path.parent)


def write_once(path: Path, data: bytes, crash_temp: str = "", crash_done: str = "") -> bool:
    """Put ``data`` at ``path`` only if nothing is there; True for the one writer who won."""
    temp = _write_temp(path, data)
    crashpoint(crash_temp)
    try:
        os.link(temp, path)
    except FileExistsError:
        return False
    finally:
        temp.unlink(missing_ok=True)
    crashpoint(crash_done)
    sync_folder(path.parent)
    return True


def _render(body: Mapping[str, Any]) -> bytes:
    sealed = {"body": body, "seal": sha256_bytes(canonical_json(body))}
    return (json.dumps(sealed, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def seal(body: Mapping[str, Any]) -> bytes:
    """The bytes of a sealed file."""
    return _render(json.loads(canonical_json(body)))


def read_sealed(path: Path) -> dict[str, Any]:
    """The body of a sealed file.

    Raises:
        CorruptStore: the file is torn, or one of its bits is not what was written.
        FileNotFoundError: there is none.
    """
    plain_file(path, MAX_SEALED)
    return read_sealed_bytes(path.read_bytes(), str(path))


def read_sealed_bytes(data: bytes, where: str) -> dict[str, Any]:
    """The body of a sealed file, from its bytes; ``where`` names it in errors. Raises as :func:`read_sealed` does."""
    try:
        body = json.loads(data)["body"]
        whole = isinstance(body, dict) and _render(body) == data
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        msg = (
            f"{where.rpartition('/')[2]}: the file does not match its own seal, so it was damaged after it was "
            f"written; restore {where} from a copy, or run `facepairs verify` to see what depends on it."
        )
        raise CorruptStore(msg)
    return dict(body)
