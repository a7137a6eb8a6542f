"""Landmark fit: closed-form steps beside a finite-difference L-BFGS-B fit of the same energy."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from assets.registry import default_head
from benchmarks.harness import Row, compare, row, save
from models.geometry.camera import ScaledOrtho
from models.heads.fit import FitPrior, fit_landmarks, interocular, pick_outline
from models.heads.rows import JAW, landmark_rows


def main() -> list[Row]:
    """Time both on the same landmarks and compare the energies that they reach."""
    head = default_head()
    cut, rng = landmark_rows(head), np.random.default_rng(0)
    rows, prior = cut.rows, FitPrior()
    identity, expression = rng.standard_normal(len(rows.identity_mean)), rng.uniform(0, 0.3, rows.expressions)
    camera = ScaledOrtho(
        1 / 124, Rotation.from_euler("yxz", [20, -5, 4], degrees=True).as_matrix(), np.zeros(2)
    )
    points3d = rows.points(identity, expression)
    landmarks = camera.to_cube(points3d)[pick_outline(cut, camera, points3d)][:, :2]
    landmarks = landmarks + 0.01 * interocular(landmarks) * rng.standard_normal(landmarks.shape)
    sigma = np.where(np.arange(68) < JAW, prior.jaw_noise, prior.noise) * interocular(landmarks)
    ours = fit_landmarks(head, landmarks)
    k = len(identity)

    def energy(x: np.ndarray) -> float:
        """The MAP energy with the jaw vertices of our answer: pose (6), identity (K), expression (E)."""
        R = Rotation.from_rotvec(x[1:4]).as_matrix()
        posed = ScaledOrtho(float(np.exp(x[0])), R, x[4:6]).to_cube(
            rows.points(x[6 : 6 + k], x[6 + k :])[ours.picks]
        )
        data = (((posed[:, :2] - landmarks) / sigma[:, None]) ** 2).sum()
        return float(data + (x[6 : 6 + k] ** 2).sum() + ((x[6 + k :] / prior.expression_std) ** 2).sum())

    start = np.concatenate([[np.log(1 / 124)], np.zeros(5), np.zeros(k + rows.expressions)])
    bounds = [(None, None)] * (6 + k) + [(0.0, 1.0)] * rows.expressions

    def numeric() -> np.ndarray:
        return minimize(
            energy, start, method="L-BFGS-B", bounds=bounds, options={"maxfun": 10**6, "maxiter": 100}
        ).x

    reached = energy(
        np.concatenate(
            [
                [np.log(ours.camera.scale)],
                Rotation.from_matrix(ours.camera.rotation).as_rotvec(),
                ours.camera.translation,
                ours.identity,
                ours.expression,
            ]
        )
    )
    return [
        compare(
            "fit, one face",
            lambda: fit_landmarks(head, landmarks),
            numeric,
            peer_name="L-BFGS-B, finite differences, 100 iterations",
            repeat=5,
        ),
        row(
            "fit, energy reached",
            reached,
            energy(numeric()),
            unit="energy",
            peer_name="L-BFGS-B, finite differences, 100 iterations",
            note=f"{k} identities, {rows.expressions} expressions",
        ),
    ]


if __name__ == "__main__":
    save("fit", main(), packages=["numpy", "scipy"])
