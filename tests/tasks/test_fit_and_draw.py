"""Stages fit and draw: parameters of known heads come back, and draws are a function of the row alone."""

import numpy as np
import pytest

from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.heads.rows import landmark_rows
from models.heads.synthetic import synthetic_head
from storage.plan import PlanRow
from tasks.contract import Batch, Reason
from tasks.draw import Draw
from tasks.fit import Fit

HEAD, SIZE = synthetic_head(0), 64


def row(index: int, seed: int = 1) -> PlanRow:
    return PlanRow(f"{index:08d}", index, 0, seed, "a-00", HEAD.name, "skin", "train")


def batch(count: int, noise: float = 0.0) -> Batch:
    rng = np.random.default_rng(0)
    rows = landmark_rows(HEAD)
    camera = ScaledOrtho(1 / 120, np.eye(3), np.array([0.05, -0.1]))
    landmarks = []
    for _ in range(count):
        points = rows.rows.points(
            0.5 * rng.standard_normal(len(HEAD.id_basis)), np.zeros(len(HEAD.exp_basis))
        )
        pixels = cube_to_pixel(camera.to_cube(points)[:68], SIZE)
        landmarks.append(pixels + noise * rng.standard_normal(pixels.shape))
    return Batch(tuple(row(i) for i in range(count)), {"landmarks": np.array(landmarks, np.float32)})


def drawn(spread: float, indices: tuple[int, ...] = (0, 1, 2), order: slice = slice(None)) -> np.ndarray:
    source = batch(1)
    fitted = Fit(HEAD, SIZE).fit(source).fields
    fields = {k: np.repeat(v, len(indices), axis=0) for k, v in {**source.fields, **fitted}.items()}
    rows = tuple(row(i) for i in indices)[order]
    return Draw(HEAD, SIZE, spread=spread).draw(Batch(rows, fields)).fields["shape"]


def test_fit_gives_what_it_declares():
    gives = Fit(HEAD, SIZE)(batch(3))
    assert {f.name for f in Fit.gives} == set(gives.fields)
    for f in Fit.gives:
        assert gives.fields[f.name].dtype == f.dtype
        assert len(gives.fields[f.name]) == 3
    assert not gives.rejects
    assert gives.fields["fit_rms"].max() < 0.02


def test_fit_rejects_landmarks_that_no_head_meets():
    gives = Fit(HEAD, SIZE).fit(batch(2, noise=6.0))
    assert set(gives.rejects) == {0, 1}
    assert gives.rejects[0].reason is Reason.FIT_RESIDUAL
    assert "at most 0.09" in gives.rejects[0].detail


def test_draw_without_spread_is_the_fit():
    source = batch(1)
    fitted = Fit(HEAD, SIZE).fit(source).fields
    shape = Draw(HEAD, SIZE, spread=0).draw(Batch(source.rows, {**source.fields, **fitted})).fields["shape"]
    np.testing.assert_allclose(shape, fitted["identity"], atol=1e-6)


def test_draws_differ_by_row_and_repeat_for_the_same_row():
    first, again = drawn(1.0), drawn(1.0)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first[0] - first[1]).max() > 0.1
    np.testing.assert_array_equal(drawn(1.0, (2, 1, 0))[::-1], first)


def test_wider_spread_draws_further():
    centre = drawn(0.0)
    near, far = np.abs(drawn(0.5) - centre).mean(), np.abs(drawn(1.0) - centre).mean()
    assert 0 < near < far


def test_draws_hold_their_landmarks():
    source = batch(1)
    fields = {**source.fields, **Fit(HEAD, SIZE).fit(source).fields}
    fields = {k: np.repeat(v, 16, axis=0) for k, v in fields.items()}
    vertices = Draw(HEAD, SIZE).draw(Batch(tuple(row(i) for i in range(16)), fields)).fields["posed"]
    pixels = cube_to_pixel(HEAD.landmarks(vertices), SIZE)[:, 17:]
    eyes = np.linalg.norm(pixels[0, 36 - 17] - pixels[0, 45 - 17])
    off = np.linalg.norm(pixels - source["landmarks"][:, 17:], axis=-1)
    assert off.mean() < 0.05 * eyes


@pytest.mark.parametrize("stage", [Fit(HEAD, SIZE), Draw(HEAD, SIZE)])
def test_stages_are_frozen(stage):
    with pytest.raises(AttributeError):
        stage.size = 3
