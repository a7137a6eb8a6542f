"""Mouths measured in turn: folds by photograph, and a network that never saw what it is measured on."""

from __future__ import annotations

from functools import partial

import pytest
from toy_face import toy_face

from flows import swap_check
from flows.swap_check import fewer_mouths, folds, mouth_rows
from flows.swap_data import CompletionSampler


def test_each_mouth_is_held_once_and_photographs_stay_whole() -> None:
    names = ["ann-0#0", "ann-1#0", "bob-0#0", "cat-0#0", "dan-0#0", "dan-0#1"]
    faces = [*map(toy_face, names), toy_face("eve-0#0", mouth=False)]
    held_all = []
    for training, held in folds(faces, 2):
        assert not {f.id.split("-")[0] for f in training} & {f.id.split("-")[0] for f in held}
        assert len(training) + len(held) == len(faces)
        held_all += [f.id for f in held]
    assert sorted(held_all) == names


def test_more_folds_than_photographs_are_refused() -> None:
    with pytest.raises(ValueError, match="give --folds 1"):
        list(folds([toy_face("ann-0#0"), toy_face("ann-1#0")], 2))


def test_rows_are_of_held_mouths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap_check, "CompletionSampler", partial(CompletionSampler, mouths=1))
    rows = mouth_rows([toy_face("ann")], [toy_face("bob")], [], steps=1)
    assert [name for name, *_ in rows] == ["mouth bob"]
    assert {"ours", "sketch", "telea", "ns", "mean"} <= set(rows[0][1])


def test_a_learning_curve_drops_mouths_alone() -> None:
    faces = [*map(toy_face, ["ann", "bob", "cat"]), toy_face("eve", mouth=False)]
    kept = fewer_mouths(faces, 2)
    assert kept == fewer_mouths(faces, 2)
    assert sum("mouth" in f.holes for f in kept) == 2
    assert kept[-1] is faces[-1]
    assert fewer_mouths(faces, None) == fewer_mouths(faces, 9) == faces
