"""Z-buffer rasteriser of the cube: which triangle each pixel sees, where on it, and how deep.

Written because PyTorch3D's CPU rasteriser tests every triangle at every pixel, which takes seconds for a head
of 30k triangles; visiting only the pixels of each triangle's bounding box takes milliseconds
(``benchmarks/bench_rasterize.py``). The answer is the same: ``models.geometry.pytorch3d_cpu`` hands it over
as PyTorch3D ``Fragments``.

Rules, all of them visible in :func:`rasterize_reference`:

* A pixel belongs to a triangle when its centre lies inside it or on its edge, so neighbours leave no gap.
* The larger cube z wins; of equal z (pixels on a shared edge), the smaller triangle index wins.
* Triangles of zero projected area cover nothing.
* Edge functions are float64 products of float32 coordinates, so both owners of an edge see the same sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numba import njit

EMPTY_DEPTH = -2.0  # cube z written where no triangle is


@dataclass(frozen=True)
class RasterResult:
    """What each pixel sees. H = W = size; row 0 is the top (cube y = 1)."""

    pix_to_face: Int[np.ndarray, "H W"]  # int32, -1 where nothing is
    bary: Float[np.ndarray, "H W 3"]  # float32 weights of the triangle's corners, zeros where nothing is
    depth: Float[np.ndarray, "H W"]  # float32 cube z, EMPTY_DEPTH where nothing is


@njit(cache=True)
def _fill(vertices, faces, centres, cull, pix_to_face, bary, depth):  # type: ignore[no-untyped-def]
    size = len(centres)
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = np.float64(vertices[a, 0]), np.float64(vertices[a, 1])
        x1, y1 = np.float64(vertices[b, 0]), np.float64(vertices[b, 1])
        x2, y2 = np.float64(vertices[c, 0]), np.float64(vertices[c, 1])
        area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
        if area == 0.0 or (cull and area < 0.0):
            continue
        # First and last pixel centre in the bounding box; the slack keeps a centre exactly on its border.
        left = max(0, int(np.ceil(((min(x0, x1, x2) + 1.0) * size - 1.0) * 0.5 - 1e-9)))
        right = min(size - 1, int(np.floor(((max(x0, x1, x2) + 1.0) * size - 1.0) * 0.5 + 1e-9)))
        if right < left:
            continue
        top = max(0, int(np.ceil(((1.0 - max(y0, y1, y2)) * size - 1.0) * 0.5 - 1e-9)))
        bottom = min(size - 1, int(np.floor(((1.0 - min(y0, y1, y2)) * size - 1.0) * 0.5 + 1e-9)))
        if bottom < top:
            continue
        z0, z1, z2 = np.float64(vertices[a, 2]), np.float64(vertices[b, 2]), np.float64(vertices[c, 2])
        sign = 1.0 if area > 0.0 else -1.0
        inverse = 1.0 / area
        for i in range(top, bottom + 1):
            y = -centres[i]
            for j in range(left, right + 1):
                x = centres[j]
                e0 = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
                e1 = (x0 - x2) * (y - y2) - (y0 - y2) * (x - x2)
                e2 = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
                if e0 * sign < 0.0 or e1 * sign < 0.0 or e2 * sign < 0.0:
                    continue
                w0, w1, w2 = e0 * inverse, e1 * inverse, e2 * inverse
                z = np.float32(w0 * z0 + w1 * z1 + w2 * z2)
                if pix_to_face[i, j] < 0 or z > depth[i, j]:
                    depth[i, j] = z
                    pix_to_face[i, j] = f
                    bary[i, j, 0] = w0
                    bary[i, j, 1] = w1
                    bary[i, j, 2] = w2


def rasterize(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], size: int, *, cull: bool = False
) -> RasterResult:
    """Rasterise a mesh that is given in the cube, seen along -z, into a square of ``size`` pixels.

    Args:
        vertices: Cube coordinates (x right, y up, z to the viewer); what lies outside [-1, 1] in x, y is cut.
        faces: Corner indices, counter-clockwise seen from outside.
        size: Image side in pixels.
        cull: Leave out triangles that turn their back to the viewer.

    Raises:
        ValueError: A shape is wrong, an index is out of range or a coordinate is not finite.
    """
    vertices, faces = _checked(vertices, faces, size)
    pix_to_face = np.full((size, size), -1, dtype=np.int32)
    bary = np.zeros((size, size, 3), dtype=np.float32)
    depth = np.full((size, size), EMPTY_DEPTH, dtype=np.float32)
    centres = (2 * np.arange(size) + 1) / size - 1
    _fill(vertices, faces, centres, cull, pix_to_face, bary, depth)
    return RasterResult(pix_to_face, bary, depth)


def rasterize_reference(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], size: int, *, cull: bool = False
) -> RasterResult:
    """Do the same as :func:`rasterize` in plain NumPy, every triangle against every pixel; for tests."""
    vertices, faces = _checked(vertices, faces, size)
    pix_to_face = np.full((size, size), -1, dtype=np.int32)
    bary = np.zeros((size, size, 3), dtype=np.float32)
    depth = np.full((size, size), -np.inf, dtype=np.float32)
    along = (2 * np.arange(size) + 1) / size
    x, y = np.meshgrid(along - 1.0, 1.0 - along)
    for f, corners in enumerate(vertices[faces].astype(np.float64)):
        (x0, y0, z0), (x1, y1, z1), (x2, y2, z2) = corners
        area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
        if area == 0 or (cull and area < 0):
            continue
        edges = np.stack(
            [
                (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1),
                (x0 - x2) * (y - y2) - (y0 - y2) * (x - x2),
                (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0),
            ],
            axis=-1,
        )
        weights = edges * (1.0 / area)
        z = (weights[..., 0] * z0 + weights[..., 1] * z1 + weights[..., 2] * z2).astype(np.float32)
        seen = (edges * np.sign(area) >= 0).all(axis=-1) & (z > depth)
        pix_to_face[seen], bary[seen], depth[seen] = f, weights[seen], z[seen]
    depth[pix_to_face < 0] = EMPTY_DEPTH
    return RasterResult(pix_to_face, bary, depth)


def _checked(
    vertices: np.ndarray, faces: np.ndarray, size: int
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """The two arrays as the compiled code takes them, or one sentence about what is wrong with them."""
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        msg = (
            f"rasterize expects vertices (V, 3) and faces (F, 3), got {vertices.shape} and {faces.shape}; "
            "pass one mesh at a time."
        )
        raise ValueError(msg)
    if size < 1:
        msg = f"rasterize expects an image side of at least 1 pixel, got {size}; pass size=256 or so."
        raise ValueError(msg)
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        msg = (
            f"rasterize got faces that name vertices {faces.min()}..{faces.max()} of {len(vertices)}; "
            "pass the faces that belong to these vertices."
        )
        raise ValueError(msg)
    if not np.isfinite(vertices).all():
        bad = int(np.flatnonzero(~np.isfinite(vertices).all(axis=1))[0])
        msg = (
            f"rasterize expects finite vertices, but vertex {bad} is {vertices[bad]}; "
            "look at the fit that made it."
        )
        raise ValueError(msg)
    return np.ascontiguousarray(vertices, dtype=np.float32), np.ascontiguousarray(faces, dtype=np.int32)
