"""A store at a URL, such as ``s3://bucket/prefix``: immutable objects by content, and numbered manifests over them.

::

    objects/<aa>/<sha256>.<ending>    the bytes of every file of the store, each once
    published/<number>.json           sealed: name, bytes and SHA-256 of every file of the store at one moment

An object store has no rename, no link and no fsync, but a put is whole or absent, and a put-if-absent has one winner.
So objects come first, and the manifest, which alone makes them a store, last, under the next free number. The highest
number is what readers take. Nothing is ever changed, and an upload that was interrupted is invisible (ADR 24).
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec

from storage.errors import CorruptStore, StoreError
from storage.layout import StoredFile
from storage.manifest import Manifest, check_follows

_CHUNK = 1 << 24  # bytes of one range request
_MANIFEST = 1 << 28  # bytes; 120,000 files, 10 million pairs, take 25 MB


def is_url(where: Path | str) -> bool:
    """Whether a store's place is a URL and not a folder."""
    return isinstance(where, str) and "://" in where


@contextmanager
def spoken(url: str) -> Iterator[None]:
    """Errors of a remote file system as one sentence each.

    Raises:
        StoreError: credentials, bucket, rights or the service are missing.
    """
    try:
        yield
    except FileNotFoundError as error:
        msg = f"{url}: {_plain(error)}; check the name, and make the bucket first if there is none."
        raise StoreError(msg) from error
    except PermissionError as error:
        msg = f"{url}: access was denied ({_plain(error)}); use credentials that may list, read and write there."
        raise StoreError(msg) from error
    except Exception as error:
        kind = type(error)
        if "Credentials" in kind.__name__:
            msg = (
                f"{url}: no usable credentials were found ({_plain(error)}); set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
            )
            raise StoreError(msg) from error
        if isinstance(error, OSError) or kind.__module__.partition(".")[0] in {"botocore", "aiohttp"}:
            msg = (
                f"{url}: the service does not do what was asked ({kind.__name__}: {_plain(error)}); check the network "
                "and AWS_ENDPOINT_URL, and type the same command again."
            )
            raise StoreError(msg) from error
        raise


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


@dataclass(frozen=True)
class Remote:
    """A place for a store that is not a folder of this machine; any file system that fsspec knows."""

    url: str

    @cached_property
    def _place(self) -> tuple[Any, str]:
        """The file system, and our root in it."""
        protocol = fsspec.utils.get_protocol(self.url)
        options: dict[str, Any] = {"auto_mkdir": True} if protocol in {"file", "local"} else {}
        try:
            fs, root = fsspec.core.url_to_fs(self.url, **options)
        except ImportError as error:
            extra = "'facepairs[s3]'" if protocol in {"s3", "s3a"} else f"the fsspec package for {protocol}"
            msg = f"{self.url}: reading and writing there needs a package that is missing; type `pip install {extra}`."
            raise StoreError(msg) from error
        except ValueError as error:
            msg = f"{self.url}: {_plain(error)}; give a URL such as s3://bucket/prefix."
            raise StoreError(msg) from error
        return fs, root.rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}  # a process that gets this makes its own connection

    def object_path(self, file: StoredFile) -> str:
        """Where the bytes of a file are, relative to our root; the ending lets other tools know what it is."""
        return f"objects/{file.sha256[:2]}/{file.sha256}{''.join(Path(file.name).suffixes[-1:])}"

    def numbers(self) -> list[int]:
        """Of the published manifests, lowest first."""
        found = (re.fullmatch(r"(\d{6,12})\.json", Path(name).name) for name in self._list("published"))
        return sorted(int(match[1]) for match in found if match)

    def objects(self) -> dict[str, int]:
        """Bytes of every object there is, by :meth:`object_path`."""
        root = self._place[1]
        return {name[len(root) + 1 :]: size for name, size in self._list("objects").items()}

    def _list(self, folder: str) -> dict[str, int]:
        fs, root = self._place
        with spoken(self.url):
            fs.invalidate_cache()
            try:
                found = fs.find(f"{root}/{folder}", detail=True)
            except FileNotFoundError:
                if not fs.protocol or "s3" not in fs.protocol:  # a folder that nobody made yet
                    return {}
                raise
            return {name: int(told["size"]) for name, told in found.items()}

    def manifest(self, number: int | None = None) -> Manifest:
        """A published manifest, or the latest.

        Raises:
            StoreError: there is none, or the service refuses.
            CorruptStore: it is torn or hostile.
        """
        if number is None:
            numbers = self.numbers()
            if not numbers:
                begun = len(self.objects())
                said = f"an upload of {begun} files was not finished" if begun else "there is no store"
                raise StoreError(f"{self.url}: {said}; type `facepairs push STORE {self.url}`.")
            number = numbers[-1]
        where = f"published/{number:06d}.json"
        found = Manifest.read(self.read(where, _MANIFEST), f"{self.url}/{where}")
        if found.number != number:
            raise CorruptStore(
                f"{self.url}/{where} says that it is number {found.number}; do not use this store."
            )
        return found

    def read(self, path: str, most: int) -> bytes:
        """A small file, at most ``most`` bytes of it."""
        fs, root = self._place
        with spoken(self.url):
            return bytes(fs.cat_file(f"{root}/{path}", start=0, end=most))

    def chunks(self, file: StoredFile) -> Iterator[bytes]:
        """The bytes of an object, never more than the manifest says."""
        fs, root = self._place
        path = f"{root}/{self.object_path(file)}"
        for start in range(0, file.bytes, _CHUNK):
            with spoken(f"{self.url}/{self.object_path(file)}"):
                chunk = bytes(fs.cat_file(path, start=start, end=min(file.bytes, start + _CHUNK)))
            yield chunk
            if len(chunk) < min(file.bytes - start, _CHUNK):  # it ends early, whatever was announced
                return

    def fetch(self, file: StoredFile, target: Path) -> None:
        """Put the bytes of a file at ``target``: whole and checked, or not at all.

        Raises:
            StoreError: the service refuses.
            CorruptStore: the object is not what the manifest says.
            OSError: the folder cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        temp = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        digest, size = sha256(), 0
        try:
            with temp.open("xb") as out:
                for chunk in self.chunks(file):
                    digest.update(chunk)
                    size += len(chunk)
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            self._compare(file, size, digest.hexdigest())
            temp.replace(target)
        finally:
            temp.unlink(missing_ok=True)

    def check(self, file: StoredFile) -> None:
        """Read an object to its end and keep nothing.

        Raises:
            CorruptStore: it is not what the manifest says.
        """
        digest, size = sha256(), 0
        for chunk in self.chunks(file):
            digest.update(chunk)
            size += len(chunk)
        self._compare(file, size, digest.hexdigest())

    def _compare(self, file: StoredFile, size: int, digest: str) -> None:
        if size != file.bytes or digest != file.sha256:
            raise CorruptStore(
                f"{self.url}/{self.object_path(file)} ({file.name}): {file.bytes} bytes with SHA-256 "
                f"{file.sha256[:12]} expected, got {size} with {digest[:12]}; delete that object and push the store "
                "again."
            )

    def send(self, path: Path, file: StoredFile) -> None:
        """Upload one file of a store under the name of its content."""
        fs, root = self._place
        with spoken(self.url):
            fs.put_file(str(path), f"{root}/{self.object_path(file)}")

    def publish(self, files: Sequence[StoredFile], plan: str, generation: str) -> Manifest:
        """Make the objects a store: write the next manifest, unless the latest says the same.

        Raises:
            StoreError: another plan is there, or shards that ``files`` lack.
        """
        fs, root = self._place
        while True:
            before = self.manifest(numbers[-1]) if (numbers := self.numbers()) else None
            mine = Manifest((numbers or [0])[-1] + 1, plan, generation, tuple(files))
            if before is not None:
                check_follows(self.url, before, mine)
                if before.content == mine.content:
                    return before
            try:
                with spoken_but_exists(self.url):
                    fs.pipe_file(f"{root}/published/{mine.number:06d}.json", mine.sealed(), mode="create")
            except FileExistsError:
                continue  # another upload was first; ours comes after it, or is refused
            return mine


@contextmanager
def spoken_but_exists(url: str) -> Iterator[None]:
    """:func:`spoken`, but for the answer that somebody else was first."""
    exists: FileExistsError | None = None
    with spoken(url):
        try:
            yield
        except FileExistsError as error:
            exists = error
    if exists is not None:
        raise exists
