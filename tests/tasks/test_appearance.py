import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.appearance import compatibility, describe_textures, tone_classes
from tasks.source_table import SourceRow

MAN = {"tone": 40.0, "age": 0.9, "beard": 0.0, "feminine": 0.0}
WOMAN = {"tone": 45.0, "age": 0.1, "beard": 0.0, "feminine": 1.0}
DARK = {"tone": -50.0, "age": 0.1, "beard": 0.0, "feminine": 1.0}


def row(name, **numbers):
    return SourceRow(name, "p.jpg", name, **numbers)


def test_an_old_man_does_not_meet_a_young_woman_nor_dark_skin_pale():
    weights = compatibility([row("a", **WOMAN), row("b", **MAN), row("c", **DARK)], [MAN, WOMAN, DARK], 0.0)
    np.testing.assert_array_equal(weights, [[0, 1, 0], [1, 0, 0], [0, 0, 1]])


def test_what_is_not_known_goes_with_everything():
    np.testing.assert_array_equal(compatibility([row("a")], [MAN, WOMAN, {}], 0.0), [[1, 1, 1]])
    tone_only = compatibility([row("a", tone=42.0)], [MAN, WOMAN, DARK], 0.0)
    assert (tone_only[0, :2] > 0.9).all()
    assert tone_only[0, 2] == 0


@given(st.floats(0, 0.99), st.floats(-60, 60), st.floats(0, 1))
def test_more_mixing_never_forbids_what_less_allowed(mixing, tone, feminine):
    source = [row("a", tone=tone, age=0.2, beard=0.1, feminine=feminine)]
    strict, free = (compatibility(source, [MAN, WOMAN, DARK], m) for m in (0.0, mixing))
    assert strict.max() == 1.0  # something always suits
    assert (free >= strict - 1e-3).all()


def test_full_mixing_is_no_table():
    assert compatibility([row("a", **MAN)], [WOMAN], 1.0) is None


def test_tones_are_counted_by_class_and_unknown_ones_left_out():
    got = tone_classes([-60, -10, 15, 30, 50, 60, 70, float("nan")])
    assert got == {"dark": 1, "brown": 1, "tan": 1, "intermediate": 1, "light": 1, "very light": 2}


def test_a_plan_is_described_by_its_textures():
    said = describe_textures(["a", "b", "a", "b"], {"a": 50.0, "b": -50.0, "c": 0.0})
    assert said.startswith("2.0 effective textures of 3; tones: dark 50%")
    assert "light 50%" in said
