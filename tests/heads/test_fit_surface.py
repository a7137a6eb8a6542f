import numpy as np
import pytest
from scanned import scanned

from models.heads.fit_surface import fit_surface, huber


@pytest.mark.parametrize(("scale", "held"), [(1.0, 1.0), (0.01, None)])
def test_pose_and_shape_are_recovered_in_any_unit(scale, held):
    scan = scanned(bump=0.0, scale=scale)
    fit = fit_surface(scan.head, scan.target, scan.landmarks, held)
    points = scan.head.vertices(fit.identity, fit.expression)
    inner = scan.head.landmarks(points)[17:]
    gaps = np.linalg.norm(inner - fit.into_head(scan.landmarks)[17:], axis=1)
    assert gaps.max() < 2.5
    assert gaps.mean() < 1.0
    cosine = (np.trace(fit.into_head.rotation @ scan.move.rotation) - 1) / 2
    assert np.degrees(np.arccos(min(1, cosine))) < 1.5
    assert abs(fit.into_head.scale * scale - 1) < 0.03
    assert fit.expression.min() >= 0
    assert fit.expression.max() <= 1


def test_landmarks_that_are_not_known_or_wrong_do_not_matter_much():
    scan = scanned(bump=0.0)
    marks = scan.landmarks.copy()
    marks[[30, 40, 50, 60]] = np.nan
    marks[33] += [0, 0, -60]
    fit = fit_surface(scan.head, scan.target, marks, 1.0)
    gaps = np.linalg.norm(
        scan.head.landmarks(scan.head.vertices(fit.identity, fit.expression)) - fit.into_head(scan.landmarks),
        axis=1,
    )
    assert np.median(gaps[17:]) < 1.5


def test_too_few_landmarks_are_told():
    scan = scanned()
    marks = scan.landmarks.copy()
    marks[22:] = np.nan
    with pytest.raises(ValueError, match="knows 5 of the 51 landmarks"):
        fit_surface(scan.head, scan.target, marks)


def test_hubers_weight_is_that_of_least_squares_up_to_two_and_a_half_deviations():
    np.testing.assert_allclose(huber(np.array([0.0, 5.0, 20.0]), 2.0), [0.5, 0.5, 0.25])
