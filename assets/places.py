"""A head as a picture of its atlas: the cube place of every texel (Feng et al. 2018), and back to vertices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from assets.atlas import Atlas, closest_uv
from models.heads.linear import LinearHead
from models.heads.regions import FACE, Region

# How much a texel counts in training. PRNet: 16 around landmarks, 4 eyes, nose and mouth, 3 face, 0 neck.
FEATURES, SKIN, REST = 4.0, 3.0, 0.3
LANDMARK, AROUND = 16.0, 1  # and the texels beside a landmark that count as it
SMALL_PARTS = (Region.NOSE, Region.BROWS, Region.EYES, Region.LIPS)


@dataclass(frozen=True, eq=False)
class PlaceAtlas:
    """Position maps of ``size`` x ``size`` texels; row 0 is v = 1. Between charts the nearest chart is continued."""

    head: LinearHead
    size: int

    @cached_property
    def atlas(self) -> Atlas:
        """The charts."""
        return Atlas(self.head, self.size)

    @cached_property
    def _nearest(self) -> tuple[Int[np.ndarray, "S S"], Int[np.ndarray, "S S"]]:
        rows, columns = ndimage.distance_transform_edt(
            ~self.atlas.covered, return_distances=False, return_indices=True
        )
        return rows, columns

    def places(self, vertices: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "S S 3"]:
        """The position map of a posed head."""
        return self.atlas.on_surface(vertices)[self._nearest]

    @cached_property
    def _mirror(self) -> tuple[Float[np.ndarray, "S S"], Float[np.ndarray, "S S"]]:
        head = self.head
        points = self.places(head.mean).reshape(-1, 3).astype(np.float64) * [-1, 1, 1]
        uv = closest_uv(points, head.mean, head.faces, head.uvs, head.face_uvs)
        column, row = uv[:, 0] * self.size - 0.5, (1 - uv[:, 1]) * self.size - 0.5
        shape = (self.size, self.size)
        return column.reshape(shape).astype(np.float32), row.reshape(shape).astype(np.float32)

    def mirrored(self, places: Float[np.ndarray, "S S 3"]) -> Float[np.ndarray, "S S 3"]:
        """The position map of the mirrored head: x is negated, and every texel shows its opposite on the mean head."""
        other = cv2.remap(places, *self._mirror, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return other * np.float32([-1, 1, 1])

    @cached_property
    def weight(self) -> Float[np.ndarray, "S S"]:
        """How much each texel counts; nothing between charts."""
        region = self.atlas.region
        weight = np.where(np.isin(region, FACE), SKIN, REST).astype(np.float32)
        weight[np.isin(region, SMALL_PARTS)] = FEATURES
        weight[~self.atlas.covered] = 0
        corners = self.vertex_uvs[self.head.landmark_vertices]
        marks = (corners * self.head.landmark_bary[..., None]).sum(1)
        for u, v in marks:
            i, j = int((1 - v) * self.size), int(u * self.size)
            weight[max(0, i - AROUND) : i + AROUND + 1, max(0, j - AROUND) : j + AROUND + 1] = LANDMARK
        return weight

    @cached_property
    def vertex_uvs(self) -> Float[np.ndarray, "V 2"]:
        """Texture coordinates of each vertex; of those on a seam, the last that a triangle of the outside names."""
        order = np.argsort(self._outside, kind="stable")
        found = np.zeros((len(self.head.mean), 2), np.float32)
        found[self.head.faces[order].ravel()] = self.head.uvs[self.head.face_uvs[order].ravel()]
        return found

    @property
    def _outside(self) -> Bool[np.ndarray, " F"]:
        return self.head.face_region != Region.INNER_MOUTH

    @property
    def faces(self) -> Int[np.ndarray, "F 3"]:
        """Triangles that a map can say something of: the bag of the mouth has too few texels for its many vertices."""
        return self.head.faces[self._outside].astype(np.int32)
