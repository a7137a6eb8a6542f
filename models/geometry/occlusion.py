"""What a head's own surface keeps from its skin: precomputed transfer of harmonic light, once per head.

A convex body sees half of the sphere from every point, and ``models.geometry.light`` shades as if a head were one.
Eye sockets, the sides of nostrils, the underside of nose, lip and chin see less. For every vertex the missing
part of the cosine integral is projected on the nine harmonics (precomputed radiance transfer, Sloan, Kautz and
Snyder 2002), so it is one small matrix product per pair, and linear, so the light can be estimated with it.

What hides the sky is skin, which sends back a part of the light that falls on it, so cavities redden before they
blacken. One bounce between equally lit walls is summed to the end: with the share F of the cosine-weighted sky
hidden and an albedo a, the walls of a cavity keep (1 - F) / (1 - a F) of an even light.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

from models.geometry.light import C0, basis
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize

DIRECTIONS = 400  # even over the sphere; the noise of the integral is below 0.5 % of the light
SIDE = 512  # pixels of a depth map: about 0.6 mm on a head
LIFT = 2.0  # pixels by which a vertex is raised along its normal, so that its own triangles do not hide it
SLACK = 1.0  # pixels by which a depth must be nearer to hide
COSINE = np.array([1.0] + [2 / 3] * 3 + [1 / 4] * 5)  # what the cosine lobe leaves of each order (over pi)
FOCUS = 40.0  # of the soft window around a direction: its half-value is at 10 degrees


class Solid(Protocol):
    """What of a head model is needed: anything with a mean shape and triangles."""

    mean: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]


@dataclass(frozen=True, eq=False)
class Occlusion:
    """What each vertex of a head sees, for lights in one frame (the head's own until :meth:`posed`)."""

    blocked: Float[np.ndarray, "V 9"]  # add to the harmonics of the normal: minus what the head itself hides
    covered: Float[np.ndarray, " V"]  # share of the cosine-weighted sky that is hidden, 0..1
    directions: Float[np.ndarray, "D 3"]  # unit, towards the light
    open: Bool[np.ndarray, "D V"]  # whether the light of each direction arrives

    def posed(self, rotation: Float[np.ndarray, "3 3"]) -> Occlusion:
        """The same for lights in the frame into which ``rotation`` takes head coordinates: the cube's."""
        turned = self.directions @ np.asarray(rotation, np.float64).T
        # Harmonics of one order turn into each other: the matrix is exact, whatever directions it is fitted on.
        matrix = np.linalg.lstsq(basis(turned), basis(self.directions), rcond=None)[0]
        blocked = (self.blocked @ matrix.T).astype(np.float32)
        return replace(self, blocked=blocked, directions=turned)

    def shading(
        self, light: Float[np.ndarray, "9 3"], albedo: Float[np.ndarray, " 3"]
    ) -> Float[np.ndarray, "V 3"]:
        """What to add to the convex shading of each vertex under a light.

        Harmonics of order 2 ring, so what a lamp loses is never allowed to be light won.

        Args:
            light: nine coefficients, in this frame (``models.geometry.light``).
            albedo: mean linear colour of the skin, in [0, 1).
        """
        lost = np.minimum(self.blocked @ np.float32(light), 0)
        even = np.float32(C0) * np.maximum(np.float32(light[0]), 0)
        added: Float[np.ndarray, "V 3"] = lost + _walls(self.covered, np.float32(albedo)) * even
        return added

    def design(
        self,
        corners: Int[np.ndarray, "n 3"],
        bary: Float[np.ndarray, "n 3"],
        albedo: Float[np.ndarray, " 3"],
    ) -> Float[np.ndarray, "n 9 3"]:
        """What to add to the harmonics of the normals at points of triangles, for R, G, B: :meth:`shading` as a
        linear function of the light.
        """
        weight = bary[..., None].astype(np.float64)
        blocked = (self.blocked[corners] * weight).sum(axis=1)
        added = np.repeat(blocked[:, :, None], 3, axis=2)
        added[:, 0] += C0 * _walls((self.covered[corners] * bary).sum(axis=1), np.float64(albedo))
        return added

    def toward(self, direction: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " V"]:
        """Share of a soft window around a unit direction that arrives at each vertex, 0..1."""
        weight = np.exp(FOCUS * (self.directions @ direction - 1))
        near = np.flatnonzero(weight > 0.05)
        share = (weight[near] / weight[near].sum()).astype(np.float32)
        total = np.zeros(self.open.shape[1], np.float32)
        for k, part in zip(near, share, strict=True):
            total += part * self.open[k]
        return total


def _walls(hidden: Float[np.ndarray, " n"], albedo: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "n 3"]:
    """Share of an even light that the walls of a cavity send back into it, for R, G, B."""
    hidden = hidden[:, None]
    share: Float[np.ndarray, "n 3"] = albedo * hidden * (1 - hidden) / (1 - albedo * hidden)
    return share


def sphere_directions(n: int = DIRECTIONS) -> Float[np.ndarray, "n 3"]:
    """Even unit directions over the sphere (golden spiral)."""
    k = np.arange(n) + 0.5
    z, angle = 1 - 2 * k / n, np.pi * (1 + 5**0.5) * k
    rim = np.sqrt(1 - z * z)
    return np.stack([rim * np.cos(angle), rim * np.sin(angle), z], axis=-1)


@lru_cache(maxsize=4)
def head_occlusion(head: Solid) -> Occlusion:
    """Of a head's mean shape, once per process and head: other identities and an open mouth differ little."""
    return self_occlusion(head.mean, head.faces)


def self_occlusion(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    directions: int = DIRECTIONS,
    side: int = SIDE,
) -> Occlusion:
    """Rasterise the mesh from every direction and see which vertices the depth map shows.

    Args:
        vertices: a closed mesh, in any unit.
        faces: counter-clockwise seen from outside.
        directions: how many.
        side: pixels of a depth map.
    """
    vertices = np.asarray(vertices, np.float64)
    normals = vertex_normals(vertices, faces).astype(np.float64)
    middle = (vertices.max(axis=0) + vertices.min(axis=0)) / 2
    reach = float(np.linalg.norm(vertices - middle, axis=1).max()) * 1.02
    body = (vertices - middle) / reach
    pixel = 2 / side
    raised = body + LIFT * pixel * normals
    towards = sphere_directions(directions)
    seen = np.ones((directions, len(vertices)), dtype=bool)
    for k, direction in enumerate(towards):
        frame = _facing(direction)
        depth = rasterize((body @ frame.T).astype(np.float32), faces, side).depth
        _hide((raised @ frame.T).astype(np.float32), depth, np.float32(SLACK * pixel), seen[k])
    arriving = np.maximum(normals @ towards.T, 0)
    lost = np.where(seen.T, 0.0, arriving)
    norm = np.maximum(arriving.sum(axis=1), 1e-9)  # is directions / 4, exactly for many directions
    blocked = -(4 * lost / directions) @ basis(towards) / COSINE
    return Occlusion(blocked.astype(np.float32), (lost.sum(axis=1) / norm).astype(np.float32), towards, seen)


def _facing(direction: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """A rotation that takes ``direction`` to +z."""
    side = np.cross([0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0.0, 0.0], direction)
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(direction, side), direction])


@njit(cache=True)
def _hide(points, depth, slack, seen):  # type: ignore[no-untyped-def]
    size = depth.shape[0]
    for v in range(points.shape[0]):
        j = int(np.floor((points[v, 0] + 1) * size * 0.5))
        i = int(np.floor((1 - points[v, 1]) * size * 0.5))
        if 0 <= i < size and 0 <= j < size and depth[i, j] > points[v, 2] + slack:
            seen[v] = False
