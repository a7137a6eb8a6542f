from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from storage.export_forms import FORMS, _lists, arrow_schema
from storage.schema import META, Schema
from tests.storage.toy_store import QUALITY, SIZES


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.sampled_from([(), (3,), (2, 2)]))
def test_arrays_become_nested_lists(lengths: list[int], last: tuple[int, ...]) -> None:
    arrays = [np.arange(n * int(np.prod(last)), dtype=np.float16).reshape(n, *last) for n in lengths]
    kind = pa.float16()
    for _ in range(1 + len(last)):
        kind = pa.list_(kind)
    assert _lists(arrays, kind).to_pylist() == [array.tolist() for array in arrays]


def test_only_columns_that_were_asked_for() -> None:
    schema = Schema(quality=QUALITY, sizes=SIZES)
    assert arrow_schema(schema, ("mask",)).names == ["key", "mask"]
    names = arrow_schema(schema, (META,)).names
    assert names == ["key", "meta", "source", "head", "texture", "yaw", "turn", "quality_gap", "quality_seam"]


def test_files_are_named_as_their_readers_expect() -> None:
    assert FORMS["hf"].path("train", 3, 12) == "data/train-00003-of-00012.parquet"
    assert FORMS["webdataset"].path("val", 0, 1) == "val/val-000000.tar"
