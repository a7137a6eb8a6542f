"""CelebA as its owners publish it: aligned (178×218) or in-the-wild JPEGs, and text files of labels beside them.

``identity_CelebA.txt`` ("000001.jpg 2880") decides the split, ``list_attr_celeba.txt`` (count, names, then a row of 1
and -1 per picture) tells sex and beard. The in-the-wild pictures are taken where both are there, since they are
sharper; ``celeba-aligned:PATH`` asks for the others. Source: the data set's README, Liu et al., ICCV 2015.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from assets.readers.photo_set import Photo
from assets.readers.tree import PhotoSetError, Tree

KIND, TITLE = "celeba", "CelebA"
TERMS = "CelebA"
ALIGNED = re.compile(r"(?:^|/)img_align_celeba[^/]*/(?:.*/)?(\d{6})\.(?:jpg|png)$")
WILD = re.compile(r"(?:^|/)img_celeba[^/]*/(?:.*/)?(\d{6})\.jpg$")
BEARDS = ("5_o_Clock_Shadow", "Goatee", "Mustache")


def recognises(tree: Tree) -> bool:
    """One of its two picture folders, packed or not."""
    return any(ALIGNED.search(name) or WILD.search(name) for name in tree.files)


def read(tree: Tree) -> Iterator[Photo]:
    """In-the-wild pictures, or the aligned ones where those are not there."""
    wild = any(WILD.search(name) for name in tree.files)
    return _read(tree, WILD if wild else ALIGNED, "CelebA in the wild" if wild else "CelebA aligned")


def read_aligned(tree: Tree) -> Iterator[Photo]:
    """The aligned pictures."""
    return _read(tree, ALIGNED, "CelebA aligned")


def _read(tree: Tree, pattern: re.Pattern[str], collection: str) -> Iterator[Photo]:
    people, attributes = (
        identities(tree),
        attribute_table(tree, "list_attr_celeba.txt", "list_attr_celeba.csv"),
    )
    for name, where in tree.files.items():
        if found := pattern.search(name):
            file = f"{found[1]}.jpg"
            person = people.get(file, "")
            yield Photo(
                where, name, f"celeba-{person}" if person else "", TERMS, "CelebA, Liu et al. 2015", file, collection,
                looks=looks(attributes.get(file, {})),
            )  # fmt: skip


def identities(tree: Tree) -> dict[str, str]:
    """Person by file name, from ``identity_CelebA.txt``; none without it.

    Raises:
        PhotoSetError: a line is not a file name and a number.
    """
    name = tree.named("identity_CelebA.txt")
    found = {}
    for number, line in enumerate(tree.text(name) if name else (), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or not words[1].isdigit():
            msg = (
                f"'{name}' in {tree.root}, line {number}: a file name and a number expected, got '{line[:40]}'; "
                "get the file again."
            )
            raise PhotoSetError(msg)
        found[words[0]] = words[1]
    return found


def attribute_table(tree: Tree, *names: str) -> dict[str, Mapping[str, bool]]:
    """Attributes by file name, of those that :func:`looks` reads.

    Raises:
        PhotoSetError: a row does not have as many numbers as there are names.
    """
    name = tree.named(*names)
    if name is None:
        return {}
    lines = (line.replace(",", " ").split() for line in tree.text(name))
    first = next(lines, [])
    header = next(lines, []) if len(first) == 1 and first[0].isdigit() else first
    header = [word for word in header if word != "image_id"]
    wanted = [(i, word) for i, word in enumerate(header) if word in ("Male", "No_Beard", *BEARDS)]
    table: dict[str, Mapping[str, bool]] = {}
    for number, words in enumerate(lines, 3):
        if not words:
            continue
        if len(words) != len(header) + 1:
            msg = (
                f"'{name}' in {tree.root}, line {number}: {len(header)} attributes expected, got {len(words) - 1}; "
                "get the file again."
            )
            raise PhotoSetError(msg)
        table[words[0]] = {word: words[i + 1] == "1" for i, word in wanted}
    return table


def looks(attributes: Mapping[str, bool]) -> tuple[tuple[str, float], ...]:
    """Numbers of ``assets.appearance`` that the attributes know: sex, and that there is no beard."""
    found = []
    if "Male" in attributes:
        found.append(("feminine", 0.0 if attributes["Male"] else 1.0))
    if attributes.get("No_Beard") and not any(attributes.get(name) for name in BEARDS):
        found.append(("beard", 0.0))
    return tuple(found)
