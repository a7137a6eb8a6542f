"""What the parser would say of a projected head: its own idea of nose, brows and lips, brought back to the mesh.

A head model's nose ends where its maker drew the line, the parser's where its annotators did. Such differences are
no misalignment, so they are taken out: the parser looks at plain renders of many heads, each pixel votes for the
vertices under it, and the votes, projected with another head of the same topology, are the contours to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.geometry.camera import ScaledOrtho
from models.geometry.rasterize import rasterize
from models.heads.linear import LinearHead
from models.heads.regions import Region
from models.networks.classes import Parsing

Array = np.ndarray[Any, np.dtype[Any]]

# Classes of one part count as one: sides and the two lips are told apart nowhere in a gap.
KINDS = (
    Parsing.SKIN, Parsing.NOSE, Parsing.L_EYE, Parsing.L_BROW, Parsing.UPPER_LIP, Parsing.NECK, Parsing.L_EAR,
)  # fmt: skip
_ABSTAIN = len(KINDS)  # occluders say nothing of the head
_KIND_OF = np.full(len(Parsing), _ABSTAIN, np.int64)
for _k, _classes in enumerate(
    (
        (Parsing.SKIN,), (Parsing.NOSE,), (Parsing.L_EYE, Parsing.R_EYE), (Parsing.L_BROW, Parsing.R_BROW),
        (Parsing.UPPER_LIP, Parsing.LOWER_LIP, Parsing.INNER_MOUTH),
        (Parsing.NECK, Parsing.NECKLACE, Parsing.CLOTH, Parsing.BACKGROUND), (Parsing.L_EAR, Parsing.R_EAR),
    )
):  # fmt: skip
    _KIND_OF[list(_classes)] = _k
_REGION_KIND = {
    Region.SKIN: Parsing.SKIN, Region.NOSE: Parsing.NOSE, Region.BROWS: Parsing.L_BROW,
    Region.EYES: Parsing.L_EYE, Region.LIPS: Parsing.UPPER_LIP, Region.INNER_MOUTH: Parsing.UPPER_LIP,
    Region.EARS: Parsing.L_EAR, Region.NECK: Parsing.NECK, Region.SCALP: Parsing.SKIN,
}  # fmt: skip
PRIOR = 0.25  # votes that the head model's own region has at each vertex


@dataclass(frozen=True, eq=False)
class Posed:
    """A head as it stands in a picture: its pixels on the mesh and its landmarks."""

    face: Array  # triangle of each pixel, -1 for none, (R, R)
    bary: Array  # (R, R, 3)
    landmarks: Array  # pixels, (68, 2)
    roll: float  # degrees


def posed(head: LinearHead, camera: ScaledOrtho, identity: Array, expression: Array, size: int) -> Posed:
    """Project a head, given as coefficients, into a picture of side ``size``."""
    vertices = head.vertices(identity, expression).astype(np.float64)
    seen = rasterize(camera.to_cube(vertices).astype(np.float32), head.faces, size, cull=True)
    landmarks = camera.to_pixel(head.landmarks(vertices), size)
    return Posed(seen.pix_to_face, seen.bary, landmarks, camera.angles[2])


def first_votes(head: LinearHead) -> Array:
    """What the head model's own regions say, float64 (V, kinds)."""
    votes = np.zeros((len(head.vertex_region), len(KINDS)))
    for region, kind in _REGION_KIND.items():
        votes[head.vertex_region == region, KINDS.index(kind)] = PRIOR
    return votes


def add_votes(votes: Array, head: LinearHead, stand: Posed, classes: Array) -> None:
    """Let the pixels of a parsed picture (R, R) vote for the vertices under them, in place."""
    kind = _KIND_OF[classes]
    rows, columns = np.nonzero((stand.face >= 0) & (kind != _ABSTAIN))
    vertices = head.faces[stand.face[rows, columns]]
    np.add.at(votes, (vertices, kind[rows, columns][:, None]), stand.bary[rows, columns])


def expected_classes(votes: Array, head: LinearHead, stand: Posed) -> Array:
    """Class map of the projected head by the votes, uint8 (R, R); BACKGROUND where there is no head."""
    share = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1e-9)
    out: Array = np.full(stand.face.shape, Parsing.BACKGROUND, np.uint8)
    rows, columns = np.nonzero(stand.face >= 0)
    vertices = head.faces[stand.face[rows, columns]]
    mixed = np.einsum("nc,nck->nk", stand.bary[rows, columns], share[vertices])
    out[rows, columns] = np.array(KINDS, np.uint8)[mixed.argmax(axis=1)]
    return out
