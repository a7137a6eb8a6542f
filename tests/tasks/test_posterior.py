"""Drawn identities vary as the posterior of the fit says: the real head, landmarks of a known face."""

import numpy as np
import pytest

from assets.registry import default_head
from models.geometry.camera import ScaledOrtho, cube_to_pixel
from models.heads.rows import landmark_rows
from models.heads.synthetic import synthetic_head
from storage.plan import PlanRow
from tasks.contract import Batch
from tasks.draw import Draw
from tasks.fit import Fit
from tasks.posterior import measure_draws

SIZE, COUNT = 256, 384


@pytest.fixture(scope="module")
def source():
    """A fitted face of the real head, with detector noise on its landmarks."""
    head, rng = default_head(), np.random.default_rng(4)
    rows = landmark_rows(head).rows
    camera = ScaledOrtho(1 / 120, np.eye(3), np.array([0.02, -0.05]))
    points = rows.points(0.7 * rng.standard_normal(len(head.id_basis)), np.zeros(len(head.exp_basis)))
    pixels = cube_to_pixel(camera.to_cube(points)[:68], SIZE) + 0.5 * rng.standard_normal((68, 2))
    row = PlanRow("00000000", 0, 0, 0, "a-00", head.name, "", "train")
    fields = {"landmarks": pixels[None].astype(np.float32)}
    fitted = Fit(head, SIZE).fit(Batch((row,), fields))
    assert not fitted.rejects
    return {name: array[0] for name, array in {**fields, **fitted.fields}.items()}


@pytest.fixture(scope="module")
def full(source):
    return measure_draws(Draw(default_head(), SIZE, spread=1.0), source, COUNT)


@pytest.fixture(scope="module")
def half(source):
    return measure_draws(Draw(default_head(), SIZE, spread=0.5), source, COUNT)


def test_draws_follow_the_posterior(half):
    # Half the spread stays clear of the clipping at 2.5 prior deviations; sample variances are chi-square.
    error = np.sqrt(2 / (COUNT - 1))
    ratio = half.variance / (0.25 * half.posterior)
    assert abs(half.whitened - 1) < 5 * error / np.sqrt(len(ratio))
    assert np.abs(ratio - 1).max() < 5 * error
    assert abs(ratio.mean() - 1) < 5 * error / np.sqrt(len(ratio)) * 2


def test_landmarks_decide_few_modes_and_the_rest_varies_as_the_prior(full):
    assert 5 < full.decided < 30
    assert full.variance.min() < 0.6  # some mode is decided
    assert np.median(full.variance) > 0.75  # most are not; clipping takes a little of the prior's 1
    assert (full.posterior <= 1 + 1e-9).all()


def test_landmarks_stay_within_their_noise(full):
    assert full.landmark_rms < 1
    assert full.landmark_share > 0.95


def test_the_surface_varies_in_millimetres(full):
    assert 0.3 < full.surface_mm / full.prior_mm < 0.8
    assert 0.3 < full.depth_mm / full.prior_depth_mm < 0.9
    assert full.surface_mm > 0.7


def test_spread_scales_the_draws(full, half):
    assert half.surface_mm == pytest.approx(full.surface_mm / 2, rel=0.06)
    assert half.landmark_rms == pytest.approx(full.landmark_rms / 2, rel=0.06)


def test_nothing_drawn_is_an_error(source):
    with pytest.raises(ValueError, match="spread above 0, got LinearHead and 0"):
        measure_draws(Draw(synthetic_head(0), SIZE, spread=0), source)
