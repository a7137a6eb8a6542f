from __future__ import annotations

from pathlib import Path

import numpy as np
import photo_layouts
import pytest

from assets.readers.imdb_wiki import NO_FACE, NO_FILE
from assets.readers.sets import read_photos
from assets.readers.tree import PhotoSetError

PICTURES = [np.full((64, 64, 3), 20 * i, np.uint8) for i in range(8)]


@pytest.mark.parametrize("packed", [False, True])
def test_only_pictures_of_one_sure_face_count(tmp_path: Path, packed: bool) -> None:
    rows = photo_layouts.imdb_rows(8)
    rows[0]["face_score"] = -np.inf  # no face at all, as published
    rows[1]["face_score"] = 0.4
    rows[2]["second_face_score"] = 2.0
    rows[3]["full_path"] = "99/not_there.jpg"
    pictures = [p for i, p in enumerate(PICTURES) if i != 3]
    kept = [row for i, row in enumerate(rows) if i != 3]
    folder = photo_layouts.imdb_wiki(tmp_path, pictures, [*kept, rows[3]], packed=packed)
    found = read_photos(folder)
    assert [photo.origin for photo in found.photos] == [str(row["full_path"]) for row in rows[4:]]
    assert (found.left_out[NO_FACE], found.left_out[NO_FILE]) == (3, 1)
    assert [photo.identity for photo in found.photos] == ["imdb-3", "imdb-3", "imdb-4", "imdb-4"]
    assert [dict(photo.looks)["feminine"] for photo in found.photos] == [1.0, 1.0, 0.0, 0.0]


def test_wikipedia_is_told_apart_by_name(tmp_path: Path) -> None:
    rows = photo_layouts.imdb_rows(4)
    rows[3]["gender"] = np.nan
    found = read_photos(photo_layouts.imdb_wiki(tmp_path, PICTURES, rows, "wiki"))
    assert [photo.identity for photo in found.photos] == ["wiki-Person 0"] * 2 + ["wiki-Person 1"] * 2
    assert found.photos[3].looks == ()
    assert {photo.licence for photo in found.photos} == {"IMDB-WIKI"}


def test_another_mat_is_a_sentence(tmp_path: Path) -> None:
    folder = photo_layouts.imdb_wiki(tmp_path, PICTURES, photo_layouts.imdb_rows(2))
    mat = folder / "imdb_crop" / "imdb.mat"
    whole = mat.read_bytes()
    for data in (b"", b"no mat at all", whole[: len(whole) // 2], photo_layouts.imdb_struct([], "wiki")):
        mat.write_bytes(data)
        with pytest.raises(PhotoSetError, match=r"imdb.mat' .* is not the .mat of IMDB-WIKI"):
            read_photos(folder)
