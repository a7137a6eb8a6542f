import numpy as np
import pytest
from scanned import scanned

from models.heads.fit_surface import SKIN
from models.heads.register import face_residual, folds, register, surface_residual
from models.heads.target import Target


@pytest.fixture(scope="module")
def done():
    scan = scanned()
    return scan, register(scan.head, scan.target, scan.landmarks, scale=1.0)


def test_a_head_out_of_the_models_space_is_met_within_a_fraction_of_the_fit(done):
    scan, made = done
    moved = scan.target.moved(made.fit.into_head)
    near = scan.head.vertices(made.fit.identity, made.fit.expression).astype(np.float64)
    before = np.sqrt(np.nanmean(face_residual(scan.head, near, moved) ** 2))
    assert made.rms < 0.25 * before
    assert made.rms < 0.15  # mm
    assert made.tail < 0.3
    back = surface_residual(scan.head, made.vertices, moved)
    assert np.nanpercentile(back, 95) < 0.3


def test_points_find_their_own_places_and_nothing_folds(done):
    scan, made = done
    skin = np.isin(scan.head.vertex_region, SKIN) & (scan.true[:, 2] > 20)
    away = np.linalg.norm(made.vertices - made.fit.into_head(scan.move(scan.true)), axis=1)[skin]
    assert np.median(away) < 1.5  # along the surface there is nothing but smoothness and landmarks
    near = scan.head.vertices(made.fit.identity, made.fit.expression)
    assert not folds(scan.head, near, made.vertices).any()


def test_residuals_are_told_for_the_face_alone(done):
    scan, made = done
    off = ~np.isin(scan.head.vertex_region, SKIN)
    assert np.isnan(made.residual[off]).all()
    assert np.isfinite(made.residual[~off]).mean() > 0.6


def test_a_surface_without_a_face_is_told():
    scan = scanned()
    nothing = Target.of(scan.target.vertices, scan.target.faces, np.zeros(len(scan.target.vertices), bool))
    with pytest.raises(ValueError, match="no point of the face"):
        register(scan.head, nothing, scan.landmarks, scale=1.0)
