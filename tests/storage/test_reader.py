from __future__ import annotations

import copy
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import reader as reader_module
from storage.errors import CorruptStore, SchemaError, StoreError
from storage.generation import publish
from storage.reader import EpochOrder, PairReader
from storage.schema import META, encode
from storage.store import Store
from tests.storage.toy_store import fill, flip_bit, toy_create, toy_fields


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = toy_create(tmp_path_factory.mktemp("reader") / "store")
    fill(made)
    publish(made)
    return made


def _keys(store: Store) -> list[str]:
    return [row.key for row in store.plan.rows if int(row.key) % 5 != 2]


def test_it_holds_every_committed_sample_once(store: Store) -> None:
    reader = PairReader(store)
    assert list(reader.keys) == _keys(store)
    for i in (0, 5, len(reader) - 1):
        got, want = reader[i], toy_fields(reader.keys[i])
        assert got.pop("key") == reader.keys[i]
        assert set(got) == set(want)
        np.testing.assert_array_equal(got["normal_front"], want["normal_front"])
        np.testing.assert_array_equal(got["sdf_value"], want["sdf_value"])


@pytest.mark.parametrize(
    "fields",
    [
        ("image",),
        ("sdf_index", "sdf_value"),
        ("meta", "depth"),
        tuple(toy_fields("0")),
        (*toy_fields("0"), META),
    ],
)
def test_only_the_fields_asked_for_are_read(store: Store, fields: tuple[str, ...]) -> None:
    reader = PairReader(store, fields=fields)
    raw = reader.raw(4)
    assert tuple(raw) == fields
    want = toy_fields(reader.keys[4])
    for name in fields:
        if name != META:
            assert bytes(raw[name]) == encode(store.schema[name], want[name])
    assert set(reader[4]) == {"key", *fields}


def test_splits_are_disjoint_and_together_whole(store: Store) -> None:
    parts = [PairReader(store, split).keys for split in ("train", "val", "test")]
    assert sorted(k for part in parts for k in part) == _keys(store)
    assert all(store.plan.row(k).split == "train" for k in parts[0])


def test_unpublished_unknown_and_foreign_things_are_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no field 'sdf'"):
        PairReader(store, fields=["sdf"])
    with pytest.raises(StoreError, match=r"no generation 'gen-000007\.json'"):
        PairReader(store, generation="gen-000007.json")
    fresh = toy_create(tmp_path / "store")
    fill(fresh)
    with pytest.raises(StoreError, match="no published generation"):
        PairReader(fresh)
    publish(fresh)
    (fresh.root / "commits" / "000001.json").unlink()
    with pytest.raises(CorruptStore, match=r"shard 1 is not the one that gen-000001\.json pins"):
        PairReader(fresh)


def _files(store: Store) -> list[Path]:
    return sorted(p for p in store.root.rglob("*") if p.is_file())


def _all(store: Store) -> list[dict[str, bytes]]:
    reader = PairReader(store.root)
    return [{n: bytes(v) for n, v in reader.raw(i).items()} for i in range(len(reader))]


@pytest.fixture(scope="module")
def whole(store: Store) -> list[dict[str, bytes]]:
    return _all(store)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_was_in_no_sample(
    store: Store, whole: list[dict[str, bytes]], data: st.DataObject, bit: int
) -> None:
    path = data.draw(st.sampled_from(_files(store)))
    position = data.draw(st.integers(0, path.stat().st_size - 1))
    flip_bit(path, position, bit)
    try:
        got = _all(store)
    except StoreError:
        return
    finally:
        flip_bit(path, position, bit)
    assert got == whole


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_torn_copy_is_refused_before_the_first_sample(store: Store, data: st.DataObject) -> None:
    # The snapshot is not the reader's to read; whoever decodes meshes checks it.
    files = [p for p in _files(store) if p.parent.name != "snapshot"]
    path = data.draw(st.sampled_from(files))
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        os.truncate(path, data.draw(st.integers(0, len(whole) - 1)))
    else:
        path.unlink()
    try:
        with pytest.raises(StoreError):
            PairReader(store.root)
    finally:
        path.write_bytes(whole)


def test_damaged_bytes_never_leave_the_reader(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    fill(store)
    publish(store)
    tar = store.root / store.committed(0).tar.name
    member = store.index_rows(0)[1].members["depth"]
    reader, unchecked = PairReader(store), PairReader(store, fields=["depth"], check=False)
    flip_bit(tar, member.offset + 40)
    for _ in range(2):
        with pytest.raises(CorruptStore, match="shard 0, sample 00000001, field 'depth'"):
            reader[1]
    assert reader[0]["key"] == "00000000"
    assert len(unchecked.raw(1)["depth"]) == member.length
    os.truncate(tar, member.offset + 10)
    with pytest.raises(CorruptStore, match=rf"'depth': {member.length} bytes expected, got 10"):
        unchecked.raw(1)


def test_descriptors_are_opened_per_process_and_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "_MAX_OPEN", 2)
    reader = PairReader(store, fields=["sdf_value"])
    for i in range(len(reader)):
        reader.raw(i)
        assert len(reader._fds) <= 2
    assert all(pid == os.getpid() for pid, _ in reader._fds)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    reader.raw(0)
    assert any(pid == -1 for pid, _ in reader._fds)
    copied = copy.copy(reader)  # goes through __getstate__, as the way to a spawned DataLoader worker does
    assert copied._fds == {}
    assert bytes(copied.raw(3)["sdf_value"]) == bytes(reader.raw(3)["sdf_value"])
    reader.close()
    assert reader._fds == {}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.sampled_from([1, 2, 3, 8]), st.integers(0, 5), st.integers(0, 3), st.data())
def test_every_sample_comes_exactly_once_whatever_the_world(
    length: int, world: int, seed: int, epoch: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, length))
    whole = list(EpochOrder(length, seed, epoch))
    assert sorted(whole) == list(range(length))
    ranks = [EpochOrder(length, seed, epoch, r, world, start) for r in range(world)]
    dealt = [list(r) for r in ranks]
    assert [len(r) for r in ranks] == [len(d) for d in dealt]
    assert Counter(i for d in dealt for i in d) == Counter(whole[start:])
    # Step n of all ranks together is the n-th piece of the one global order.
    steps = [d[n] for n in range(max(map(len, dealt))) for d in dealt if n < len(d)]
    assert steps == whole[start:]
    even = [list(EpochOrder(length, seed, epoch, r, world, start, even=True)) for r in range(world)]
    assert {len(e) for e in even} == {(length - start) // world}
    assert [list(d[: len(e)]) for d, e in zip(dealt, even, strict=True)] == even


def test_epochs_differ_and_repeat() -> None:
    order = EpochOrder(50, 3, start=10)
    assert list(order.next()) == list(EpochOrder(50, 3, 1))
    assert list(order.next()) != list(EpochOrder(50, 3, 0))
    assert list(EpochOrder(50, 3)) != list(EpochOrder(50, 4))
    with pytest.raises(StoreError, match="rank 2 of 2"):
        EpochOrder(5, 0, rank=2, world=2)


def test_webdataset_reads_the_same_shards(store: Store) -> None:
    wds = pytest.importorskip("webdataset")
    urls = [str(p) for p in store.tar_paths()]
    pipeline = wds.WebDataset(urls, shardshuffle=False, empty_check=False).decode("rgb8")
    seen = {}
    for sample in pipeline:
        seen[sample["__key__"]] = sample
    assert sorted(seen) == _keys(store)
    want = toy_fields("00000003")
    np.testing.assert_array_equal(seen["00000003"]["image.png"], want["image"])
    np.testing.assert_array_equal(seen["00000003"]["sdf_index.npy"], want["sdf_index"])
    assert seen["00000003"]["meta.json"]["key"] == "00000003"
