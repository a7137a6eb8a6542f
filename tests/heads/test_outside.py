"""Changes that no combination of a head's modes reproduces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.registry import default_head
from assets.shipped_scan import shipped_scan
from models.heads.outside import KINDS, LARGEST, REMAINDER, OutsideSpace


@pytest.fixture(scope="module")
def space() -> OutsideSpace:
    return OutsideSpace(default_head(), shipped_scan().offsets)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_nothing_is_left_of_what_the_model_can_do(seed: int) -> None:
    head, rng = default_head(), np.random.default_rng(seed)
    move = (
        head.vertices(rng.normal(size=len(head.id_basis)), rng.uniform(0, 1, len(head.exp_basis))) - head.mean
    )
    move += 0.01 * np.cross([1.0, -2.0, 0.5], head.mean) + [3, 1, -4] + 0.02 * head.mean
    space = OutsideSpace(head)
    space.__dict__["_span"] = _shared_span()
    assert np.sqrt((move[space.rows] ** 2).sum(1).mean()) > 3
    assert space.remainder(move) < 0.01


_SPANS: list[np.ndarray] = []


def _shared_span() -> np.ndarray:
    if not _SPANS:
        _SPANS.append(OutsideSpace(default_head())._span)
    return _SPANS[0]


def test_the_fit_of_the_remainder_is_the_best_one(space: OutsideSpace) -> None:
    """Against plain least squares over all modes, a similarity included."""
    head, move = space.head, space.draw(np.random.default_rng(5), "nose").move.astype(np.float64)
    face = head.mean[space.rows].astype(np.float64)
    columns = [
        *np.concatenate([head.id_basis, head.exp_basis])[:, space.rows],
        *(np.cross(a, face) for a in np.eye(3)),
    ]
    columns += [np.broadcast_to(a, face.shape) for a in np.eye(3)] + [face]
    design = np.stack([np.ravel(c) for c in columns], 1).astype(np.float64)
    goal = move[space.rows].ravel()
    left = goal - design @ np.linalg.lstsq(design, goal, rcond=1e-9)[0]
    assert space.remainder(move) == pytest.approx(np.sqrt((left**2).sum() / len(space.rows)), rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_leaves_what_was_asked_for(space: OutsideSpace, kind: str) -> None:
    for seed in range(3):
        change = space.draw(np.random.default_rng(seed), kind)
        assert change.kind == kind
        assert REMAINDER[0] <= change.remainder <= REMAINDER[1] + 1e-6
        assert change.remainder == pytest.approx(space.remainder(change.move), rel=1e-4)
        assert change.total >= change.remainder
        assert np.linalg.norm(change.move, axis=1).max() <= LARGEST + 1e-3
        again = space.draw(np.random.default_rng(seed), kind)
        assert np.array_equal(again.move, change.move)


def test_eyes_and_lips_are_left_alone_by_growths(space: OutsideSpace) -> None:
    move = space._growths(np.random.default_rng(1))
    marks = space.head.landmark_vertices[36:48].ravel()
    assert np.linalg.norm(move[marks], axis=1).max() < 0.6 * np.linalg.norm(move, axis=1).max()


def test_without_a_scan_its_kind_is_not_drawn() -> None:
    space = OutsideSpace(default_head())
    assert "scan" not in space.kinds
