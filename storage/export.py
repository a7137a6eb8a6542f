"""Copies of a generation in other forms: whole files only, read back and compared, resumable, the same bytes each time.

A form writes one file from some pairs and says what a file holds. Everything else is here: which pairs go into which
file, a temporary name until the file is whole and compared, a sealed note per finished file, and ``export.json`` last,
the mark that nothing is missing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from storage.errors import CorruptStore, StoreError
from storage.files import read_sealed, seal, sha256_file, sync_folder, write_replace
from storage.plan import SPLITS
from storage.reader import PairReader
from storage.schema import META, Schema
from storage.store import Store

Mark = tuple[str, str, int]  # key, field, CRC-32 of its stored bytes
Pairs = Iterator[tuple[str, Mapping[str, memoryview]]]  # key, and the stored bytes by field
Tell = Callable[[int, int, str], None]  # files done, files in all, the one just done
MANIFEST, STATE, DONE = "export.json", ".export.json", ".done"


class Form(Protocol):
    """One kind of file."""

    @property
    def name(self) -> str:
        """As ``export.json`` has it."""

    def path(self, split: str, number: int, of: int) -> str:
        """Where a file belongs, relative to the export."""

    def write(self, path: Path, pairs: Pairs, schema: Schema, fields: Sequence[str]) -> None:
        """Write the pairs as one file and bring it to the disk."""

    def marks(self, path: Path, schema: Schema, fields: Sequence[str]) -> Iterator[Mark]:
        """What a file holds, read again from the disk, in its order."""


@dataclass(frozen=True)
class Exported:
    """What an export holds."""

    pairs: int
    splits: Mapping[str, int]
    files: tuple[Mapping[str, Any], ...]  # name, split, pairs, bytes, sha256
    generation: str

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(int(file["bytes"]) for file in self.files)


def export_pairs(
    store: Store,
    out: Path,
    form: Form,
    *,
    fields: Sequence[str] = (),
    generation: str | None = None,
    rows: int = 500,
    beside: Mapping[str, bytes] | None = None,
    tell: Tell = lambda done, total, name: None,
) -> Exported:
    """Copy the committed pairs of a generation.

    Args:
        store: the store.
        out: folder, absent, empty, or an unfinished export of the same.
        form: what the files are.
        fields: what to take along; default: everything.
        generation: file name; default: the latest.
        rows: most pairs of one file.
        beside: small files that go with it, such as licences.
        tell: hears of every file.

    Raises:
        StoreError: an unknown field, nothing published, or the folder holds something else.
        CorruptStore: the store's bytes, or those read back, are not those committed.
    """
    if rows < 1:
        raise StoreError(f"--rows takes 1 or more pairs of a file, got {rows}.")
    names = tuple(fields) or (*(f.name for f in store.schema.fields), META)
    names = tuple(name for name in store.schema.names if name in names) + tuple(
        name for name in names if name not in store.schema.names  # told below as unknown
    )  # fmt: skip
    splits = {split: PairReader(store, split, names, generation) for split in SPLITS}
    pinned = next(iter(splits.values())).generation
    settings = {"form": form.name, "generation": pinned.hash, "fields": list(names), "rows": rows}
    if (finished := _begin(out, settings)) is not None:
        return finished
    parts = [
        (split, n, -(-len(reader) // rows), range(n * rows, min((n + 1) * rows, len(reader))))
        for split, reader in splits.items()
        for n in range(-(-len(reader) // rows))
    ]
    files = []
    for n, (split, number, of, positions) in enumerate(parts):
        target = form.path(split, number, of)
        files.append(_file(out, target, form, splits[split], positions) | {"split": split})
        tell(n + 1, len(parts), target)
    for name, data in (beside or {}).items():
        write_replace(out / name, data)
    counts = {split: len(reader) for split, reader in splits.items() if len(reader)}
    for reader in splits.values():
        reader.close()
    body = {**settings, "pairs": sum(counts.values()), "splits": counts, "files": files, "name": pinned.name}
    write_replace(out / MANIFEST, seal(body))
    shutil.rmtree(out / DONE, ignore_errors=True)
    (out / STATE).unlink(missing_ok=True)
    return _exported(body)


def check_place(out: Path) -> None:
    """Refuse a folder that holds something else than an export.

    Raises:
        StoreError: it does, or it is a file.
    """
    if out.exists() and not out.is_dir():
        raise StoreError(f"--out {out} is a file; give a folder that is absent or empty.")
    ours = (out / MANIFEST).exists() or (out / STATE).exists()
    if not ours and out.is_dir() and any(out.iterdir()):
        raise StoreError(f"{out} is not empty and holds no export; choose another --out.")


def _begin(out: Path, settings: Mapping[str, Any]) -> Exported | None:
    """The finished export that is there, or None once the folder is ready for this one.

    Raises:
        StoreError: the folder holds something else.
    """
    check_place(out)
    out.mkdir(parents=True, exist_ok=True)
    there = out / MANIFEST if (out / MANIFEST).exists() else out / STATE
    if there.exists():
        body = read_sealed(there)
        if differs := [name for name, value in settings.items() if body.get(name) != value]:
            raise StoreError(
                f"{out} holds an export with another {differs[0]} ({body.get(differs[0])}, now "
                f"{settings[differs[0]]}); choose another --out, or delete it."
            )
        if there.name == MANIFEST:
            for file in body["files"]:
                if not (out / file["name"]).is_file() or sha256_file(out / file["name"]) != file["sha256"]:
                    raise CorruptStore(
                        f"{out / file['name']} is not what was exported; delete {there} to repair it."
                    )
            return _exported(body)
    write_replace(out / STATE, seal(settings))
    (out / DONE).mkdir(exist_ok=True)
    return None


def _file(out: Path, name: str, form: Form, reader: PairReader, positions: range) -> dict[str, Any]:
    """One file of the export, made unless it is there and whole."""
    target, note = out / name, out / DONE / f"{Path(name).name}.json"
    if target.exists() and note.exists():
        told = read_sealed(note)
        if sha256_file(target) == told["sha256"]:
            return told
    target.parent.mkdir(parents=True, exist_ok=True)
    temp = target.with_name(f".{target.name}.tmp")
    wanted: list[Mark] = []

    def pairs() -> Pairs:
        for i in positions:
            raw = reader.raw(i)
            wanted.extend((reader.keys[i], field, reader.crc(i, field)) for field in reader.fields)
            yield reader.keys[i], raw

    try:
        form.write(temp, pairs(), reader.schema, reader.fields)
        if list(form.marks(temp, reader.schema, reader.fields)) != wanted:
            raise CorruptStore(
                f"{temp}: what was read back is not what was written; check the disk and type it again."
            )
        told = {
            "name": name,
            "pairs": len(positions),
            "bytes": temp.stat().st_size,
            "sha256": sha256_file(temp),
        }
        temp.replace(target)
    except OSError as error:
        raise StoreError(
            f"{error.strerror or error} while writing {target}; free space or permissions, then type the command again."
        ) from error
    finally:
        temp.unlink(missing_ok=True)
    sync_folder(target.parent)
    write_replace(note, seal(told))
    return told


def _exported(body: Mapping[str, Any]) -> Exported:
    return Exported(body["pairs"], dict(body["splits"]), tuple(body["files"]), body["name"])


def sync_file(path: Path) -> None:
    """Bring a file that some library wrote to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
