"""Fit pose, identity and expression of a morphable head to 68 landmarks in closed-form steps (facts §8).

Each loop picks the jaw vertices that form the outline in this pose, then solves one bounded ridge problem for the
pose increment and all shape coefficients together (a bilinear head takes identity and expression in turn). Every
Jacobian is analytic; no derivative is ever approximated. Distances are cube units throughout, so weights do not
depend on the size of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from models.geometry.camera import ScaledOrtho
from models.heads.bilinear import BilinearHead
from models.heads.linear import LinearHead
from models.heads.ridge import bounded_ridge
from models.heads.rows import JAW, LANDMARKS, BilinearRows, LandmarkRows, Rows, landmark_rows

Array = np.ndarray

EYE_CORNERS = (
    (36, 39),
    (42, 45),
)  # iBUG-68: outer and inner corner of the eye at image left, inner and outer at right


CHIN = range(6, 11)  # jaw landmarks whose lines run under the chin: the outline there does not slide with yaw


@dataclass(frozen=True)
class FitPrior:
    """What the fit believes before it sees a landmark."""

    noise: float = 0.03  # standard deviation of an inner landmark, in inter-ocular distances
    jaw_noise: float = 0.06  # the outline is drawn less surely than eyes and lips
    expression_std: float = 0.3  # of each coefficient, which lies in [0, 1]
    loops: int = 6


@dataclass(frozen=True)
class Fitted:
    """Maximum a-posteriori pose and shape, and how well they meet the landmarks."""

    camera: ScaledOrtho
    identity: Float[Array, " K"]
    expression: Float[Array, " E"]
    rms: float  # root mean square landmark residual over the inter-ocular distance
    picks: Int[Array, " 68"]  # row of each landmark, jaw candidates chosen


def interocular(landmarks: Float[Array, "68 2"]) -> float:
    """Distance between the centres of the two eyes, each the middle of its corners."""
    left, right = (landmarks[list(pair)].mean(axis=0) for pair in EYE_CORNERS)
    return float(np.linalg.norm(right - left))


def fit_landmarks(
    head: LinearHead | BilinearHead, landmarks: Float[Array, "68 2"], prior: FitPrior | None = None
) -> Fitted:
    """Fit one face.

    Args:
        head: linear or bilinear head.
        landmarks: iBUG-68 points in cube x, y (y up).
        prior: noise and prior widths.

    Raises:
        ValueError: landmarks are not finite, or all at one place.
    """
    prior = prior or FitPrior()
    points2d = np.asarray(landmarks, np.float64)
    iod = interocular(points2d) if np.isfinite(points2d).all() else 0.0
    if iod < 1e-6:
        msg = f"fit: landmarks must be finite with two distinct eyes, got inter-ocular distance {iod}; detect again."
        raise ValueError(msg)
    cut = landmark_rows(head)
    rows = cut.rows
    sigma = np.where(np.arange(68) < JAW, prior.jaw_noise, prior.noise) * iod
    identity, expression = rows.identity_mean.copy(), np.zeros(rows.expressions)
    points3d = rows.points(identity, expression)
    inner = np.arange(JAW, LANDMARKS)
    camera = refine_pose(pose_affine(points3d[inner], points2d[JAW:]), points3d[inner], points2d[JAW:])
    state = _State(camera, identity, expression)
    weight = 1 / sigma**2
    for _ in range(prior.loops):
        picks = pick_jaw(cut, state.camera, points3d, points2d)
        _solve(rows, state, picks, points2d, weight, prior)
        points3d = rows.points(state.identity, state.expression)
        residual = state.camera.to_cube(points3d[picks])[:, :2] - points2d
        # A landmark that is far off is a mistake of the detector: Huber's weight keeps it from bending the face.
        weight = np.minimum(1, 2.5 * sigma / np.maximum(np.linalg.norm(residual, axis=1), 1e-12)) / sigma**2
    rms = float(np.sqrt((residual**2).sum(axis=1).mean())) / iod
    return Fitted(state.camera, state.identity, state.expression, rms, picks)


def identity_posterior(
    head: LinearHead | BilinearHead,
    camera: ScaledOrtho,
    expression: Float[Array, " E"],
    landmarks: Float[Array, "68 2"],
    identity: Float[Array, " K"],
    prior: FitPrior | None = None,
) -> Float[Array, "K K"]:
    """Lower Cholesky factor L of the posterior precision of identity, pose and expression held.

    A draw is ``identity + solve(L.T, z)`` with standard normal ``z``: along directions that the landmarks see it moves
    them by their noise, along all others it follows the prior (DESIGN §7).
    """
    prior = prior or FitPrior()
    cut = landmark_rows(head)
    points2d = np.asarray(landmarks, np.float64)
    points3d = cut.rows.points(identity.astype(np.float64), expression.astype(np.float64))
    picks = pick_jaw(cut, camera, points3d, points2d)
    sigma = np.where(np.arange(68) < JAW, prior.jaw_noise, prior.noise) * interocular(points2d)
    J = _project(camera, cut.rows.at(picks).identity_jacobian(expression.astype(np.float64)))
    J = J / np.repeat(sigma, 2)[:, None]
    return np.linalg.cholesky(J.T @ J + np.diag(1 / cut.rows.identity_std**2))


def pose_affine(points3d: Float[Array, "n 3"], points2d: Float[Array, "n 2"]) -> ScaledOrtho:
    """Scaled orthographic pose from the best affine map, projected onto rotations (the start of every fit).

    A face is nearly flat, so the affine map's third column is weak; :func:`refine_pose` corrects it.
    """
    centre3d, centre2d = points3d.mean(axis=0), points2d.mean(axis=0)
    affine = np.linalg.lstsq(points3d - centre3d, points2d - centre2d, rcond=None)[0].T  # (2, 3)
    U, S, Vt = np.linalg.svd(affine, full_matrices=False)
    top = U @ Vt  # (2, 3) orthonormal rows
    rotation = np.vstack([top, np.cross(top[0], top[1])])
    scale = float(S.mean())
    return ScaledOrtho(scale, rotation, centre2d - scale * top @ centre3d)


def refine_pose(
    camera: ScaledOrtho, points3d: Float[Array, "n 3"], points2d: Float[Array, "n 2"], steps: int = 8
) -> ScaledOrtho:
    """Least-squares pose by Gauss–Newton, shape held."""
    for _ in range(steps):
        residual = points2d - camera.to_cube(points3d)[:, :2]
        step = np.linalg.lstsq(pose_jacobian(camera, points3d), residual.reshape(-1), rcond=None)[0]
        camera = move_pose(camera, step)
        if np.abs(step).max() < 1e-9:
            break
    return camera


def pose_jacobian(camera: ScaledOrtho, points3d: Float[Array, "n 3"]) -> Float[Array, "n2 6"]:
    """Change of the image points (x and y in turn) with log scale, a rotation about cube x, y, z, and translation."""
    turned = camera.scale * points3d @ camera.rotation.T
    J = np.zeros((len(points3d), 2, 6))
    J[:, :, 0] = turned[:, :2]
    J[:, 0, 2], J[:, 0, 3] = turned[:, 2], -turned[:, 1]  # omega x turned
    J[:, 1, 1], J[:, 1, 3] = -turned[:, 2], turned[:, 0]
    J[:, 0, 4] = J[:, 1, 5] = 1
    return J.reshape(-1, 6)


def move_pose(camera: ScaledOrtho, step: Float[Array, " 6"]) -> ScaledOrtho:
    """Apply an increment of :func:`pose_jacobian`'s parameters; the rotation stays one (Rodrigues)."""
    angle = float(np.linalg.norm(step[1:4]))
    x, y, z = step[1:4] / max(angle, 1e-12)
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K
    return ScaledOrtho(
        float(camera.scale * np.exp(step[0])), turn @ camera.rotation, camera.translation + step[4:6]
    )


def pick_jaw(
    cut: LandmarkRows, camera: ScaledOrtho, points3d: Float[Array, "n 3"], points2d: Float[Array, "68 2"]
) -> Int[Array, " 68"]:
    """Row of each landmark in this pose.

    A jaw landmark of a turned head is either on the outline, the candidate of its line that lies farthest out (2-D
    annotators, FAN), or still on the anatomical jaw (mesh detectors); facts §8.1. Whichever is nearer is taken.
    """
    anatomical, outline = np.arange(LANDMARKS), pick_outline(cut, camera, points3d)
    away = np.linalg.norm(
        camera.to_cube(points3d)[:, :2][np.stack([anatomical, outline])] - points2d, axis=-1
    )
    return np.where(away[1] < away[0], outline, anatomical)


def pick_outline(cut: LandmarkRows, camera: ScaledOrtho, points3d: Float[Array, "n 3"]) -> Int[Array, " 68"]:
    """Row of each landmark if the jaw is drawn along the head's outline; the chin stays where it is."""
    picks = np.arange(LANDMARKS)
    top = camera.scale * camera.rotation[:2]
    across = top[:, 0] / max(float(np.linalg.norm(top[:, 0])), 1e-12)  # the head's own x axis in the image
    out = (points3d @ top.T) @ across  # (n,)
    for k in (*range(CHIN.start), *range(CHIN.stop, JAW)):
        line = cut.lines[k][cut.lines[k] >= 0]
        picks[k] = line[np.argmin(out[line]) if k < CHIN.start else np.argmax(out[line])]
    return picks


@dataclass
class _State:
    """What the loop improves."""

    camera: ScaledOrtho
    identity: Float[Array, " K"]
    expression: Float[Array, " E"]


def _project(camera: ScaledOrtho, jacobian: Float[Array, "n 3 m"]) -> Float[Array, "n2 m"]:
    """Head-frame Jacobian to image rows, x and y of a point in turn."""
    top = camera.scale * camera.rotation[:2]  # (2, 3)
    return np.einsum("ij,njm->nim", top, jacobian).reshape(2 * len(jacobian), -1)


def _solve(
    rows: Rows,
    state: _State,
    picks: Int[Array, " 68"],
    points2d: Float[Array, "68 2"],
    weight: Float[Array, " 68"],
    prior: FitPrior,
) -> None:
    """Pose and shape in one bounded ridge problem; a bilinear head takes identity and expression in turn.

    Solving pose with shape, not after it, matters: a turned mean face and a straight wide one look alike to either
    half of an alternation, which then creeps along the valley between them.
    """
    identity = (rows.identity_mean, 1 / rows.identity_std**2, np.inf)
    expression = (np.zeros(rows.expressions), np.full(rows.expressions, prior.expression_std**-2), 1.0)

    chosen = rows.at(picks)

    def solve(blocks: list[str]) -> None:
        camera, points3d = state.camera, chosen.points(state.identity, state.expression)
        root = np.sqrt(np.repeat(weight, 2))
        columns, mean, precision, low, high = [pose_jacobian(camera, points3d)], [], [], [], []
        target = (points2d - camera.to_cube(points3d)[:, :2]).reshape(-1)
        for block in blocks:
            centre, tight, bound = identity if block == "identity" else expression
            now = state.identity if block == "identity" else state.expression
            jacobian = (
                chosen.identity_jacobian(state.expression)
                if block == "identity"
                else chosen.expression_jacobian(state.identity)
            )
            columns.append(_project(camera, jacobian))
            target = target + columns[-1] @ now  # the unknowns are the coefficients, not their change
            mean.append(centre)
            precision.append(tight)
            low.append(np.full(len(now), -np.inf if bound == np.inf else 0.0))
            high.append(np.full(len(now), bound))
        free = np.full(6, np.inf)
        answer = bounded_ridge(
            np.hstack(columns) * root[:, None],
            target * root,
            np.concatenate([np.zeros(6), *mean]),
            np.concatenate([np.full(6, 1e-6), *precision]),
            np.concatenate([-free, *low]),
            np.concatenate([free, *high]),
        )
        state.camera = move_pose(camera, answer[:6])
        start = 6
        for block, centre in zip(blocks, mean, strict=True):
            setattr(state, block, answer[start : start + len(centre)])
            start += len(centre)

    for blocks in (
        [["identity"], ["expression"]] if isinstance(rows, BilinearRows) else [["identity", "expression"]]
    ):
        solve(blocks)
