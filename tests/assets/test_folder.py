from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import photo_layouts
import pytest

from assets.readers.sets import read_photos
from assets.readers.tree import PhotoSetError
from assets.registry import data_dir

JPEG = photo_layouts.jpeg(np.zeros((64, 64, 3), np.uint8))


def test_a_ledger_beside_the_pictures_says_what_may_be_done(tmp_path: Path) -> None:
    rows = [
        {"file": "a.jpg", "licence": "CC-BY-4.0", "attribution": "Ann", "identity": "x"},
        {
            "file": "deep/b.jpg",
            "license": "MIT",
            "author": "Bob",
            "package": "kit 1.0",
            "source": "img/b.jpg",
        },
    ]
    photo_layouts.write(
        tmp_path, {"a.jpg": JPEG, "deep/b.jpg": JPEG, "c.jpg": JPEG, "photos.json": json.dumps(rows)}
    )
    a, c, b = read_photos(tmp_path).photos
    assert (a.licence, a.attribution, a.identity) == ("CC-BY-4.0", "Ann", "x")
    assert (b.licence, b.attribution, b.origin) == ("MIT", "Bob", "kit 1.0: img/b.jpg")
    assert c.licence == ""  # nobody said: ask


def test_defaults_hold_for_all(tmp_path: Path) -> None:
    told = {"licence": "own", "attribution": "me", "entries": [{"path": "a.jpg", "licence": "CC0-1.0"}]}
    photo_layouts.write(tmp_path, {"a.jpg": JPEG, "b.jpg": JPEG, "photos.json": json.dumps(told)})
    assert [(p.licence, p.attribution) for p in read_photos(tmp_path).photos] == [
        ("CC0-1.0", "me"),
        ("own", "me"),
    ]


def test_our_own_ledger_is_one() -> None:
    found = read_photos(data_dir() / "photos")
    assert all(photo.licence and photo.attribution and photo.origin for photo in found.photos)


@pytest.mark.parametrize("text", ["{", "[1, 2]", '[{"licence": "MIT"}]', '"x"', '{"entries": 3}'])
def test_a_ledger_that_is_none_is_a_sentence(tmp_path: Path, text: str) -> None:
    photo_layouts.write(tmp_path, {"a.jpg": JPEG, "photos.json": text})
    with pytest.raises(PhotoSetError, match=r"photos.json is no ledger of photographs"):
        read_photos(tmp_path)
