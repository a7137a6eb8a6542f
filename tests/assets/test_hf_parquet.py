from __future__ import annotations

from pathlib import Path

import numpy as np
import photo_layouts
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.readers.sets import read_photos
from assets.readers.tree import PhotoSetError

PICTURES = [np.full((64, 64, 3), 40 * i, np.uint8) for i in range(5)]


def test_rows_with_labels_are_read_in_place(tmp_path: Path) -> None:
    labels = {"identity": [1, 1, 2, None, 3], "license": ["CC0-1.0"] * 5, "label": [0.5] * 5}
    found = read_photos(photo_layouts.hf_parquet(tmp_path, PICTURES, labels))
    assert [photo.identity for photo in found.photos] == ["1", "1", "2", "", "3"]
    assert {photo.licence for photo in found.photos} == {"CC0-1.0"}
    assert found.photos[3].name == "data/train-00000-of-00001.parquet/00000003-3.jpg"
    for photo, picture in zip(found.photos, PICTURES, strict=True):
        assert photo.file().read_bytes() == photo_layouts.jpeg(picture)


def test_a_plain_binary_column_does_and_several_are_a_question(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    column = [photo_layouts.jpeg(p) for p in PICTURES]
    pq.write_table(pa.table({"jpg": column, "embedding": column}), file)
    assert len(read_photos(file).photos) == 5
    pq.write_table(pa.table({"a": column, "b": column}), file)
    with pytest.raises(PhotoSetError, match=r"no single column of pictures \(columns that might be: a, b\)"):
        read_photos(file)
    pq.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(PhotoSetError, match="none"):
        read_photos(file)


def test_a_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    photo_layouts.hf_parquet(tmp_path, PICTURES, {})
    file = next(tmp_path.rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(PhotoSetError, match="no sound parquet file"):
        read_photos(tmp_path)
