"""The landmark fit recovers what made the landmarks, for linear and bilinear heads."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from models.geometry.camera import ScaledOrtho
from models.heads.bilinear import BilinearHead
from models.heads.fit import (
    FitPrior,
    fit_landmarks,
    identity_posterior,
    interocular,
    pick_outline,
)
from models.heads.linear import LinearHead
from models.heads.rows import landmark_rows
from models.heads.synthetic import synthetic_head

SURE = FitPrior(noise=0.002, jaw_noise=0.004, loops=14)


def bilinear(head: LinearHead) -> BilinearHead:
    """The linear head as a bilinear one: identity 0 carries the mean, expressions scale with it."""
    k = 1 + len(head.id_basis)
    core = np.zeros((1 + len(head.exp_basis), len(head.mean), 3, k), np.float32)
    core[0, :, :, 0] = head.mean
    core[0, :, :, 1:] = head.id_basis.transpose(1, 2, 0)
    core[1:, :, :, 0] = head.exp_basis
    mean, std = np.zeros(k, np.float32), np.ones(k, np.float32)
    mean[0], std[0] = 1, 1e-3
    own = {f.name: getattr(head, f.name) for f in fields(head)} | {"name": "bilinear"}
    return BilinearHead(**own, core=core, identity_mean=mean, identity_std=std)


HEADS = {"linear": synthetic_head(0), "bilinear": bilinear(synthetic_head(0))}


def landmarks_of(head, yaw, pitch, roll, rng, spread, outline=True):
    """Landmarks in cube x, y of a random shape in a known pose; the jaw along the outline or anatomical."""
    rows = landmark_rows(head).rows
    identity = rows.identity_mean + spread * rows.identity_std * rng.standard_normal(len(rows.identity_mean))
    expression = spread * rng.uniform(0, 0.6, rows.expressions)
    R = Rotation.from_euler("yxz", [yaw, -pitch, roll], degrees=True).as_matrix()
    camera = ScaledOrtho(1 / 120, R, np.array([0.05, -0.1]))
    points3d = rows.points(identity, expression)
    cut = landmark_rows(head)
    picks = pick_outline(cut, camera, points3d) if outline else np.arange(68)
    return camera, camera.to_cube(points3d)[picks][:, :2]


def angle_between(A, B):
    return np.degrees(np.arccos(np.clip((np.trace(A.T @ B) - 1) / 2, -1, 1)))


@pytest.mark.parametrize("kind", HEADS)
@settings(max_examples=25, deadline=None)
@given(yaw=st.floats(-60, 60), pitch=st.floats(-20, 20), roll=st.floats(-25, 25), outline=st.booleans())
def test_recovers_the_pose_of_the_mean_head_within_half_a_degree(kind, yaw, pitch, roll, outline):
    head = HEADS[kind]
    camera, points = landmarks_of(head, yaw, pitch, roll, np.random.default_rng(0), 0, outline)
    fitted = fit_landmarks(head, points)
    assert angle_between(fitted.camera.rotation, camera.rotation) < 0.5
    assert fitted.camera.scale == pytest.approx(camera.scale, rel=1e-2)


@pytest.mark.parametrize("kind", HEADS)
def test_recovers_the_pose_of_random_heads_within_half_a_degree(kind):
    rng = np.random.default_rng(4)
    errors = []
    for yaw in (-50, -25, -10, 0, 10, 25, 50):
        camera, points = landmarks_of(
            HEADS[kind], yaw, rng.uniform(-15, 15), rng.uniform(-20, 20), rng, spread=0.7
        )
        errors.append(
            angle_between(fit_landmarks(HEADS[kind], points, SURE).camera.rotation, camera.rotation)
        )
    assert np.median(errors) < 0.5


def test_angles_name_the_direction_of_the_turn():
    camera, points = landmarks_of(HEADS["linear"], 30, 10, -8, np.random.default_rng(0), spread=0)
    yaw, pitch, roll = fit_landmarks(HEADS["linear"], points).camera.angles
    assert (yaw, pitch, roll) == pytest.approx(camera.angles, abs=0.5)
    assert yaw > 25


def test_one_wrong_landmark_does_not_bend_the_face():
    camera, points = landmarks_of(HEADS["linear"], 20, 0, 0, np.random.default_rng(1), spread=0)
    points[30] += 0.6 * interocular(points)
    assert angle_between(fit_landmarks(HEADS["linear"], points).camera.rotation, camera.rotation) < 6


def test_expressions_stay_within_bounds():
    _, points = landmarks_of(HEADS["linear"], 0, 0, 0, np.random.default_rng(2), spread=1)
    points = points + np.random.default_rng(3).normal(0, 0.05, points.shape)
    expression = fit_landmarks(HEADS["linear"], points).expression
    assert expression.min() >= 0
    assert expression.max() <= 1


def test_posterior_draws_keep_the_landmarks_and_move_the_rest():
    head = HEADS["linear"]
    _, points = landmarks_of(head, 10, 0, 0, np.random.default_rng(6), spread=0.5)
    fitted = fit_landmarks(head, points)
    factor = identity_posterior(head, fitted.camera, fitted.expression, points, fitted.identity)
    covariance = np.linalg.inv(factor @ factor.T)
    assert np.linalg.eigvalsh(covariance).max() <= 1 + 1e-9  # never wider than the prior
    basis = landmark_rows(head).rows.identity_jacobian(fitted.expression)[17:68]
    image = fitted.camera.scale * np.einsum("ij,njk->nik", fitted.camera.rotation[:2], basis).reshape(102, -1)
    moved = np.sqrt(np.einsum("nk,kl,nl->n", image, covariance, image)).mean() / interocular(points)
    assert moved < 0.03


@pytest.mark.parametrize("bad", [np.zeros((68, 2)), np.full((68, 2), np.nan)])
def test_landmarks_without_a_face_are_refused_in_one_sentence(bad):
    with pytest.raises(ValueError, match="inter-ocular"):
        fit_landmarks(HEADS["linear"], bad)
