from __future__ import annotations

from pathlib import Path

import numpy as np
import photo_layouts

from assets.readers.sets import read_photos

PICTURES = [np.full((64, 64, 3), 40 * i, np.uint8) for i in range(5)]
LABELS = [
    {"identity": 7, "license": "CC-BY-4.0", "author": "Ann", "url": "https://example.org/0", "caption": "x"},
    {"celeb_id": "b"},
    {},
    {"identity": None},
    {"licence": "CC0-1.0"},
]


def test_labels_are_those_of_the_sample(tmp_path: Path) -> None:
    found = read_photos(photo_layouts.webdataset(tmp_path, PICTURES, LABELS))
    assert [photo.name for photo in found.photos] == [f"{i // 2:05d}.tar/{i:09d}.jpg" for i in range(5)]
    first = found.photos[0]
    assert (first.identity, first.licence, first.attribution, first.origin) == (
        "7", "CC-BY-4.0", "Ann", "https://example.org/0"
    )  # fmt: skip
    assert [photo.identity for photo in found.photos] == ["7", "b", "", "", ""]
    assert found.photos[4].licence == "CC0-1.0"


def test_one_shard_alone_is_a_set_too(tmp_path: Path) -> None:
    photo_layouts.webdataset(tmp_path, PICTURES, LABELS, per_shard=9)
    found = read_photos(tmp_path / "00000.tar")
    assert (found.kind, [photo.identity for photo in found.photos]) == ("webdataset", ["7", "b", "", "", ""])


def test_damaged_and_endless_labels_are_counted(tmp_path: Path) -> None:
    photo_layouts.tar(tmp_path / "a.tar", {
        "1.jpg": photo_layouts.jpeg(PICTURES[0]), "1.json": "{", "2.jpg": photo_layouts.jpeg(PICTURES[1]),
        "2.json": '{"a": "' + "x" * 70000 + '"}', "3.jpg": photo_layouts.jpeg(PICTURES[2]), "3.json": "[" * 30000,
    })  # fmt: skip
    found = read_photos(tmp_path)
    assert len(found.photos) == 3
    assert found.left_out == {"label files that are damaged": 2, "label files that are too long": 1}
