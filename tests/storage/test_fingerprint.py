from __future__ import annotations

import pytest

from storage.fingerprint import differences, fingerprint


def test_it_depends_on_the_values_and_not_on_their_order() -> None:
    assert fingerprint({"a": 1, "b": {"c": [1, 2]}}) == fingerprint({"b": {"c": (1, 2)}, "a": 1})
    marks = {fingerprint(c) for c in ({"a": 1}, {"a": 2}, {"a": "1"}, {"a": 1.5}, {"b": 1}, {"a": None}, {})}
    assert len(marks) == 7


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_what_has_no_json_form_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        fingerprint({"a": value})


def test_differences_name_the_settings() -> None:
    old = {"stages": {"warp": 1, "fit": 3}, "code": "0.1"}
    new = {"stages": {"warp": 2, "fit": 3}, "code": "0.1", "device": "cpu"}
    assert differences(old, new) == 'device: absent -> "cpu"; stages.warp: 1 -> 2'
    assert differences({}, {c: 1 for c in "abcdefg"}).endswith("e: absent -> 1; and 2 more")
