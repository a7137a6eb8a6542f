"""Turning a posed head: by so many degrees of yaw, about the upright axis through its neck.

The axis is the image's vertical, leant forwards or back by the head's pitch. A turn about it adds to the yaw of
:attr:`ScaledOrtho.angles` and leaves pitch and roll as they are, for every pose. It goes through the middle of the
neck, so the neck stays on its shoulders.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from models.geometry.camera import ScaledOrtho
from models.heads.linear import LinearHead
from models.heads.regions import Region

Array = np.ndarray


def neck_axis(head: LinearHead) -> Float[Array, " 3"]:
    """A point in the middle of the head's neck, millimetres in the head frame; the origin if the head has no neck."""
    neck = head.mean[head.vertex_region == Region.NECK]
    return np.array([0.0, *neck[:, 1:].mean(axis=0)]) if len(neck) else np.zeros(3)


def turn_matrix(camera: ScaledOrtho, degrees: float) -> Float[Array, "3 3"]:
    """Rotation in the cube that adds ``degrees`` to the camera's yaw."""
    _, pitch, _ = np.radians(camera.angles)
    lean = np.array(
        [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]], np.float64
    )
    a = np.radians(degrees)
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    return np.asarray(lean @ about_y @ lean.T)


def turned_camera(camera: ScaledOrtho, degrees: float, pivot: Float[Array, " 3"]) -> ScaledOrtho:
    """The camera that sees the head turned by ``degrees`` about its upright axis through ``pivot`` (head frame, mm)."""
    rotation = turn_matrix(camera, degrees) @ camera.rotation
    moved = camera.scale * (camera.rotation - rotation) @ pivot
    return ScaledOrtho(camera.scale, rotation, camera.translation + moved[:2])


def turn_points(
    points: Float[Array, "n 3"],
    camera: ScaledOrtho,
    degrees: float,
    pivot: Float[Array, " 3"],
    share: Float[Array, " n"],
) -> Float[Array, "n 3"]:
    """Cube points, each turned by its own share of the turn: 1 moves it with the head, 0 leaves it."""
    _, pitch, _ = np.radians(camera.angles)
    up = np.array([0.0, np.cos(pitch), -np.sin(pitch)])
    posed = camera.scale * camera.rotation @ pivot
    posed[:2] += camera.translation
    arm = points - posed
    along = (arm @ up)[:, None] * up
    flat, a = arm - along, np.radians(degrees) * share
    cos, sin = np.cos(a)[:, None], np.sin(a)[:, None]
    across = np.array([[0, -up[2], up[1]], [up[2], 0, 0], [-up[1], 0, 0]])  # across @ v is up x v
    moved = posed + along + cos * flat + sin * (flat @ across.T)
    # ScaledOrtho keeps the head's origin at depth 0; what moves with the head follows it there.
    origin = turned_camera(camera, degrees, pivot).rotation - camera.rotation
    moved[:, 2] += (camera.scale * origin @ pivot)[2]
    return np.asarray(moved, np.float32)
