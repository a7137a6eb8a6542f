"""Pose, identity and expression of a linear head for a surface with 68 landmarks: the coarse half of a registration.

Landmarks alone first, then planes at the nearest points as well. Each round is one bounded ridge problem for a small
movement of the surface and all coefficients together, so that pose and shape do not wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from models.geometry.normals import vertex_normals
from models.geometry.similarity import Similarity
from models.heads.linear import LinearHead
from models.heads.regions import Region
from models.heads.ridge import bounded_ridge
from models.heads.target import Target

SKIN = (Region.SKIN, Region.NOSE, Region.BROWS, Region.LIPS)
JAW = 17  # landmarks 0..16 slide along the jaw: only the others pull
LANDMARK_NOISE = 2.5  # mm
# Landmarks that face each other across an opening: how far it is open is seen better than where it is.
ACROSS = ((61, 67), (62, 66), (63, 65), (37, 41), (38, 40), (43, 47), (44, 46))
ACROSS_NOISE = 0.6  # mm
SURFACE_NOISE = 1.5  # mm
SURFACE_COUNT = 600  # neighbouring vertices err together: all of them count as so many
EXPRESSION_STD = 0.25  # of each coefficient, which lies in [0, 1]
REACH = (np.inf, np.inf, np.inf, 20.0, 16.0, 13.0, 11.0, 9.0, 8.0, 7.0, 6.0, 6.0)  # mm, round by round
LANDMARKS_ALONE = 3  # rounds
HELD = 1e9  # precision of a variable that may not move


@dataclass(frozen=True, eq=False)
class SurfaceFit:
    """The head that is nearest to a surface among those that the model can make."""

    identity: Float[np.ndarray, " k"]
    expression: Float[np.ndarray, " e"]
    into_head: Similarity  # from the surface's frame to the head's


def known_inside(landmarks: Float[np.ndarray, "68 3"]) -> Int[np.ndarray, " n"]:
    """Rows of the known landmarks inside the face.

    Raises:
        ValueError: fewer than ten are known.
    """
    known = np.flatnonzero(np.isfinite(landmarks).all(1))
    known = known[known >= JAW]
    if len(known) < 10:
        msg = (
            f"registration knows {len(known)} of the 51 landmarks inside the face, needs at least 10; "
            f"give all 68 with --landmarks."
        )
        raise ValueError(msg)
    return known


def fit_surface(
    head: LinearHead,
    target: Target,
    landmarks: Float[np.ndarray, "68 3"],
    scale: float | None = None,
) -> SurfaceFit:
    """Fit one surface.

    Args:
        head: linear head.
        target: surface in its own frame.
        landmarks: iBUG-68 points on the surface; NaN where one is not known.
        scale: millimetres in a unit of the surface; None fits it.

    Raises:
        ValueError: fewer than ten inner landmarks are known.
    """
    known = known_inside(landmarks)
    design = _Design(head, known)
    marks = landmarks[known].astype(np.float64)
    x = np.zeros(design.modes)
    move = Similarity.between(marks, design.landmarks(x), scale)
    for reach in REACH:
        J, goal = _landmark_rows(design, x, move(marks))
        rows, goals = [J], [goal]
        if np.isfinite(reach):
            J, goal = _surface_rows(design, x, target.moved(move), reach)
            rows.append(J)
            goals.append(goal)
        held = 0.0 if scale is None else HELD
        precision = np.concatenate([np.full(6, 1e-9), [1e-9 + held], design.precision])
        low = np.concatenate([np.full(7 + design.identities, -np.inf), np.zeros(design.expressions)])
        high = np.concatenate([np.full(7 + design.identities, np.inf), np.ones(design.expressions)])
        step = bounded_ridge(
            np.concatenate(rows), np.concatenate(goals), np.zeros(len(precision)), precision, low, high
        )
        move, x = move.nudged(step[:3], step[3:6], float(step[6])), step[7:]
    return SurfaceFit(x[: design.identities], x[design.identities :], move)


class _Design:
    """What of a head the rounds look at: every third vertex of its skin, and the landmarks that are known."""

    def __init__(self, head: LinearHead, known: np.ndarray) -> None:
        self.head = head
        self.basis = np.concatenate([head.id_basis, head.exp_basis]).astype(np.float64)
        self.modes, self.identities = len(self.basis), len(head.id_basis)
        self.expressions = self.modes - self.identities
        self.precision = np.concatenate(
            [np.ones(self.identities), np.full(self.expressions, EXPRESSION_STD**-2)]
        )
        self.at = np.flatnonzero(np.isin(head.vertex_region, SKIN))[::3]
        self.skin = self.basis[:, self.at].transpose(1, 2, 0)  # (n, 3, m)
        corners, bary = head.landmark_vertices[known], head.landmark_bary[known, :, None].astype(np.float64)
        self.marks = (self.basis[:, corners] * bary).sum(2).transpose(1, 2, 0)
        self.marks_mean = (head.mean[corners] * bary).sum(1)
        place = {int(mark): row for row, mark in enumerate(known)}
        pairs = [(place[a], place[b]) for a, b in ACROSS if a in place and b in place]
        self.across = np.array(pairs, np.int64).reshape(-1, 2).T

    def landmarks(self, x: np.ndarray) -> np.ndarray:
        return self.marks_mean + self.marks @ x

    def vertices(self, x: np.ndarray) -> np.ndarray:
        return self.head.mean + np.tensordot(x, self.basis, 1)


def _pose_columns(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Change of -normal . point with a rotation, a translation and a growth of the points, (n, 7)."""
    return -np.column_stack([np.cross(points, normals), normals, (points * normals).sum(1)])


def _landmark_rows(design: _Design, x: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and right sides: where the landmarks are, and how far apart those are that face each other."""
    rows, goals = [], []
    one, other = design.across
    gap = marks - design.landmarks(x)
    own = huber(np.linalg.norm(gap, axis=1), LANDMARK_NOISE)
    pair = huber(np.linalg.norm(gap[one] - gap[other], axis=1), ACROSS_NOISE)
    for k, axis in enumerate(np.eye(3)):
        J = np.column_stack([_pose_columns(marks, np.tile(axis, (len(marks), 1))), design.marks[:, k]])
        goal = marks[:, k] - design.marks_mean[:, k]
        rows += [J * own[:, None], (J[one] - J[other]) * pair[:, None]]
        goals += [goal * own, (goal[one] - goal[other]) * pair]
    return np.concatenate(rows), np.concatenate(goals)


def huber(gap: Float[np.ndarray, " n"], noise: float) -> Float[np.ndarray, " n"]:
    """Square root of the weight of residuals in mm: beyond 2.5 standard deviations they are mistakes of a detector."""
    return np.sqrt(np.minimum(1, 2.5 * noise / np.maximum(gap, 1e-9))) / noise


def _surface_rows(
    design: _Design, x: np.ndarray, target: Target, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    vertices = design.vertices(x)
    normals = vertex_normals(vertices, design.head.faces)
    match = target.match(vertices[design.at], normals[design.at], reach)
    near = match.found
    goal, normal = match.goal[near], match.normal[near]
    weight = np.sqrt(match.weight[near] * min(1.0, SURFACE_COUNT / max(1, near.sum()))) / SURFACE_NOISE
    bent = np.einsum("nd,ndm->nm", normal, design.skin[near])
    J = np.column_stack([_pose_columns(goal, normal), bent])
    aim = (normal * (goal - design.head.mean[design.at[near]])).sum(1)
    return J * weight[:, None], aim * weight
