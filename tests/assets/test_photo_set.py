from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readers.members import Member
from assets.readers.photo_set import Photo, PhotoSet

WORDS = st.text(max_size=8)


@settings(max_examples=30, deadline=None)
@given(st.builds(
    Photo, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS,
    st.dictionaries(WORDS, WORDS, max_size=3).map(lambda d: tuple(d.items())),
    st.dictionaries(WORDS, st.floats(0, 1), max_size=3).map(lambda d: tuple(d.items())),
))  # fmt: skip
def test_photographs_survive_json(photo: Photo) -> None:
    assert Photo.from_json(json.loads(json.dumps(photo.to_json()))) == photo


def test_a_plain_photograph_is_two_words_and_a_path() -> None:
    photo = Photo("/data/a.jpg", "a.jpg")
    assert photo.to_json() == ["/data/a.jpg", "a.jpg"]
    assert photo.file() == Path("/data/a.jpg")
    assert isinstance(Photo("tar:0:1:/data/a.tar", "a.tar/a.jpg").file(), Member)


def test_the_line_tells_kind_people_terms_and_what_was_left_out() -> None:
    photos = tuple(Photo("/a", str(i), identity=str(i % 2), licence="MIT" if i else "") for i in range(3))
    found = PhotoSet("folder", "a plain collection", Path("/data"), photos, Counter({"links": 2, "none": 0}))
    assert found.line == (
        "/data taken for a plain collection: 3 photographs of 2 identities or groups; terms: MIT (2), not stated (1); "
        "left out: 2 links"
    )
