from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from assets.registry import AssetError, default_head
from models.heads.outside import OutsideSpace
from storage.plan import PlanRow
from tasks.contract import Batch
from tasks.free_draw import FreeDraw, Outside, linear_only


def batch(rows: int, seed: int = 0) -> Batch:
    head = default_head()
    plan = tuple(PlanRow(f"{i:08d}", i, 0, seed, "s", head.name, "t", "test") for i in range(rows))
    rotation = np.tile(np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32), (rows, 1, 1))
    return Batch(plan, {
        "scale": np.full(rows, 0.008, np.float32), "rotation": rotation, "translation": np.zeros((rows, 2), np.float32),
        "expression": np.zeros((rows, len(head.exp_basis)), np.float32),
    })  # fmt: skip


def test_shapes_are_the_priors_and_the_rows_own() -> None:
    drawn = FreeDraw(default_head()).draw(batch(40)).fields["shape"]
    assert abs(drawn.mean()) < 0.1
    assert 0.85 < drawn.std() < 1.05
    assert np.abs(drawn).max() <= 2.5
    assert np.array_equal(FreeDraw(default_head()).draw(batch(3)).fields["shape"], drawn[:3])
    assert not np.array_equal(FreeDraw(default_head()).draw(batch(3, 1)).fields["shape"], drawn[:3])


def test_half_of_the_heads_leave_the_space_and_the_others_keep_their_bytes() -> None:
    space, given = OutsideSpace(default_head()), batch(16)
    posed = FreeDraw(default_head()).draw(given).fields["posed"]
    moved = Outside(space).move(Batch(given.rows, {**given.fields, "posed": posed}))
    change, remainder = moved.fields["change"], moved.fields["remainder"]
    assert 3 <= (change >= 0).sum() <= 13
    assert np.array_equal(moved.fields["posed"][change < 0], posed[change < 0])
    assert (remainder[change < 0] == 0).all()
    assert (remainder[change >= 0] >= 1).all()
    # The move is in the cube: turned as the head is, in its unit.
    i = int(np.flatnonzero(change >= 0)[0])
    in_head = (moved.fields["posed"][i] - posed[i]) @ given["rotation"][i] / 0.008
    assert abs(space.remainder(in_head) - remainder[i]) < 0.02


def test_a_bilinear_head_is_refused_in_a_sentence() -> None:
    assert linear_only(default_head()) is default_head()
    with pytest.raises(
        AssetError, match=r"'toy' is bilinear; pass --heads with a linear one, such as --heads anny\."
    ):
        linear_only(SimpleNamespace(name="toy"))  # type: ignore[arg-type]
