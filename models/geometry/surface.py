"""From signed-distance fields to a mesh: smoothing, carving by normal maps, cleaning, and the zero level set.

Fields are ``(n, n, n)`` float32 over the cube's voxels, axes x, y, z, positive outside; voxel ``i`` is centred at
``(2 i + 1) / n - 1`` like every grid of the project (docs/frames.md). The paper's equations 2 and 3 are here; what its
released code does differently is told where it matters (facts §1.9).
"""

from __future__ import annotations

from typing import Literal

import cv2
import igl
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from models.geometry.camera import voxel_centres

BOX = 5  # side of the mean of equation 2, voxels
BORDER = 5  # outermost voxels that are outside by decree
OUTSIDE = 0.04  # their distance, cube units: the rim of the labels' band
SKIRT = 6  # voxels that survive around the parsed face, about as many millimetres
SOBEL = 7  # side of the operator of equation 3
CARVE = (
    0.042  # cube units per unit of divergence per pixel of a 512² map: the released 0.0005 times its 84 taps
)
Kernel = Literal["sobel", "sign"]
ERODE, BLUR = 7, 7  # radii in pixels of a 512² map: where carving fades out towards the face's rim


def box_mean(field: Float[np.ndarray, "n n n"]) -> Float[np.ndarray, "n n n"]:
    """Mean over the 5 x 5 x 5 voxels around each voxel, the border continued (equation 2)."""
    return ndimage.uniform_filter(field, BOX, mode="nearest")


def divergence(normals: Float[np.ndarray, "R R 3"], kernel: Kernel = "sobel") -> Float[np.ndarray, "R R"]:
    """d n_x / d x + d n_y / d y of a normal map (x right, y up), per pixel, by a 7 x 7 operator.

    Positive on bumps. The operator is scaled so that a linear ramp gives its slope.

    Args:
        normals: the map.
        kernel: "sobel" as the paper says, or the released code's "sign": plain sums of three columns on either side.
    """
    offset = np.arange(-(SOBEL // 2), SOBEL // 2 + 1)
    if kernel == "sobel":
        smooth, slope = (cv2.getDerivKernels(d, 1 - d, SOBEL)[0].ravel() for d in (0, 1))
    else:
        smooth, slope = np.ones(SOBEL), np.sign(offset).astype(float)
    smooth = smooth / smooth.sum()
    slope = slope / float((slope * offset).sum())
    across = cv2.sepFilter2D(normals[..., 0].astype(np.float32), cv2.CV_32F, slope, smooth)
    down = cv2.sepFilter2D(normals[..., 1].astype(np.float32), cv2.CV_32F, smooth, slope)
    return across - down  # rows run against y


def carve(
    field: Float[np.ndarray, "n n n"],
    front: Float[np.ndarray, "R R 3"],
    back: Float[np.ndarray, "R R 3"],
    face: Bool[np.ndarray, "R R"],
    strength: float = CARVE,
    kernel: Kernel = "sobel",
) -> Float[np.ndarray, "n n n"]:
    """Push the surface out where the normal maps bulge and in where they crease (equation 3).

    The front map moves the front half of the field (z > 0), the back map the back half; both fade out towards the
    border of the face. Both maps share the image's x and y, so a bump has a positive divergence in either.

    Args:
        field: signed distances.
        front, back: unit normals, zeros where there is no head.
        face: where the maps are trusted.
        strength: displacement in cube units for a divergence of 1 per pixel of a 512² map.
        kernel: of :func:`divergence`.
    """
    n, side = len(field), len(face)
    scale = side / 512
    weight = cv2.erode(face.astype(np.float32), _disc(ERODE * scale))
    disc = _disc(BLUR * scale).astype(np.float32)
    weight = cv2.filter2D(weight, cv2.CV_32F, disc / disc.sum())
    out = field.copy()
    for normals, half in ((front, slice(n // 2, n)), (back, slice(0, n // 2))):
        push = strength * scale * divergence(normals, kernel) * weight
        push = cv2.resize(push, (n, n), interpolation=cv2.INTER_AREA)
        out[:, :, half] -= push[::-1].T[:, :, None]  # rows run down, y runs up
    return out


def clean(field: Float[np.ndarray, "n n n"], face: Bool[np.ndarray, "R R"]) -> Float[np.ndarray, "n n n"]:
    """Set columns away from the face, and the border of the cube, to outside.

    A skirt of six voxels around the face survives, so that the surface does not end on the parsed border itself.
    """
    n = len(field)
    columns = cv2.resize(face.astype(np.uint8), (n, n), interpolation=cv2.INTER_NEAREST)
    columns = cv2.dilate(columns, np.ones((2 * SKIRT + 1, 2 * SKIRT + 1), np.uint8)).astype(bool)
    out = field.copy()
    out[~columns[::-1].T] = 1.0
    for axis in range(3):
        ends = np.moveaxis(out, axis, 0)
        ends[:BORDER], ends[-BORDER:] = OUTSIDE, OUTSIDE
    return out


def level_set(
    field: Float[np.ndarray, "n n n"], largest: bool = True
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """The zero level set in cube units, triangles CCW seen from outside.

    Only cells that the surface crosses are handed to marching cubes.

    Args:
        field: signed distances, positive outside.
        largest: keep the largest connected part alone (shells of untrained regions float around the face).

    Raises:
        ValueError: the field has no zero level set.
    """
    n = len(field)
    crossed = _crossed(field)
    corner = np.stack(np.nonzero(crossed), 1)  # (C, 3) lowest corner of each crossed cell
    if not len(corner):
        msg = (
            f"the field of {n}³ voxels is {'positive' if field.min() > 0 else 'negative'} everywhere, so there is no "
            "surface in it; check the face mask and the network's weights."
        )
        raise ValueError(msg)
    offsets = np.array(
        [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
    )
    cells = corner[:, None] + offsets
    flat = np.ravel_multi_index(tuple(np.moveaxis(cells, -1, 0)), field.shape)
    used, index = np.unique(flat, return_inverse=True)
    axis = voxel_centres(n)
    points = np.stack([axis[k] for k in np.unravel_index(used, field.shape)], 1)
    vertices, faces, _ = igl.marching_cubes(
        field.ravel()[used].astype(np.float64), points, index.reshape(-1, 8).astype(np.int64), 0.0
    )
    faces = faces[_area(vertices, faces) > 0]
    if largest:
        vertices, faces = largest_part(vertices, faces)
    return vertices.astype(np.float32), faces.astype(np.int32)


def _crossed(field: Float[np.ndarray, "n n n"]) -> Bool[np.ndarray, "m m m"]:
    """Cells (n - 1)³ whose corners do not all have one sign."""
    inside = field < 0
    low = high = inside
    for axis in range(3):
        first, second = (
            np.take(low, r, axis) for r in (range(low.shape[axis] - 1), range(1, low.shape[axis]))
        )
        low_next = first & second
        first, second = (
            np.take(high, r, axis) for r in (range(high.shape[axis] - 1), range(1, high.shape[axis]))
        )
        low, high = low_next, first | second
    return high & ~low


def _area(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Float[np.ndarray, " F"]:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1)


def largest_part(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> tuple[Float[np.ndarray, "W 3"], Int[np.ndarray, "G 3"]]:
    """The connected part with the most triangles."""
    ones = np.ones(2 * len(faces), np.int8)
    links = coo_array(
        (ones, (faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel())), shape=(len(vertices),) * 2
    )
    _, part = connected_components(links, directed=False)
    kept = faces[part[faces[:, 0]] == np.bincount(part[faces[:, 0]]).argmax()]
    used, index = np.unique(kept, return_inverse=True)
    return vertices[used], index.reshape(-1, 3)


def _disc(radius: float) -> np.ndarray:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
