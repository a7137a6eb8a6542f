from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import photo_layouts
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readers import ffhq
from assets.readers.sets import read_photos
from assets.readers.tree import PhotoSetError
from assets.terms import terms

PICTURES = [np.full((64, 64, 3), 60 * i, np.uint8) for i in range(4)]
AUTHORS = ["ann", "bob", "ann", "cy"]
LICENCES = [
    "Attribution License", "Attribution-NonCommercial License", "Public Domain Mark", "United States Government Work"
]  # fmt: skip


def test_every_photograph_carries_its_author_licence_and_address(tmp_path: Path) -> None:
    found = read_photos(photo_layouts.ffhq(tmp_path, PICTURES, AUTHORS, LICENCES))
    assert [photo.identity for photo in found.photos] == [
        "flickr-ann",
        "flickr-bob",
        "flickr-ann",
        "flickr-cy",
    ]
    for photo, licence in zip(found.photos, LICENCES, strict=True):
        assert photo.licence == f"{licence} AND CC-BY-NC-SA-4.0"
        assert terms(photo.licence).publish
        assert not terms(photo.licence).commercial
        assert photo.origin.startswith("https://www.flickr.com/photos/")
    assert found.photos[0].attribution.startswith("ann on Flickr")
    assert len(found.photos) == 4  # no thumbnails


def test_pictures_in_the_wild_are_read_when_asked_for_or_alone(tmp_path: Path) -> None:
    photo_layouts.ffhq(tmp_path, PICTURES, AUTHORS, LICENCES, wild=True)
    assert {photo.collection for photo in read_photos(tmp_path).photos} == {"FFHQ in the wild"}
    photo_layouts.ffhq(tmp_path, PICTURES, AUTHORS, LICENCES)
    assert {photo.collection for photo in read_photos(tmp_path).photos} == {"FFHQ 1024"}
    assert {photo.collection for photo in read_photos(tmp_path, "ffhq-wild").photos} == {"FFHQ in the wild"}


def test_without_the_json_the_set_s_own_terms_hold(tmp_path: Path) -> None:
    photo_layouts.ffhq(tmp_path, PICTURES, AUTHORS, LICENCES)
    metadata = tmp_path / "ffhq-dataset-v2.json"
    whole = metadata.read_bytes()
    metadata.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PhotoSetError, match=r"ffhq-dataset-v2.json' .* is damaged after \d+ records"):
        read_photos(tmp_path)
    metadata.unlink()
    assert {photo.licence for photo in read_photos(tmp_path).photos} == {"CC-BY-NC-SA-4.0"}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.text(max_size=8), VALUES, max_size=4), st.integers(1, 40), st.sampled_from([None, 1])
)
def test_an_object_is_read_item_by_item_whatever_the_blocks(
    told: dict[str, object], block: int, indent: int | None
) -> None:
    data = json.dumps(told, indent=indent, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ffhq, "BLOCK", block)
        assert list(ffhq.each_item(io.BytesIO(data))) == list(told.items())
        for end in {len(data) - 1, len(data) // 2}:
            with pytest.raises(ValueError):
                list(ffhq.each_item(io.BytesIO(data[:end])))
