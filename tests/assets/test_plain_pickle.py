"""What numpy and dictionaries pickle to is read; everything that would run something is refused."""

import contextlib
import io
import os
import pickle  # noqa: TID251  (what is written here, the reader under test never loads)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readers.plain_pickle import UnsafePickleError, loads

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    | st.tuples(inner, inner),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(plain, st.integers(0, 5))
def test_plain_values_come_back_from_every_protocol(value, protocol):
    if protocol < 3 and _has_bytes(value):
        return  # old protocols call _codecs.encode with an empty latin1 string in some cases
    assert loads(pickle.dumps(value, protocol=protocol)) == value


def _has_bytes(value):
    if isinstance(value, bytes):
        return True
    if isinstance(value, dict):
        return any(_has_bytes(v) for v in value.values())
    return isinstance(value, list | tuple) and any(map(_has_bytes, value))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["f4", "f8", ">f8", "i4", "u2", "?", "U3"])
def test_arrays_come_back(protocol, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for given_array in (array, np.asfortranarray(array)):
        back = loads(pickle.dumps({"a": [given_array]}, protocol=protocol))["a"][0]
        np.testing.assert_array_equal(back, array)
        assert back.dtype == array.dtype


def test_object_arrays_are_what_they_hold():
    def stored(value):
        wrapped = np.zeros((), object)
        wrapped[()] = value
        stream = io.BytesIO()
        np.save(stream, wrapped, allow_pickle=True)
        stream.seek(0)
        np.lib.format.read_magic(stream)
        np.lib.format.read_array_header_1_0(stream)
        return loads(stream.read())

    assert stored({1: 5, 2: np.int64(7)}) == {1: 5, 2: 7}
    ragged = np.zeros(2, object)
    ragged[:] = [[1, 2], [3]]
    assert loads(pickle.dumps(ragged)) == [[1, 2], [3]]


class Evil:
    def __reduce__(self):
        return os.getcwd, ()


class Builds:
    def __init__(self):
        self.x = 1


@pytest.mark.parametrize("value", [Evil(), [Evil()], Builds(), os.getcwd, np.dtype("O"), {1, 2}, slice(3)])
def test_nothing_is_run(value):
    with pytest.raises(UnsafePickleError, match=r"not read|no plain value|none of"):
        loads(pickle.dumps(value))


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_noise_is_refused_in_one_sentence(data):
    with contextlib.suppress(UnsafePickleError):  # anything else that is raised fails the test
        loads(data)


def test_a_cut_pickle_is_damaged():
    whole = pickle.dumps({"a": np.arange(100)})
    with pytest.raises(UnsafePickleError, match="damaged"):
        loads(whole[:60])
