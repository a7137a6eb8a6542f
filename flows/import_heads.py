"""Imports published head models and their textures into the folder of what a user added, with licence and source."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from assets.heads.adopt import adopt, write_core, write_head
from assets.heads.raw import RawHead
from assets.registry import OWN, AssetError, Entry, Kind, default_head, fetched_dir, ledger, record
from models.heads.load import core_file

Say = Callable[[str], None]


@dataclass(frozen=True)
class Terms:
    """What the ledger says of an import; every store made with it repeats it."""

    licence: str
    source: str
    attribution: str
    commercial: bool
    note: str = ""


ICT_TERMS = Terms(
    "MIT", "ICT-FaceKit:FaceXModel", "University of Southern California, Institute for Creative Technologies", True
)


def import_ict(folder: Path, name: str, say: Say) -> Entry:
    """ICT-FaceKit's folder as a linear head.

    Raises:
        AssetError: files are missing, of another version or damaged, or the name is taken.
    """
    from assets.readers.ict import read_ict

    free_name(name)
    say(f"reading {folder}")
    return install_head(read_ict(folder, name), sorted(folder.rglob("*.obj")), ICT_TERMS, say)


def free_name(name: str) -> None:
    """Refuse a name that something else in the ledger has; a head of one's own may be imported again.

    Raises:
        AssetError: the name is taken, or no file can have it.
    """
    if not name or not all(c.isalnum() or c in "-_" for c in name):
        msg = f"'{name}' cannot name a head: use letters, digits, '-' and '_'."
        raise AssetError(msg)
    there = ledger().entries_by_name.get(name)
    if there is not None and not (there.kind == "head" and there.path.startswith(f"{OWN}/")):
        msg = f"the ledger has a {there.kind} '{name}' already; choose another name with --name."
        raise AssetError(msg)


def install_head(raw: RawHead, files: Iterable[Path], terms: Terms, say: Say) -> Entry:
    """Adopt a model, write its files and record them.

    Args:
        raw: the model.
        files: what it was read from; the head file keeps one hash over all of them.
        terms: licence and source.
        say: gets a short sentence at the start of each step.
    """
    made = {**raw.provenance, "license": terms.licence, "inputs_sha256": digest_of(files)}
    raw = replace(raw, provenance=made)
    adopted = adopt(raw, default_head(), say)
    file = fetched_dir() / OWN / "heads" / f"{raw.name}.npz"
    tags: dict[str, str] = {}
    if raw.core is not None:
        say("writing the core")
        write_core(adopted, raw, core_file(file))
        tags = {"core": f"{raw.name}-core"}
        own_entry(tags["core"], "head", core_file(file), terms, {"part": "core"})
    write_head(adopted.arrays, file)
    return own_entry(raw.name, "head", file, terms, tags)


def own_entry(name: str, kind: Kind, file: Path, terms: Terms, tags: Mapping[str, str]) -> Entry:
    """Record a file below the folder of a user's own assets."""
    entry = Entry(
        name, kind, file.relative_to(fetched_dir()).as_posix(), "", 0, terms.licence, terms.source, terms.attribution,
        terms.note, fetched=True, commercial=terms.commercial, tags=tags,
    )  # fmt: skip
    return record(entry, root=fetched_dir(), folder=OWN)


def digest_of(files: Iterable[Path]) -> str:
    """One hash over the names and contents of the files that something was made from."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            whole.update(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {file.name}\n".encode())
    return whole.hexdigest()
