"""What every reader of a photo set gives: photographs with their places, labels and terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from assets.readers.members import Member
from assets.readers.photo import SUFFIXES
from assets.readers.tree import Tree

LABELS = ("identity", "licence", "attribution", "origin", "collection")


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph of a set.

    ``identity`` is who it shows, or another group that may not be torn apart by a split; ``masks`` are places by class
    name (CelebAMask-HQ's), ``looks`` numbers of ``assets.appearance`` that its labels know better than a measurement.
    """

    where: str  # place, see assets.readers.members
    name: str
    identity: str = ""
    licence: str = ""
    attribution: str = ""
    origin: str = ""
    collection: str = ""
    masks: tuple[tuple[str, str], ...] = ()
    looks: tuple[tuple[str, float], ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """What its row of the source table says besides what is measured."""
        return {name: getattr(self, name) for name in LABELS}

    def file(self) -> Path | Member:
        """What annotation reads: the path of a plain file, else a member."""
        if self.where.startswith("/") and not self.masks:
            return Path(self.where)
        return Member(self.where, self.name, dict(self.masks))

    def to_json(self) -> list[Any]:
        """``[place, name]``, and the rest as a dict where there is more to say."""
        rest: dict[str, Any] = {name: value for name, value in self.labels.items() if value}
        rest |= {name: dict(value) for name in ("masks", "looks") if (value := getattr(self, name))}
        return [self.where, self.name, rest] if rest else [self.where, self.name]

    @staticmethod
    def from_json(told: list[Any]) -> Photo:
        """Inverse of :meth:`to_json`."""
        where, name, *more = told
        rest = dict(more[0]) if more else {}
        sets = {key: tuple(rest.pop(key).items()) for key in ("masks", "looks") if key in rest}
        return Photo(where, name, **rest, **sets)


@dataclass(frozen=True)
class PhotoSet:
    """The photographs of a set, and what it was taken for."""

    kind: str
    title: str  # of the kind, for people
    root: Path
    photos: tuple[Photo, ...]  # by name
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def line(self) -> str:
        """One sentence: what it was taken for, how many, whose, under which terms, what was left out."""
        people = {photo.identity for photo in self.photos if photo.identity}
        labelled = f" of {len(people)} identities or groups" if people else ""
        terms = Counter(photo.licence or "not stated" for photo in self.photos)
        told = ", ".join(f"{name} ({n})" if len(terms) > 1 else name for name, n in terms.most_common(4))
        more = ", ..." if len(terms) > 4 else ""
        out = "".join(f"; left out: {n} {why}" for why, n in sorted(self.left_out.items()) if n)
        return f"{self.root} taken for {self.title}: {len(self.photos)} photographs{labelled}; terms: {told}{more}{out}"


class Reader(Protocol):
    """Reads one kind of photo set. Modules of this package, not instances: ``KIND, TITLE, recognises, read``."""

    KIND: str
    TITLE: str

    def recognises(self, tree: Tree) -> bool:
        """Whether the tree has the files that only this kind has."""
        ...

    def read(self, tree: Tree) -> Iterable[Photo]:
        """Its photographs, in any order.

        Raises:
            PhotoSetError: a file that the kind must have is missing or damaged.
        """
        ...


def pictures(tree: Tree) -> Iterator[tuple[str, str]]:
    """Name and place of every file that may be a picture, by its suffix."""
    for name, where in tree.files.items():
        if name[name.rfind(".") :].lower() in SUFFIXES:
            yield name, where
