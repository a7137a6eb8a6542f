"""Front and back normal maps and the depth map of a head: labels that share the image's pixel grid.

Convention (facts §4): both maps have x right, y up, z to the front viewer. The back map is what a camera at
-z sees, without mirroring, so pixel (i, j) of both maps belongs to the same column of the cube and back
normals have z < 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt16
from numba import njit

from models.geometry.rasterize import rasterize

NORMAL_LEVELS = 65535  # 16 bits: 8 bits would quantise by about 0.45 degrees


@njit(cache=True)
def _encode(pix_to_face, bary, faces, normals, out):  # type: ignore[no-untyped-def]
    for i in range(pix_to_face.shape[0]):
        for j in range(pix_to_face.shape[1]):
            f = pix_to_face[i, j]
            if f < 0:
                continue
            x, y, z = 0.0, 0.0, 0.0
            for k in range(3):
                w, v = np.float64(bary[i, j, k]), faces[f, k]
                x += w * normals[v, 0]
                y += w * normals[v, 1]
                z += w * normals[v, 2]
            length = np.sqrt(x * x + y * y + z * z)
            if length == 0.0:
                length = 1.0  # three normals that cancel: mid grey, not "no head"
            out[i, j, 0] = np.uint16((x / length + 1.0) * 0.5 * 65535.0 + 0.5)
            out[i, j, 1] = np.uint16((y / length + 1.0) * 0.5 * 65535.0 + 0.5)
            out[i, j, 2] = np.uint16((z / length + 1.0) * 0.5 * 65535.0 + 0.5)


def front_back_maps(
    vertices: Float[np.ndarray, "V 3"],
    normals: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    size: int,
) -> tuple[UInt16[np.ndarray, "R R 3"], UInt16[np.ndarray, "R R 3"], Float[np.ndarray, "R R"]]:
    """Maps of a head that is given in the cube.

    Args:
        vertices: Cube coordinates.
        normals: Unit vertex normals in the cube frame (``models.geometry.normals.vertex_normals``).
        faces: Corner indices.
        size: R, image side in pixels.

    Returns:
        normal_front, normal_back: ``(n + 1) / 2 * 65535`` rounded, (0, 0, 0) where no head is (no unit normal
        encodes to that). depth: float32 cube z of the front surface, -2 where no head is.
    """
    faces = np.ascontiguousarray(faces, dtype=np.int32)
    normals = np.ascontiguousarray(normals, dtype=np.float32)
    front = rasterize(vertices, faces, size, cull=True)
    # Mirrored in z, the triangles that face -z are the ones to keep: turn them so that they are not culled.
    back = rasterize(vertices * np.array([1, 1, -1], dtype=np.float32), faces[:, ::-1], size, cull=True)
    maps = []
    for seen, corners in ((front, faces), (back, np.ascontiguousarray(faces[:, ::-1]))):
        out = np.zeros((size, size, 3), dtype=np.uint16)
        _encode(seen.pix_to_face, seen.bary, corners, normals, out)
        maps.append(out)
    return maps[0], maps[1], front.depth


def decode_normals(encoded: UInt16[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Unit normals, float32, of a stored map; zeros where no head is."""
    normals = encoded.astype(np.float32) * np.float32(2 / NORMAL_LEVELS) - 1
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.where((encoded > 0).any(axis=-1, keepdims=True), normals / np.maximum(length, 1e-6), 0)
