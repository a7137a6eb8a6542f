"""A surface that a head is to lie on: what of it counts, and which of its points belongs to which point of the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from models.geometry.closest import closest_points
from models.geometry.normals import vertex_normals
from models.geometry.similarity import Similarity

FACING = 0.6  # least cosine between the normals of two points that may be the same
SURE = 2.0  # mm: a match that is farther off loses weight (Geman and McClure)


@dataclass(frozen=True, eq=False)
class Target:
    """An open or closed surface in millimetres, triangles CCW seen from outside."""

    vertices: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "f 3"]
    counts: Bool[np.ndarray, " n"]  # False on the border and where the surface is no skin
    normals: Float[np.ndarray, "n 3"]

    @staticmethod
    def of(
        vertices: Float[np.ndarray, "n 3"],
        faces: Int[np.ndarray, "f 3"],
        counts: Bool[np.ndarray, " n"] | None = None,
    ) -> Target:
        """Set up; vertices on the border never count, because whatever lies beyond it is nearest to it too."""
        inner = ~on_border(faces, len(vertices))
        return Target(
            np.asarray(vertices, np.float64),
            np.asarray(faces, np.int32),
            inner if counts is None else inner & counts,
            vertex_normals(vertices, faces).astype(np.float64),
        )

    def moved(self, move: Similarity) -> Target:
        """The surface in another frame."""
        return Target(move(self.vertices), self.faces, self.counts, self.normals @ move.rotation.T)

    def match(
        self, points: Float[np.ndarray, "m 3"], normals: Float[np.ndarray, "m 3"], reach: float
    ) -> Match:
        """The nearest point of the surface to each of some points with normals.

        Args:
            reach: millimetres beyond which a point has no partner.
        """
        triangle, bary, distance = closest_points(points, self.vertices, self.faces)
        corners = self.faces[triangle]
        goal = (self.vertices[corners] * bary[..., None]).sum(1)
        normal = unit((self.normals[corners] * bary[..., None]).sum(1))
        facing = (normal * normals).sum(1)
        keep = (distance < reach) & (facing > FACING) & self.counts[corners].all(1)
        weight = keep / (1 + (distance / SURE) ** 2) ** 2
        return Match(goal, normal, weight, distance, keep, triangle, bary)


@dataclass(frozen=True, eq=False)
class Match:
    """Partners of m points on a surface."""

    goal: Float[np.ndarray, "m 3"]
    normal: Float[np.ndarray, "m 3"]
    weight: Float[np.ndarray, " m"]  # 0 where there is no partner, else up to 1
    distance: Float[np.ndarray, " m"]  # mm, partner or not
    found: Bool[np.ndarray, " m"]
    triangle: Int[np.ndarray, " m"]  # of the surface, and where in it the nearest point lies
    bary: Float[np.ndarray, "m 3"]


def on_border(faces: Int[np.ndarray, "f 3"], count: int) -> Bool[np.ndarray, " n"]:
    """Vertices with an edge that only one triangle has."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1).astype(np.int64)
    code, uses = np.unique(edges[:, 0] * count + edges[:, 1], return_counts=True)
    single = code[uses == 1]
    out = np.zeros(count, bool)
    out[single // count] = True
    out[single % count] = True
    return out


def unit(vectors: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Vectors of length one; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
