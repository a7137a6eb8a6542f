"""The files of a photo set as one flat list of names, whether they lie in folders, tars or zips.

A member of an archive is called ``folder/archive.zip/member``. Readers recognise their set by these names, so each of
them reads a copy that was unpacked as well as one that was not.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from assets.readers.damaged import told
from assets.readers.members import DEFLATED, STORED, read_place, tar_place, zip_place

ARCHIVES = {".tar", ".zip"}
# Compressed as a whole, so that a member cannot be read without unpacking all before it.
# Largest header that an archive may bring for one member: long names and their attributes take a few kilobytes.
MAX_HEADER = 1 << 20
SOLID = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".7z.001", ".rar")


class PhotoSetError(ValueError):
    """A photo set cannot be read; one sentence that says what to do."""


@dataclass(frozen=True)
class Tree:
    """Places of all files by name, and what was left out and why."""

    root: Path
    files: dict[str, str]
    left_out: Counter[str]

    @staticmethod
    def of(root: Path) -> Tree:
        """The files below a folder, or in one archive. Hidden ones are left out, links to folders not entered.

        Raises:
            PhotoSetError: there is nothing, or it cannot be read.
        """
        left_out: Counter[str] = Counter()
        if root.is_dir():
            files = dict(_walk(root, left_out))
        elif root.is_file():
            _refuse_solid(root)
            files = (
                dict(_archive(root, left_out)) if root.suffix.lower() in ARCHIVES else {root.name: str(root)}
            )
        else:
            msg = f"{root} is not there; pass a folder, a .tar, a .zip or a .parquet file with --photos."
            raise PhotoSetError(msg)
        return Tree(root, files, left_out)

    def read(self, name: str) -> bytes:
        """The bytes of a file by its name.

        Raises:
            PhotoSetError: they cannot be read.
        """
        try:
            return read_place(self.files[name])
        except OSError as error:
            msg = (
                f"'{name}' in {self.root} cannot be read: {error.strerror or error}; restore it from a copy."
            )
            raise PhotoSetError(msg) from error

    def named(self, *names: str) -> str | None:
        """The first file, in order of the tree, whose last part is one of these, whatever its case."""
        wanted = {name.lower() for name in names}
        return next((name for name in self.files if PurePosixPath(name).name.lower() in wanted), None)

    def text(self, name: str) -> Iterator[str]:
        """The lines of a text file, one after the other, without their ends."""
        data = io.TextIOWrapper(io.BytesIO(self.read(name)), encoding="utf-8-sig", errors="replace")
        return (line.rstrip("\r\n") for line in data)

    def open(self, name: str) -> IO[bytes]:
        """A plain file as a stream; of a member of an archive, its bytes.

        Raises:
            PhotoSetError: it cannot be read.
        """
        where = self.files[name]
        return Path(where).open("rb") if where.startswith("/") else io.BytesIO(self.read(name))


def _walk(root: Path, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    """Name and place of every file in depth, in no order; archives by their members."""
    waiting = [(str(root.absolute()), "")]
    while waiting:
        folder, prefix = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    name = f"{prefix}{entry.name}"
                    if not _is_plain(entry.name):
                        left_out[ODD_NAMES] += 1
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, f"{name}/"))
                    elif not entry.is_file():
                        left_out["linked folders, sockets or broken links"] += 1
                    elif _suffix(entry.name) in ARCHIVES:
                        path = Path(entry.path)
                        yield from ((f"{name}/{inner}", where) for inner, where in _archive(path, left_out))
                    elif entry.name.lower().endswith(SOLID):
                        left_out[
                            "archives that are compressed as a whole: unpack them, or repack them as .tar"
                        ] += 1
                    else:
                        yield name, entry.path
        except PermissionError:
            left_out["folders that may not be read"] += 1
        except OSError as error:
            left_out[f"folders that cannot be read ({error.strerror})"] += 1


ODD_NAMES = "names that are no UTF-8 text or hold line breaks or control characters"


def _is_plain(name: str) -> bool:
    """Whether a name can stand in a table, a report and a line of a log."""
    if name.isascii():
        return name.isprintable()
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not any(c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029" for c in name)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (a Path for each of 500,000 names takes seconds)


def _refuse_solid(path: Path) -> None:
    if path.name.lower().endswith(SOLID):
        msg = f"{path} is compressed as a whole, so its members cannot be read singly: unpack it, or repack it as .tar."
        raise PhotoSetError(msg)


def _archive(path: Path, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    """Name and place of every plain member whose name stays inside."""
    members = _tar if path.suffix.lower() == ".tar" else _zip
    for name, where in members(path.absolute(), left_out):
        parts = name.split("/")
        if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or not parts[-1]:
            left_out["archive members whose names lead out of the archive"] += 1
        elif not _is_plain(name):
            left_out[ODD_NAMES] += 1
        elif not any(part.startswith(".") and part != "." for part in parts) and parts[0] != "__MACOSX":
            yield "/".join(part for part in parts if part != "."), where


class _Headers:
    """An open tar as ``tarfile`` may see it: it asks for headers only, and here none of them is endless.

    A header that states a negative or a huge size otherwise makes it read everything, or the same member for ever.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.tell = file, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            msg = f"a header of {size} bytes, at most {MAX_HEADER} are read"
            raise tarfile.ReadError(msg)
        return self._file.read(size)

    def seek(self, at: int) -> int:
        if at < 0:
            msg = f"a member at byte {at}"
            raise tarfile.ReadError(msg)
        return self._file.seek(at)


def _tar(path: Path, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    try:
        with path.open("rb") as opened, tarfile.open(fileobj=_Headers(opened), mode="r:") as file:  # type: ignore[call-overload]
            while (member := file.next()) is not None:
                file.members = []  # the list would grow with the archive
                if member.size < 0:
                    msg = f"a member of {member.size} bytes"
                    raise tarfile.ReadError(msg)
                if member.isreg() and not member.issparse():
                    yield member.name, tar_place(path, member.offset_data, member.size)
                elif not member.isdir():
                    left_out["archive members that are links or devices"] += 1
    except PhotoSetError:
        raise
    except Exception as error:  # tarfile raises anything on damaged files, recursion errors too
        msg = f"{path} is no sound tar file ({told(error)}); restore it from a copy, or take it out of the folder."
        raise PhotoSetError(msg) from error


def _zip(path: Path, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    try:
        with zipfile.ZipFile(path) as file:
            for member in file.infolist():
                if member.is_dir():
                    continue
                linked = (member.external_attr >> 16) & 0o170000 not in (0, 0o100000)
                if linked or member.flag_bits & 1 or member.compress_type not in (STORED, DEFLATED):
                    left_out[
                        "archive members that are links, encrypted or compressed otherwise than by deflate"
                    ] += 1
                    continue
                # A name with a NUL is cut there by zipfile; the raw one says what was meant.
                name = member.orig_filename.replace(os.sep, "/")
                place = (
                    member.header_offset,
                    member.compress_size,
                    member.file_size,
                    member.compress_type,
                    member.CRC,
                )
                yield name, zip_place(path, *place)
    except Exception as error:  # zipfile raises anything on damaged files
        msg = f"{path} is no sound zip file ({told(error)}); restore it from a copy, or take it out of the folder."
        raise PhotoSetError(msg) from error
