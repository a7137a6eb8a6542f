"""FFHQ as NVIDIA publishes it: PNGs of 1024² or in the wild, and ``ffhq-dataset-v2.json`` with one record per picture.

The records say who published each photograph on Flickr, and under which licence: both go into the ledger, together with
the data set's own CC-BY-NC-SA-4.0. FFHQ labels no people, so its splits are by Flickr author, which also keeps several
faces cut from one photograph together. The JSON (255 MB) is read record by record.

The aligned pictures are taken where both are there; ``ffhq-wild:PATH`` asks for the others.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO, Any

from assets.readers.photo_set import Photo
from assets.readers.tree import PhotoSetError, Tree

KIND, TITLE = "ffhq", "FFHQ"
TERMS = "CC-BY-NC-SA-4.0"
BY = "Flickr-Faces-HQ, Karras et al. 2019"
ALIGNED = re.compile(r"(?:^|/)images1024x1024[^/]*/(?:.*/)?(\d{5})\.png$")
WILD = re.compile(r"(?:^|/)in-the-wild-images[^/]*/(?:.*/)?(\d{5})\.png$")
METADATA = ("ffhq-dataset-v2.json", "ffhq-dataset-v1.json")
MOST_RECORD = (
    1 << 24
)  # characters of one record; FFHQ's have 4 thousand. Each is looked at anew with every block
BLOCK = 1 << 20  # bytes of JSON read at once


def recognises(tree: Tree) -> bool:
    """One of its picture folders, packed or not; thumbnails do not count."""
    return any(ALIGNED.search(name) or WILD.search(name) for name in tree.files)


def read(tree: Tree) -> Iterator[Photo]:
    """The aligned pictures, or those in the wild where the aligned ones are not there."""
    aligned = any(ALIGNED.search(name) for name in tree.files)
    return _read(tree, ALIGNED if aligned else WILD, "FFHQ 1024" if aligned else "FFHQ in the wild")


def read_wild(tree: Tree) -> Iterator[Photo]:
    """The pictures in the wild."""
    return _read(tree, WILD, "FFHQ in the wild")


def _read(tree: Tree, pattern: re.Pattern[str], collection: str) -> Iterator[Photo]:
    found = {int(match[1]): name for name in tree.files if (match := pattern.search(name))}
    metadata = tree.named(*METADATA)
    told = _records(tree, metadata) if metadata else {}
    for number, name in found.items():
        author, licence, url = told.get(number, ("", "", ""))
        yield Photo(
            tree.files[name], name, f"flickr-{author}" if author else "",
            f"{licence} AND {TERMS}" if licence else TERMS, f"{author} on Flickr; {BY}" if author else BY, url,
            collection,
        )  # fmt: skip


def _records(tree: Tree, name: str) -> dict[int, tuple[str, str, str]]:
    """Author, licence and address of every photograph, by number.

    Raises:
        PhotoSetError: the file is no such JSON.
    """
    found = {}
    try:
        with tree.open(name) as file:
            for key, record in each_item(file):
                told = record["metadata"]
                found[int(key)] = (
                    str(told.get("author", "")),
                    str(told.get("license", "")),
                    str(told.get("photo_url", "")),
                )
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        msg = (
            f"'{name}' in {tree.root} is damaged after {len(found)} records ({type(error).__name__}: {error}); get it "
            "again, or take it away: then all photographs are under the data set's own terms and split one by one."
        )
        raise PhotoSetError(msg) from error
    return found


def each_item(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    """Key and value of the object that a JSON file is, one after the other, in bounded memory.

    Raises:
        ValueError: it is no object, or it is cut off.
    """
    decoder, text = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8-sig")()
    buffer, at, ended = "", 0, False

    def more() -> None:
        nonlocal buffer, at, ended
        block = file.read(BLOCK)
        ended = not block
        buffer, at = buffer[at:] + text.decode(block, final=ended), 0

    def skip(expected: str) -> str:
        """The next character that is no space, which must be one of those expected."""
        nonlocal at
        while True:
            while at < len(buffer) and buffer[at] in " \t\r\n":
                at += 1
            if at < len(buffer):
                if buffer[at] not in expected:
                    raise ValueError(f"one of {expected} expected, got {buffer[at]!r}")
                at += 1
                return buffer[at - 1]
            if ended:
                raise ValueError("it is cut off")
            more()

    def value() -> Any:
        nonlocal at
        while True:
            start = at
            while start < len(buffer) and buffer[start] in " \t\r\n":
                start += 1
            try:
                found, end = decoder.raw_decode(buffer, start)
                # A number whose digits go on in the next block reads as a shorter one.
                if ended or buffer[end : end + 1] in (*" \t\r\n,:}",):
                    at = end
                    return found
            except ValueError:
                if ended:
                    raise
            if len(buffer) - at > MOST_RECORD:
                raise ValueError(f"a record of more than {MOST_RECORD} characters")
            more()

    skip("{")
    if skip('"}') == "}":
        return
    at -= 1
    while True:
        key = value()
        skip(":")
        yield str(key), value()
        if skip(",}") == "}":
            return
