"""What ships with the project or is fetched by it: one ledger, and paths that are verified before use.

Every folder under ``assets/data`` keeps a ``ledger.json`` with an entry per file: hash, licence, source and
attribution. A path given by :meth:`Ledger.path` has been hashed in this process.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from assets.textures import TexturePool
    from models.heads.linear import LinearHead

Kind = Literal["head", "texture", "photo", "weights", "landmarks", "scan"]
KINDS: tuple[str, ...] = get_args(Kind)
DATA = Path(__file__).resolve().parent / "data"
FETCHED_ENV = "FACEPAIRS_ASSETS"
OWN = "own"  # folder below the fetched one: what a user added, with a ledger of its own


class AssetError(RuntimeError):
    """An asset is unknown, missing, changed or not usable; the message is one sentence that names the fix."""


@dataclass(frozen=True)
class Entry:
    """One file of the ledger.

    ``path`` is relative to ``assets/data`` or, when ``fetched``, to the fetched folder. ``tags`` carry what a
    kind needs to know beyond its bytes (for textures: ``part``, ``subject``).
    """

    name: str
    kind: Kind
    path: str
    sha256: str
    bytes: int
    licence: str  # SPDX id, or a short phrase where no id fits
    source: str  # package, version and member the bytes come from
    attribution: str
    note: str = ""
    fetched: bool = False  # not in the repository: `facepairs assets fetch` obtains it
    commercial: bool = True  # False: research only, and every dataset made with it says so
    tags: Mapping[str, str] = field(default_factory=dict)


def data_dir() -> Path:
    """Folder of the files that ship."""
    return DATA


def fetched_dir() -> Path:
    """Folder of the fetched files: ``$FACEPAIRS_ASSETS``, or ``assets/data/fetched`` when that is not set."""
    override = os.environ.get(FETCHED_ENV)
    return Path(override).expanduser() if override else DATA / "fetched"


@dataclass(frozen=True)
class Ledger:
    """All entries, and the two folders that their paths are relative to."""

    entries_by_name: Mapping[str, Entry]
    root: Path
    fetched_root: Path

    @classmethod
    def load(cls, root: Path | None = None, fetched_root: Path | None = None) -> Ledger:
        """Read every ``<root>/*/ledger.json``.

        Raises:
            AssetError: a ledger is not valid JSON, or has an unknown kind, a bad path or a known name.
        """
        root = DATA if root is None else root
        found: dict[str, Entry] = {}
        for file in sorted(root.glob("*/ledger.json")):
            for entry in _read(file):
                if entry.name in found:
                    msg = (
                        f"{_short(file)} names '{entry.name}', as another ledger does: rename one of the two."
                    )
                    raise AssetError(msg)
                found[entry.name] = entry
        fetched_root = fetched_dir() if fetched_root is None else fetched_root
        own = fetched_root / OWN / "ledger.json"
        for entry in _read(own) if own.is_file() else []:
            if entry.name in found:
                msg = f"{own} names '{entry.name}', as what ships does: rename or delete yours."
                raise AssetError(msg)
            found[entry.name] = entry
        return cls(found, root, fetched_root)

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """Entries of one kind (all kinds for None), sorted by name."""
        if kind is not None and kind not in KINDS:
            msg = f"there is no asset kind '{kind}': use one of {', '.join(KINDS)}."
            raise AssetError(msg)
        return tuple(e for _, e in sorted(self.entries_by_name.items()) if kind in (None, e.kind))

    def entry(self, name: str) -> Entry:
        """The entry of a name.

        Raises:
            AssetError: the ledger has no such name.
        """
        try:
            return self.entries_by_name[name]
        except KeyError:
            msg = f"the ledger has no asset '{name}': `facepairs assets list` shows what it has."
            raise AssetError(msg) from None

    def location(self, entry: Entry) -> Path:
        """Where the file should be, whether or not it is there."""
        return (self.fetched_root if entry.fetched else self.root) / entry.path

    def path(self, name: str) -> Path:
        """Path of an asset whose bytes are those of the ledger; each file is hashed once per process.

        Raises:
            AssetError: unknown name, missing file, or a hash that differs; the sentence says what to type.
        """
        entry = self.entry(name)
        problem = self.problem(entry)
        if problem:
            raise AssetError(problem)
        return self.location(entry)

    def problem(self, entry: Entry) -> str:
        """One sentence about what is wrong with the file of an entry, empty when it is right."""
        file = self.location(entry)
        if not file.is_file():
            return f"asset '{entry.name}' is missing at {_short(file)}: {_fix(entry)}."
        stat = file.stat()
        got = _sha256(file, stat.st_size, stat.st_mtime_ns)
        if got != entry.sha256:
            return (
                f"asset '{entry.name}' at {_short(file)} has sha256 {got[:16]}… ({stat.st_size} bytes), "
                f"expected {entry.sha256[:16]}… ({entry.bytes} bytes): {_fix(entry)}."
            )
        return ""

    def problems(self) -> Iterator[tuple[Entry, str]]:
        """Every entry with its problem, empty strings included."""
        for entry in self.entries():
            yield entry, self.problem(entry)


def record(entry: Entry, root: Path | None = None, folder: str | None = None) -> Entry:
    """Write ``entry`` with the hash and size of its file into ``<root>/<folder>/ledger.json``, atomically.

    Used by the builders, which make the file first. ``folder`` defaults to the first part of ``entry.path``.
    """
    root = DATA if root is None else root
    base = fetched_dir() if entry.fetched else root
    file = base / entry.path
    with file.open("rb") as stream:
        entry = replace(
            entry, sha256=hashlib.file_digest(stream, "sha256").hexdigest(), bytes=file.stat().st_size
        )
    ledger = root / (folder or Path(entry.path).parts[0]) / "ledger.json"
    kept = [e for e in (_read(ledger) if ledger.is_file() else []) if e.name != entry.name]
    rows = [asdict(e) for e in sorted([*kept, entry], key=lambda e: e.name)]
    partial = ledger.with_suffix(".json.tmp")
    partial.write_text(json.dumps({"entries": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(ledger)
    for kept_in_mind in (_ledger, head_model, default_head, texture_pool):
        kept_in_mind.cache_clear()
    return entry


def seal(name: str) -> Entry:
    """Record the present bytes of a known asset as the right ones, after its builder made it anew."""
    for file in sorted(DATA.glob("*/ledger.json")):
        for entry in _read(file):
            if entry.name == name:
                return record(entry, folder=file.parent.name)
    return Ledger.load().entry(name)


def ledger() -> Ledger:
    """The ledger of this installation, read once per process and fetched folder."""
    return _ledger(str(fetched_dir()))


def asset_path(name: str) -> Path:
    """Verified path of an asset of this installation; see :meth:`Ledger.path`."""
    return ledger().path(name)


@cache
def default_head() -> LinearHead:
    """The head model that ships, loaded once per process."""
    return head_model("anny")


@cache
def head_model(name: str) -> LinearHead:
    """A head model of the ledger, loaded once per process; a bilinear one has its core mapped.

    Raises:
        AssetError: unknown, missing or changed, or not a head.
    """
    from models.heads.load import load_head

    entry = ledger().entry(name)
    if entry.kind != "head" or entry.tags.get("part") == "core":
        msg = f"asset '{name}' is not a head model: `facepairs assets list head` shows those there are."
        raise AssetError(msg)
    file = asset_path(name)
    if core := entry.tags.get("core"):
        asset_path(core)  # its hash
    try:
        return load_head(file)
    except ValueError as error:
        raise AssetError(str(error)) from None


@cache
def texture_pool() -> TexturePool:
    """The textures that ship, decoded lazily."""
    from assets.textures import TexturePool

    return TexturePool(ledger())


def photo_paths() -> list[Path]:
    """Verified paths of the photographs that ship, sorted by name."""
    book = ledger()
    return [book.path(e.name) for e in book.entries("photo")]


@cache
def _ledger(fetched: str) -> Ledger:
    return Ledger.load(fetched_root=Path(fetched))


@cache
def _sha256(file: Path, size: int, mtime_ns: int) -> str:
    # Size and time are only the cache key: a file that changes under a running process is hashed again.
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(file: Path) -> list[Entry]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["entries"]
        entries = [Entry(**row) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{_short(file)} is not a ledger ({error}): restore it with `git checkout`."
        raise AssetError(msg) from error
    for entry in entries:
        relative = Path(entry.path)
        if entry.kind not in KINDS or relative.is_absolute() or ".." in relative.parts:
            msg = (
                f"{_short(file)} has entry '{entry.name}' with kind '{entry.kind}' and path '{entry.path}': "
                f"the kind must be one of {', '.join(KINDS)} and the path relative, without '..'."
            )
            raise AssetError(msg)
    return entries


def _fix(entry: Entry) -> str:
    if entry.fetched and Path(entry.path).parts[0] == OWN:
        again = "import" if entry.kind == "head" or "head" in entry.tags else "bake-texture"
        return f"make it again with `facepairs assets {again}`, or delete its entry in {OWN}/ledger.json"
    if entry.fetched:
        return "run `facepairs assets fetch`"
    return f"run `git checkout -- assets/data/{entry.path}`"


def _short(file: Path) -> str:
    try:
        return str(Path("assets/data") / file.relative_to(DATA))
    except ValueError:
        return str(file)
