"""True surfaces that many reconstructions are compared with: what does not depend on these is computed once.

:class:`CubeTruth` is seen by the orthographic camera of the cube, :class:`CameraTruth` by a pinhole camera. Both align
depth only, then compare in the head's frame in millimetres (facts §2.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import igl
import numpy as np
from jaxtyping import Bool, Float, Int

from models.geometry.camera import ScaledOrtho
from models.geometry.metrics import CylinderMap, Scores, compare_maps, cylinder_map, from_cube
from models.geometry.rasterize import EMPTY_DEPTH, rasterize

SIDE = 256  # pixels of the depth maps that are aligned


class _Seen:
    """What both truths share: the map from the head's axis, and the comparison in it."""

    faces: Int[np.ndarray, "F 3"]
    counted: Bool[np.ndarray, " F"]

    @cached_property
    def millimetres(self) -> Float[np.ndarray, "V 3"]:
        """The surface in the head's frame."""
        raise NotImplementedError

    @cached_property
    def around(self) -> CylinderMap:
        """The surface from the head's axis."""
        return cylinder_map(self.millimetres, self.faces)

    @cached_property
    def wanted(self) -> Bool[np.ndarray, "n n"]:
        """Cells that count."""
        return self.around.hit & self.counted[self.around.triangle]

    def aligned(
        self, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
    ) -> Float[np.ndarray, "V 3"]:
        """A reconstruction in the head's frame, its depth aligned."""
        raise NotImplementedError

    def score(self, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Scores:
        """Scores of a reconstruction as its maker gives it (cube frame).

        Raises:
            ValueError: it shares no pixel with the truth.
        """
        return compare_maps(cylinder_map(self.aligned(vertices, faces), faces), self.around, self.wanted)

    def distances(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Millimetres from points of the head's frame to the counted part of the surface."""
        squared, _, _ = igl.point_mesh_squared_distance(points, self.millimetres, self.faces[self.counted])
        return np.sqrt(squared)


@dataclass(frozen=True, eq=False)
class CubeTruth(_Seen):
    """A true surface in the cube of its image.

    Args:
        vertices: cube frame.
        faces: triangles, CCW seen from outside.
        counted: triangles whose cells make the region.
        pose: head to cube, millimetres.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    counted: Bool[np.ndarray, " F"]
    pose: ScaledOrtho

    @cached_property
    def depth(self) -> Float[np.ndarray, "n n"]:
        """Depth map, cube units."""
        return rasterize(self.vertices, self.faces, SIDE).depth

    @cached_property
    def millimetres(self) -> Float[np.ndarray, "V 3"]:
        """The surface in the head's frame."""
        return from_cube(self.vertices, self.pose)

    def aligned(
        self, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
    ) -> Float[np.ndarray, "V 3"]:
        """Moved in depth by the median difference over the pixels that both cover."""
        ours = rasterize(vertices, faces, SIDE).depth
        shift = float(np.median(_overlap(self.depth, ours, EMPTY_DEPTH)))
        return from_cube(vertices + np.array([0, 0, shift]), self.pose)


@dataclass(frozen=True, eq=False)
class CameraTruth(_Seen):
    """A true surface before a pinhole camera whose axis goes through the middle of a square image.

    Args:
        vertices: camera frame: x right, y up, z to the viewer, so what is seen has z < 0; millimetres.
        faces: triangles.
        counted: triangles whose cells make the region.
        rotation: head to camera axes.
        centre: the head's origin in the camera frame, millimetres.
        focal: of the camera, in image sides (pixels over the image's side).
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    counted: Bool[np.ndarray, " F"]
    rotation: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, " 3"]
    focal: float

    @cached_property
    def depth(self) -> Float[np.ndarray, "n n"]:
        """Distance along the axis, millimetres; 0 where nothing is."""
        return self._depth(self.vertices, self.faces)

    @cached_property
    def millimetres(self) -> Float[np.ndarray, "V 3"]:
        """The surface in the head's frame."""
        return self._to_head(self.vertices)

    def aligned(
        self, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
    ) -> Float[np.ndarray, "V 3"]:
        """Put before the camera where both projections agree at mean depth (facts §1.13), then scaled from the
        camera's centre by ``z / (z - dz)``, with z the truth's mean depth and dz the median difference (facts §2.6).
        """
        placed = vertices.astype(np.float64) - [0, 0, vertices[:, 2].mean()] - [0, 0, 2 * self.focal]
        # The cube's unit is arbitrary: a first scaling puts it at the truth's depth, the rule above does the rest.
        seen = self.depth > 0
        mean = float(self.depth[seen].mean())
        placed *= mean / (2 * self.focal)
        dz = float(np.median(_overlap(self.depth, self._depth(placed, faces), 0.0)))
        return self._to_head(placed * (mean / (mean - dz)))

    def _to_head(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        return (points - self.centre) @ self.rotation

    def _depth(
        self, vertices: Float[np.ndarray, "n 3"], faces: Int[np.ndarray, "f 3"]
    ) -> Float[np.ndarray, "n n"]:
        away = -vertices[:, 2]
        if away.min() <= 0:
            msg = f"a vertex lies {-away.min():.0f} mm behind the camera; check the set's camera frame."
            raise ValueError(msg)
        # 1 / z is linear in the image, and larger where nearer: what the rasteriser takes for its depth.
        nearness = away.min() / away
        flat = np.stack(
            [2 * self.focal * vertices[:, 0] / away, 2 * self.focal * vertices[:, 1] / away, nearness], 1
        )
        drawn = rasterize(flat.astype(np.float32), faces, SIDE).depth
        return np.where(drawn > 0, away.min() / np.maximum(drawn, 1e-9), 0.0)


Truth = CubeTruth | CameraTruth


def _overlap(
    truth: Float[np.ndarray, "n n"], ours: Float[np.ndarray, "n n"], empty: float
) -> Float[np.ndarray, " m"]:
    """Truth minus reconstruction where both are.

    Raises:
        ValueError: nowhere.
    """
    both = (truth > empty) & (ours > empty)
    if not both.any():
        msg = (
            f"reconstruction and truth share none of {truth.shape[0]} x {truth.shape[1]} pixels, so their depth cannot "
            "be aligned; check that both are in the frame of the same photograph."
        )
        raise ValueError(msg)
    return truth[both] - ours[both]
