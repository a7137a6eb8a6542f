from __future__ import annotations

import numpy as np
import pytest

from models.geometry.camera import ScaledOrtho
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing
from tasks.audit_look import Shape, _packed
from tasks.audit_measure import FOLDS, Looked, calibrate, measure, stand_of
from tasks.expect import expected_classes, first_votes

R = 128
HEAD = synthetic_head()
SHAPE = Shape(ScaledOrtho(1 / 140, np.eye(3), np.zeros(2)), np.zeros(8, np.float32), np.zeros(4, np.float32))
STAND = stand_of(SHAPE, HEAD, R)
TRUE = expected_classes(first_votes(HEAD), HEAD, STAND)
BIAS = np.array([2.0, -1.0])  # pixels by which the landmark network is wrong everywhere
EXTRA = ("seam_energy", "seam_energy_photo", "seam_step", "seam_step_photo", "ita", "spread", "spread_mm")


def notes(pair: np.ndarray, render: np.ndarray, found: bool = True) -> dict:
    points = (STAND.landmarks + BIAS).ravel().tolist() if found else []
    return {
        "pair_classes": _packed(pair), "render_classes": _packed(render), "pair_score": 0.9 * found,
        "render_score": 0.9, "pair_points": points, "render_points": (STAND.landmarks + BIAS).ravel().tolist(),
        "semantic": _packed(np.zeros((R, R), np.uint8)), **dict.fromkeys(EXTRA, 1.0),
    }  # fmt: skip


def photo(classes: np.ndarray) -> dict:
    return {
        "photo_classes": _packed(classes), "photo_score": 0.8, "photo_points": STAND.landmarks.ravel().tolist(),
        "scale": 1 / 140, "rotation": np.eye(3).ravel().tolist(), "translation": [0.0, 0.0],
        "identity": [0.0] * 8, "expression": [0.0] * 4,
    }  # fmt: skip


def looked(n: int, texture: str, told: dict) -> Looked:
    return Looked(f"{n:08d}", "s", "toy", texture, SHAPE, told)


def measured(pairs: list[Looked], photos: dict) -> list[dict]:
    return measure(pairs, calibrate(pairs, lambda name: HEAD, R), photos, lambda name: HEAD, R)


def test_a_pair_that_agrees_is_at_the_floor_and_a_moved_one_is_not() -> None:
    moved = np.roll(TRUE, 4, axis=1)
    pairs = [looked(n, "t", notes(moved if n == 3 else TRUE, TRUE)) for n in range(4)]
    rows = measured(pairs, {("toy", "s"): photo(np.roll(TRUE, 6, axis=1))})
    assert [row["pair_nose"] < 0.3 for row in rows] == [True, True, True, False]
    assert rows[0]["pair_gap"] == pytest.approx(rows[0]["render_gap"])
    assert rows[0]["photo_gap"] > rows[3]["pair_gap"] > 1
    assert rows[0]["seam_step"] == 1.0


def test_the_observer_s_bias_is_taken_out_of_landmark_errors() -> None:
    rows = measured([looked(n, "t", notes(TRUE, TRUE)) for n in range(4)], {("toy", "s"): photo(TRUE)})
    assert rows[0]["pair_landmarks"] == pytest.approx(0, abs=1e-9)
    assert rows[0]["photo_landmarks"] * rows[0]["iod"] == pytest.approx(np.linalg.norm(BIAS))
    unseen = measured(
        [looked(n, "t", notes(TRUE, TRUE, found=False)) for n in range(4)], {("toy", "s"): photo(TRUE)}
    )
    assert np.isnan(unseen[0]["pair_landmarks"])


def test_no_render_votes_on_itself() -> None:
    strange = np.where(TRUE == Parsing.NOSE, Parsing.SKIN, TRUE).astype(np.uint8)
    pairs = [looked(n, "t", notes(TRUE, strange if n % FOLDS == 0 else TRUE)) for n in range(8)]
    known = calibrate(pairs, lambda name: HEAD, R)
    own = expected_classes(known["toy", 0].votes_of("t"), HEAD, STAND)
    other = expected_classes(known["toy", 1].votes_of("t"), HEAD, STAND)
    assert (own == Parsing.NOSE).sum() > 10 * (other == Parsing.NOSE).sum(), (
        "fold 0 knows only what the others saw"
    )


def test_brows_are_expected_where_each_texture_has_them() -> None:
    raised = np.where(TRUE == Parsing.L_BROW, Parsing.SKIN, TRUE).astype(np.uint8)
    raised[np.roll(TRUE, -6, axis=0) == Parsing.L_BROW] = Parsing.L_BROW
    # Textures change every two pairs, so both folds know both.
    pairs = [
        looked(n, "high" if n // 2 % 2 else "low", notes(TRUE, raised if n // 2 % 2 else TRUE))
        for n in range(32)
    ]
    known = calibrate(pairs, lambda name: HEAD, R)
    rows = {}
    for name in ("high", "low", "unknown"):
        where = np.nonzero(expected_classes(known["toy", 0].votes_of(name), HEAD, STAND) == Parsing.L_BROW)[0]
        rows[name] = where.mean()
    assert rows["low"] - rows["high"] > 4
    assert (known["toy", 0].votes_of("unknown") == known["toy", 0].votes).all()
