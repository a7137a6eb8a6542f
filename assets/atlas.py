"""The texture atlas of a head, texel by texel: which triangle each texel shows, and what follows from
that.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from models.geometry.closest import closest_points
from models.geometry.rasterize import rasterize
from models.heads.linear import LinearHead
from models.heads.regions import FACE, Region


@dataclass(frozen=True, eq=False)
class Atlas:
    """A head's atlas of S x S texels; row 0 is v = 1, and the centre of texel (i, j) is u = (j + 0.5) / S."""

    head: LinearHead
    size: int

    @cached_property
    def _seen(self) -> tuple[Int[np.ndarray, "S S"], Float[np.ndarray, "S S 3"]]:
        flat = np.zeros((len(self.head.uvs), 3), np.float32)
        flat[:, :2] = 2 * self.head.uvs - 1
        seen = rasterize(flat, np.ascontiguousarray(self.head.face_uvs, np.int32), self.size)
        return seen.pix_to_face, seen.bary

    @property
    def fingerprint(self) -> str:
        """Says whether a texture belongs to this atlas: a hash of the charts, to half a texel of 1024."""
        digest = hashlib.sha256(np.rint(self.head.uvs * 2048).astype("<i4").tobytes())
        digest.update(np.ascontiguousarray(self.head.face_uvs).astype("<i4").tobytes())
        return digest.hexdigest()[:12]

    @property
    def triangle(self) -> Int[np.ndarray, "S S"]:
        """Triangle of each texel, -1 between charts."""
        return self._seen[0]

    @cached_property
    def covered(self) -> Bool[np.ndarray, "S S"]:
        """Texels that lie in a chart."""
        return self.triangle >= 0

    @cached_property
    def region(self) -> UInt8[np.ndarray, "S S"]:
        """Region of each texel, BACKGROUND between charts."""
        region = self.head.face_region[self.triangle]
        return np.where(self.covered, region, np.uint8(Region.BACKGROUND))

    @cached_property
    def face(self) -> Bool[np.ndarray, "S S"]:
        """Texels of the face regions, eyes and inner mouth included."""
        return np.isin(self.region, FACE)

    def spread(
        self, values: Float[np.ndarray, "n c"], index: Int[np.ndarray, "F 3"]
    ) -> Float[np.ndarray, "S S c"]:
        """Values at corners (through ``index``: head.faces, head.face_source_uvs ...) interpolated to
        texels; zeros between charts.
        """
        triangle, bary = self._seen
        out = np.zeros((*triangle.shape, values.shape[1]), np.float32)
        at = self.covered
        corners = values[index[triangle[at]]]
        out[at] = (corners * bary[at][..., None]).sum(1)
        return out

    def on_surface(self, values: Float[np.ndarray, "V c"]) -> Float[np.ndarray, "S S c"]:
        """Values at vertices interpolated to texels."""
        return self.spread(values, self.head.faces)

    @cached_property
    def mirror(self) -> tuple[Float[np.ndarray, "S S"], Float[np.ndarray, "S S"]]:
        """Column and row (texel index coordinates, for cv2.remap) of the texel on the other side of the
        mean face.

        Found on the surface (x to -x, nearest point), so the atlas itself need not be symmetric. Outside
        the face every texel points to itself.
        """
        columns, rows = np.meshgrid(
            np.arange(self.size, dtype=np.float32), np.arange(self.size, dtype=np.float32)
        )
        at = self.face
        points = self.on_surface(self.head.mean)[at].astype(np.float64) * [-1, 1, 1]
        uv = closest_uv(points, self.head.mean, self.head.faces, self.head.uvs, self.head.face_uvs)
        columns[at] = uv[:, 0] * self.size - 0.5
        rows[at] = (1 - uv[:, 1]) * self.size - 0.5
        return columns, rows

    def mirrored(self, image: Float[np.ndarray, "S S c"]) -> Float[np.ndarray, "S S c"]:
        """The image of the other side of the face on this side."""
        return cv2.remap(image, *self.mirror, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def closest_uv(
    points: Float[np.ndarray, "n 3"],
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    uvs: Float[np.ndarray, "t 2"],
    face_uvs: Int[np.ndarray, "F 3"],
) -> Float[np.ndarray, "n 2"]:
    """Texture coordinates of the surface points nearest to ``points``."""
    triangle, bary, _ = closest_points(points, vertices, faces)
    return (uvs[face_uvs[triangle]] * bary[..., None]).sum(1).astype(np.float32)


def sample(image: np.ndarray, uv: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n c"]:
    """Colours of an image (uint8 or float32; row 0 is v = 1) at texture coordinates, bicubic, float32."""
    h, w = image.shape[:2]
    flat = np.ascontiguousarray(uv, np.float32)
    shape = flat.shape[:-1]
    flat = flat.reshape(-1, 1, 2) if len(shape) != 2 else flat
    columns = np.ascontiguousarray(flat[..., 0] * w - 0.5)
    rows = np.ascontiguousarray((1 - flat[..., 1]) * h - 0.5)
    # remap takes at most 32767 rows: long lists are folded.
    if columns.shape[0] > 32000:
        out = np.concatenate(
            [
                cv2.remap(image.astype(np.float32), c, r, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
                for c, r in zip(
                    np.array_split(columns, len(columns) // 30000 + 1),
                    np.array_split(rows, len(rows) // 30000 + 1),
                    strict=True,
                )
            ]
        )
    else:
        out = cv2.remap(
            image.astype(np.float32), columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
    return out.reshape(*shape, -1)


def fill(image: Float[np.ndarray, "h w c"], known: np.ndarray) -> Float[np.ndarray, "h w c"]:
    """Continue the known texels smoothly into the others (pull–push over an image pyramid).

    ``known`` is bool, or a weight in [0, 1]. Texels of weight 1 stay exactly as they are.
    """
    weight = known.astype(np.float32)
    colour = image.astype(np.float32) * weight[..., None]
    levels = [(colour, weight)]
    while min(levels[-1][1].shape) > 2:
        colour, weight = cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])
        levels.append((colour.reshape(*weight.shape, -1), weight))
    result = levels[-1][0] / np.maximum(levels[-1][1], 1e-6)[..., None]
    for colour, weight in reversed(levels[:-1]):
        coarse = cv2.resize(result, weight.shape[::-1], interpolation=cv2.INTER_LINEAR).reshape(colour.shape)
        own = colour / np.maximum(weight, 1e-6)[..., None]
        trust = np.minimum(1, weight)[..., None]
        result = trust * own + (1 - trust) * coarse
    return result
