"""The manifest of an uploaded store: name, size and hash of every file it has. It comes from somebody else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from storage.errors import CorruptStore, StoreError
from storage.files import canonical_json, read_sealed_bytes, seal, sha256_bytes
from storage.layout import StoredFile

FORMAT = 1
STORE, PLAN = "store.json", "plan/plan.parquet"
# What a store consists of. A manifest comes from somebody else, and its names become paths in the cache.
_NAMES = re.compile(
    r"store\.json|LATEST|permissions\.json|run\.json|LICENCES\.md|report\.html|contact_sheet\.png|datasheet\.md"
    r"|croissant\.json|plan/plan\.parquet|snapshot/[\w.-]*\w[\w.-]*|commits/\d{6,12}\.json"
    r"|manifests/gen-\d{6,12}\.json|superseded/\d{6,12}-\w{1,64}\.json|settings/[0-9a-f]{8,64}\.json"
    r"|shards/\d{3,9}/\d{6,12}-\w{1,64}\.(tar|idx\.parquet)",
    re.ASCII,
)


@dataclass(frozen=True)
class Manifest:
    """What one upload made of a store.

    ``files`` are all its files; ``generation`` is the published one's file name, empty before the first.
    """

    number: int
    plan: str  # plan hash
    generation: str
    files: tuple[StoredFile, ...]

    @cached_property
    def by_name(self) -> dict[str, StoredFile]:
        """Files by name."""
        return {file.name: file for file in self.files}

    @property
    def commits(self) -> set[str]:
        """Names of the commits: which shards are done."""
        return {name for name in self.by_name if name.startswith("commits/")}

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def content(self) -> str:
        """SHA-256 of what it says about the store; the number is not part of it."""
        return sha256_bytes(canonical_json(self._said()))

    def _said(self) -> dict[str, Any]:
        files = [[f.name, f.bytes, f.sha256] for f in sorted(self.files, key=lambda f: f.name)]
        return {"format": FORMAT, "plan": self.plan, "generation": self.generation, "files": files}

    def sealed(self) -> bytes:
        """The bytes of its file."""
        return seal({**self._said(), "number": self.number})

    @staticmethod
    def read(data: bytes, where: str) -> Manifest:
        """Inverse of :meth:`sealed`, for bytes that anybody may have written.

        Raises:
            CorruptStore: torn, changed, or with a name that no store has.
        """
        body = read_sealed_bytes(data, where)
        try:
            if body["format"] != FORMAT:
                msg = f"{where} has format {body['format']}, this version reads {FORMAT}; use the one that wrote it."
                raise StoreError(msg)
            files = tuple(_checked(where, *entry) for entry in body["files"])
            found = Manifest(int(body["number"]), str(body["plan"]), str(body["generation"]), files)
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{where} is no manifest of a store ({error!r}); upload the store again."
            raise CorruptStore(msg) from error
        if len(found.by_name) != len(files) or not {STORE, PLAN} <= set(found.by_name):
            msg = f"{where} names a file twice, or no store.json and plan; do not use this store."
            raise CorruptStore(msg)
        return found


def _checked(where: str, name: str, size: int, digest: str) -> StoredFile:
    if not (isinstance(name, str) and _NAMES.fullmatch(name)):
        msg = f"{where} names the file {name!r}, which no store has; do not use this store."
        raise CorruptStore(msg)
    if type(size) is not int or size < 0 or not re.fullmatch(r"[0-9a-f]{64}", digest):
        msg = f"{where} gives {name} the size {size!r} and the SHA-256 {digest!r}; do not use this store."
        raise CorruptStore(msg)
    return StoredFile(name, size, digest)


def check_follows(url: str, before: Manifest, mine: Manifest) -> None:
    """Raises StoreError unless ``mine`` may be published after ``before``: same plan, no shard lost."""
    if before.plan != mine.plan:
        raise StoreError(
            f"{url} holds a store of plan {before.plan[:12]}, this one has plan {mine.plan[:12]}; choose another "
            "prefix."
        )
    if lost := sorted(before.commits - mine.commits):
        raise StoreError(
            f"{url} holds {len(lost)} shards that this store lacks, first {lost[0]}; go on from it with `facepairs "
            f"pull {url} FOLDER`, or choose another prefix."
        )
