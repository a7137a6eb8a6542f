"""Move a surface until its normals are those of a map: what equation 3 does one step of.

Equation 3 adds the divergence of the normal map, which moves detail of a few pixels only and counts curvature that the
field has already. Here the heights are found whose slopes make up for the *difference* of wanted and present slopes,
least squares over the pixels of the face; a screen keeps the surface where it is over lengths beyond
``1 / sqrt(screen)`` pixels, which a picture tells worse than the field.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.sparse.linalg import spsolve

from models.geometry.maps import decode_normals, front_back_maps
from models.geometry.normals import vertex_normals
from models.geometry.surface import clean, level_set

SCREEN = 0.01  # per pixel²: lengths beyond ten pixels stay
STEEPEST = 0.25  # least n_z that a slope is taken from
FADE = 4  # pixels of 256 over which the heights end at the border of the face


def integrate_front(
    field: Float[np.ndarray, "n n n"], front: Float[np.ndarray, "R R 3"], face: Bool[np.ndarray, "R R"]
) -> Float[np.ndarray, "n n n"]:
    """Move the front half of a field until its surface has the normals of the front map.

    Args:
        field: signed distances.
        front: unit normals, zeros where there is no head.
        face: where the map is trusted.

    Raises:
        ValueError: the field has no surface in the face.
    """
    n, side = len(field), len(face)
    vertices, faces = level_set(clean(field, face))
    encoded, _, _ = front_back_maps(vertices, vertex_normals(vertices, faces), faces, side)
    present = decode_normals(encoded)
    known = face & present.any(-1) & front.any(-1)
    height = heights(front, present, known)
    reach = max(1, round(FADE * side / 256))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    fade = cv2.GaussianBlur(cv2.erode(known.astype(np.float32), disc), (0, 0), reach / 2)
    # A move along z by h brings a surface of normal n nearer by h n_z.
    push = cv2.resize(height * fade * np.maximum(present[..., 2], 0), (n, n), interpolation=cv2.INTER_AREA)
    out = field.copy()
    out[:, :, n // 2 :] -= push[::-1].T[:, :, None]  # rows run down, y runs up
    return out


def heights(
    wanted: Float[np.ndarray, "R R 3"],
    present: Float[np.ndarray, "R R 3"],
    known: Bool[np.ndarray, "R R"],
    screen: float = SCREEN,
) -> Float[np.ndarray, "R R"]:
    """Cube units to raise each pixel by, along z, so that ``present`` normals become ``wanted`` ones.

    Steep pixels count less: their slopes are large and their normals uncertain. Zeros where nothing is known.
    """
    across, down = (w - p for w, p in zip(_slopes(wanted), _slopes(present), strict=True))
    weight = np.clip(np.minimum(wanted[..., 2], present[..., 2]), 0, 1)
    number = np.full(known.shape, -1)
    number[known] = np.arange(int(known.sum()))
    parts, wishes = [], []
    for first, second, slope in (
        (np.s_[:, :-1], np.s_[:, 1:], across),
        (np.s_[:-1], np.s_[1:], down),
    ):
        both = known[first] & known[second]
        a, b = number[first][both], number[second][both]
        count = np.minimum(weight[first], weight[second])[both]
        rows = np.arange(len(a))
        parts.append(
            sparse.csr_matrix(
                (np.concatenate([-count, count]), (np.tile(rows, 2), np.concatenate([a, b]))),
                shape=(len(a), int(known.sum())),
            )
        )
        wishes.append(count * ((slope[first] + slope[second]) / 2)[both])
    matrix, wish = sparse.vstack(parts), np.concatenate(wishes)
    out = np.zeros(known.shape, np.float32)
    if known.any():
        normal = (matrix.T @ matrix + screen * sparse.identity(matrix.shape[1])).tocsc()
        out[known] = spsolve(normal, matrix.T @ wish)
    return out


def _slopes(normals: Float[np.ndarray, "R R 3"]) -> tuple[Float[np.ndarray, "R R"], Float[np.ndarray, "R R"]]:
    """Change of z, in cube units, from a pixel to the next one to the right, and to the next below."""
    step = 2 / len(normals)
    steep = np.maximum(normals[..., 2], STEEPEST)
    return -step * normals[..., 0] / steep, step * normals[..., 1] / steep
