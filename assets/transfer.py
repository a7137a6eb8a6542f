"""Textures of one head on another: each texel finds its place on the bundled head, and from there the other atlas.

Two heads meet on the bundled head's mean (:mod:`assets.heads.correspond`). A texel of the wanted atlas is a point of
its head's surface, that point a point near the reference, and the other head's nearest surface point there has texture
coordinates. Lids, lips and what lies between them are searched among their own kind, so that no lip takes the colour
of the other across a closed mouth's slit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from assets.atlas import Atlas
from assets.textures import ATLAS_SIZE
from models.geometry.closest import closest_points
from models.heads.linear import LinearHead
from models.heads.regions import HOLES, Region

TORN = 0.03  # of the other atlas: corners of one triangle that land farther apart lie across a seam


class Pool(Protocol):
    """What is asked of a texture pool (``assets.textures.TexturePool``)."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the face textures."""

    def image(self, name: str) -> UInt8[np.ndarray, "h w 3"]:
        """sRGB, row 0 is v = 1."""

    def part(self, part: str) -> tuple[str, ...]:
        """Names of the textures of one part."""

    def head(self, name: str) -> str:
        """Name of the head in whose atlas a face texture is."""

    def displacement(self, name: str) -> Float[np.ndarray, "n n"] | None:
        """Measured relief of a face texture in that atlas, mm outwards."""


def in_reference(head: LinearHead) -> Float[np.ndarray, "v 3"]:
    """A head's vertices where they lie on the reference; the bundled head's own mean."""
    return head.mean if head.reference is None else head.reference


def atlas_map(head: LinearHead, other: LinearHead, size: int) -> Float[np.ndarray, "S S 2"]:
    """Texture coordinates in the other head's atlas of each texel of a head's atlas; NaN between charts.

    The corners of a triangle are looked up and its texels interpolated, but where the corners land apart (across the
    other atlas's seams) each texel is looked up for itself.
    """
    atlas = Atlas(head, size)
    points = in_reference(head).astype(np.float64)
    corners = np.zeros((len(head.faces), 3, 2), np.float32)
    kinds = _kinds(head.face_region)
    for kind in np.unique(kinds):
        mine = kinds == kind
        vertices, index = np.unique(head.faces[mine], return_inverse=True)
        corners[mine] = _looked_up(points[vertices], other, kind)[index.reshape(-1, 3)]
    torn = (np.ptp(corners, axis=1) > TORN).any(1)
    found = np.full((size, size, 2), np.nan, np.float32)
    own = np.arange(3 * len(head.faces)).reshape(-1, 3)
    found[atlas.covered] = atlas.spread(corners.reshape(-1, 2), own)[atlas.covered]
    again = atlas.covered & torn[atlas.triangle]
    where = atlas.on_surface(points)
    for kind in np.unique(kinds[torn]):
        texels = again & (kinds[atlas.triangle] == kind)
        found[texels] = _looked_up(where[texels].astype(np.float64), other, kind)
    return found


def _looked_up(points: Float[np.ndarray, "n 3"], other: LinearHead, kind: int) -> Float[np.ndarray, "n 2"]:
    """Texture coordinates of the nearest surface points of one kind."""
    kinds = _kinds(other.face_region)
    triangles = np.flatnonzero(kinds == kind)
    if not len(triangles):  # a head without a mouth bag shows its lips there
        triangles = np.flatnonzero(kinds == 0)
    triangle, bary, _ = closest_points(points, in_reference(other), other.faces[triangles])
    corners = other.uvs[other.face_uvs[triangles[triangle]]]
    return np.asarray((corners * np.clip(bary, 0, 1)[..., None]).sum(1), np.float32)


def _kinds(region: np.ndarray) -> np.ndarray:
    """0 for skin, the region itself for eyes and inner mouth."""
    return np.where(np.isin(region, HOLES), region, np.uint8(Region.BACKGROUND))


def transferred(
    image: UInt8[np.ndarray, "h w 3"], way: Float[np.ndarray, "S S 2"]
) -> UInt8[np.ndarray, "S S 3"]:
    """A texture along an :func:`atlas_map`, its colours continued past the borders of the charts."""
    known = np.isfinite(way[..., 0])
    columns = np.where(known, way[..., 0] * image.shape[1] - 0.5, 0).astype(np.float32)
    rows = np.where(known, (1 - way[..., 1]) * image.shape[0] - 0.5, 0).astype(np.float32)
    taken = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return spread_out(taken, known)


def spread_out(image: UInt8[np.ndarray, "S S 3"], known: np.ndarray) -> UInt8[np.ndarray, "S S 3"]:
    """Each unknown texel takes its nearest known one's colour."""
    if known.all() or not known.any():
        return image
    _, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    colour = np.zeros((int(label.max()) + 1, 3), np.uint8)
    colour[label[known]] = image[known]
    return np.where(known[..., None], image, colour[label])


@dataclass(frozen=True, eq=False)
class HeadTextures:
    """A texture pool as one head wears it: textures of other atlases come transferred.

    Args:
        head: who wears them.
        pool: where they are.
        heads: gives another head by its name, for its atlas.
    """

    head: LinearHead
    pool: Pool
    heads: Callable[[str], LinearHead]
    _ways: dict[str, Float[np.ndarray, "S S 2"] | None] = field(default_factory=dict, repr=False)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the face textures."""
        return self.pool.names

    def part(self, part: str) -> tuple[str, ...]:
        """Names of the textures of one part."""
        return self.pool.part(part)

    def image(self, name: str) -> UInt8[np.ndarray, "h w 3"]:
        """A texture in this head's atlas; parts as they are."""
        image = self.pool.image(name)
        if name not in self.names:
            return image
        way = self._way(name)
        return image if way is None else transferred(image, way)

    def displacement(self, name: str) -> Float[np.ndarray, "n n"] | None:
        """Measured relief of a face texture in this head's atlas, mm outwards; zero where the other atlas ends."""
        relief = self.pool.displacement(name)
        way = None if relief is None else self._way(name)
        if relief is None or way is None:
            return relief
        known = np.isfinite(way[..., 0])
        columns = np.where(known, way[..., 0] * relief.shape[1] - 0.5, -9).astype(np.float32)
        rows = np.where(known, (1 - way[..., 1]) * relief.shape[0] - 0.5, -9).astype(np.float32)
        return cv2.remap(
            relief, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
        )

    def _way(self, name: str) -> Float[np.ndarray, "S S 2"] | None:
        """Map from this head's atlas into that of a texture; None when it is the same."""
        home = self.pool.head(name)
        if home == self.head.name:
            return None
        if home not in self._ways:
            other = self.heads(home)
            alike = np.array_equal(other.uvs, self.head.uvs) and np.array_equal(
                other.face_uvs, self.head.face_uvs
            )
            self._ways[home] = None if alike else atlas_map(self.head, other, ATLAS_SIZE)
        return self._ways[home]
