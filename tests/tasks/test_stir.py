from __future__ import annotations

import numpy as np

from assets.registry import default_head
from models.geometry.camera import ScaledOrtho
from models.heads.rows import JAW
from storage.plan import PlanRow
from tasks.contract import Batch
from tasks.free_draw import pose_of
from tasks.stir import Stir


def batch(rows: int, seed: int = 0) -> Batch:
    head = default_head()
    plan = tuple(PlanRow(f"{i:08d}", i, 0, seed, "s", head.name, "t", "train") for i in range(rows))
    smile = np.zeros(len(head.exp_basis), np.float32)
    smile[43:45] = 0.6
    return Batch(plan, {
        "scale": np.full(rows, 0.008, np.float32), "rotation": np.tile(np.eye(3, dtype=np.float32), (rows, 1, 1)),
        "translation": np.full((rows, 2), 0.1, np.float32), "expression": np.tile(smile, (rows, 1)),
    })  # fmt: skip


def stirred(rows: int, seed: int = 0) -> Batch:
    given = batch(rows, seed)
    return Batch(given.rows, {**given.fields, **Stir(default_head()).stir(given).fields})


def test_heads_turn_by_a_few_degrees_and_stay_heads() -> None:
    found = stirred(200)
    angles = np.array([ScaledOrtho(1.0, r, np.zeros(2)).angles for r in found["rotation"]])
    yaw, pitch = angles[:, 0], angles[:, 1]
    assert 3 < yaw.std() < 5
    assert 5 < pitch.std() < 8
    assert np.abs(angles).max() < 20
    turned = found["rotation"].astype(np.float64)
    assert np.allclose(turned @ turned.transpose(0, 2, 1), np.eye(3), atol=1e-5)
    assert (np.linalg.det(turned) > 0).all()


def test_the_middle_of_the_face_stays_where_it_was() -> None:
    head, before, after = default_head(), batch(20), stirred(20)
    middle = head.landmarks(head.mean)[JAW:].mean(axis=0)[None]
    for i in range(20):
        was, now = (pose_of(b, i).to_cube(middle)[0, :2] for b in (before, after))
        assert np.allclose(was, now, atol=1e-5)


def test_expressions_move_a_little_and_some_stay() -> None:
    before, after = batch(200), stirred(200)
    moved = np.abs(after["expression"] - before["expression"])
    kept = (moved.max(axis=1) == 0).mean()
    assert 0.2 < kept < 0.4
    assert after["expression"].min() >= 0
    assert after["expression"].max() <= 1
    head = default_head()
    flesh = (after["expression"] - before["expression"]) @ head.exp_basis.reshape(len(head.exp_basis), -1)
    far = np.linalg.norm(flesh.reshape(200, -1, 3), axis=-1).max(axis=1)
    assert 1 < np.median(far[far > 0]) < 12


def test_rows_have_streams_of_their_own() -> None:
    long, short, other = stirred(6), stirred(3), stirred(3, seed=1)
    assert np.array_equal(long["rotation"][:3], short["rotation"])
    assert np.array_equal(long["expression"][:3], short["expression"])
    assert not np.array_equal(short["rotation"], other["rotation"])
