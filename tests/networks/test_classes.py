from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.networks.classes import FACE, Parsing, among


@settings(deadline=None)
@given(st.lists(st.integers(0, 255), max_size=40), st.sets(st.integers(0, 255), max_size=9))
def test_labels_are_found_as_numpy_finds_them(labels: list[int], wanted: set[int]) -> None:
    given = np.array(labels, np.uint8).reshape(-1, 1)
    found = among(given, wanted)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, np.isin(given, sorted(wanted)))


def test_glasses_are_in_front_of_the_face() -> None:
    assert not among(np.array([Parsing.GLASSES], np.uint8), FACE).any()


def test_what_is_no_label_is_refused() -> None:
    with pytest.raises(IndexError):
        among(np.array([300]), FACE)
