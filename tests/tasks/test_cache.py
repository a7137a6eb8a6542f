from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.reject import Reason
from tasks.cache import ArrayCache, Entry, file_sha256, fingerprint


def entry() -> Entry:
    arrays = {"00/photo": np.arange(48, dtype=np.uint8).reshape(4, 4, 3), "scale": np.float32(0.5)}
    return Entry({k: np.asarray(v) for k, v in arrays.items()}, {"rows": [{"id": "a", "yaw": 1.5}], "n": 2})


def test_round_trip_keeps_values_types_and_shapes(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    assert cache.get("ab12") is None
    cache.put("ab12", entry())
    got = cache.get("ab12")
    assert got is not None
    assert got.meta == entry().meta
    for name, want in entry().arrays.items():
        assert got.arrays[name].dtype == want.dtype
        np.testing.assert_array_equal(got.arrays[name], want)
    assert cache.path("ab12").parent.name == "ab"
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["ab12.npz"]  # no temporary files stay


def test_an_entry_without_arrays_and_twice_the_same_bytes(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    cache.put("none", Entry({}, {"reason": "unreadable"}))
    got = cache.get("none")
    assert got is not None
    assert got.meta == {"reason": "unreadable"}
    cache.put("one", entry())
    first = cache.path("one").read_bytes()
    cache.put("one", entry())
    assert cache.path("one").read_bytes() == first


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), keep=st.floats(0, 1))
def test_damage_is_a_miss_or_harmless(tmp_path: Path, at: float, flip: int, keep: float) -> None:
    cache = ArrayCache(tmp_path)
    cache.put("key", entry())
    data = bytearray(cache.path("key").read_bytes())
    data[int(at * len(data))] ^= flip
    for damaged in (bytes(data), bytes(data[: int(keep * len(data))])):
        cache.path("key").write_bytes(damaged)
        got = cache.get("key")
        if got is not None:  # a byte of zip padding or time stamp
            assert got.meta == entry().meta
            np.testing.assert_array_equal(got.arrays["00/photo"], entry().arrays["00/photo"])


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    cache.path("evil").parent.mkdir()
    np.savez(cache.path("evil"), x=np.array([{"a": 1}], dtype=object))
    assert cache.get("evil") is None


@dataclass(frozen=True)
class Step:
    weights: Path
    table: np.ndarray = field(default_factory=lambda: np.arange(3))
    rate: float = 0.5
    name: ClassVar[str] = "step"
    version: ClassVar[int] = 1


@dataclass(frozen=True)
class NewStep(Step):
    version: ClassVar[int] = 2


def test_fingerprint_sees_fields_files_arrays_and_versions(tmp_path: Path) -> None:
    one, two, same = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    one.write_bytes(b"weights")
    two.write_bytes(b"Weights")
    same.write_bytes(b"weights")
    base = fingerprint(Step(one))
    assert base == fingerprint(Step(same))  # by content, not by place
    others = [
        fingerprint(Step(two)),
        fingerprint(Step(one, np.arange(3.0))),
        fingerprint(Step(one, rate=0.25)),
        fingerprint(NewStep(one)),
        fingerprint(Step(one), None),
        fingerprint({"a": 1}),
        fingerprint({"a": 2}),
        fingerprint((1, 2)),
        fingerprint(Reason.POSE),
    ]
    assert len({base, *others}) == len(others) + 1


def test_fingerprint_prefers_what_an_object_says_of_itself() -> None:
    class Own:
        fingerprint = "v7"

    assert fingerprint(Own()) == fingerprint(Own())


def test_what_cannot_be_told_is_named() -> None:
    with pytest.raises(TypeError, match="cannot fingerprint a set"):
        fingerprint({1, 2})


def test_a_changed_file_is_hashed_again(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a")
    first = file_sha256(path)
    path.write_bytes(b"bc")
    assert file_sha256(path) != first
