from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import CorruptStore, StoreError
from storage.files import seal
from storage.layout import StoredFile
from storage.manifest import Manifest, check_follows

SHA = "ab" * 32
STORE = [["store.json", 3, SHA], ["plan/plan.parquet", 4, SHA]]


def _read(files: list[Any], **changes: Any) -> Manifest:
    body = {"format": 1, "plan": "p", "generation": "", "number": 1, "files": STORE + files} | changes
    return Manifest.read(seal(body), "s3://b/published/000001.json")


def test_a_manifest_reads_back_and_its_content_has_no_number() -> None:
    files = (StoredFile("plan/plan.parquet", 4, SHA), StoredFile("store.json", 3, SHA))
    one, two = Manifest(1, "p", "gen-000001.json", files), Manifest(2, "p", "gen-000001.json", files)
    assert Manifest.read(one.sealed(), "here") == one
    assert (one.content, one.size) == (two.content, 7)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd", "/etc/passwd", "shards/../../x.tar", "snapshot/..", "snapshot/.", "snapshot/a/b",
        "commits/../store.json", "snapshot/a\\b", "snapshot/a\x00b", "shards/000/000001-a.sh", "tmp/x", "~/x", "",
        "store.json\n", "commits/١٢٣٤٥٦.json", "C:x", ".bashrc", "shards/000/000001-a.tar/../../../x",
    ],
)  # fmt: skip
def test_names_that_no_store_has_are_refused(name: str) -> None:
    with pytest.raises(CorruptStore, match="which no store has; do not use this store"):
        _read([[name, 1, SHA]])


@given(st.text(max_size=40))
def test_no_name_leads_out_of_the_cache(name: str) -> None:
    try:
        files = _read([[name, 1, SHA]]).files
    except CorruptStore:
        return
    for file in files:
        assert not file.name.startswith("/")
        assert ".." not in file.name.split("/")
        assert "\\" not in file.name


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
def test_whatever_is_sealed_is_a_manifest_or_refused(value: Any) -> None:
    for body in (
        {"files": value},
        {"format": 1, "plan": value, "generation": value, "number": value, "files": value},
    ):
        with pytest.raises(StoreError):
            Manifest.read(seal(body), "here")
    with pytest.raises(StoreError):
        _read([value])


def test_sizes_and_hashes_are_checked() -> None:
    for size, digest in (
        (-1, SHA),
        (1.5, SHA),
        (True, SHA),
        (1, "x" * 64),
        (1, "../" + SHA[3:]),
        (1, SHA + "\n"),
    ):
        with pytest.raises(CorruptStore, match=r"do not use this store|no manifest"):
            _read([["run.json", size, digest]])


def test_a_manifest_without_a_store_or_with_a_name_twice_is_refused() -> None:
    for files in ([], STORE[:1], [*STORE, STORE[0]]):
        sealed = seal({"format": 1, "plan": "p", "generation": "", "number": 1, "files": files})
        with pytest.raises(CorruptStore, match=r"names a file twice, or no store\.json and plan"):
            Manifest.read(sealed, "here")
    with pytest.raises(StoreError, match="has format 9"):
        _read([], format=9)


def test_no_upload_may_lose_shards_or_change_the_plan() -> None:
    both = [["commits/000000.json", 1, SHA], ["commits/000001.json", 1, SHA]]
    before, same, less = _read(both), _read(both, number=2), _read(both[1:], number=2)
    check_follows("s3://b", before, same)
    with pytest.raises(StoreError, match=r"holds 1 shards that this store lacks, first commits/000000.json"):
        check_follows("s3://b", before, less)
    with pytest.raises(StoreError, match="choose another prefix"):
        check_follows("s3://b", before, _read(both, plan="q"))
