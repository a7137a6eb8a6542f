"""A square of two triangles, with labels."""

import numpy as np

from models.geometry.shade import Surface
from models.heads.outline import Outline
from models.heads.regions import FACE, Region

QUAD = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
UVS = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)


def outline_of(*labels: Region) -> Outline:
    """The outline as the labels of the four corners say, not smoothed."""
    region = np.resize(np.array(labels, dtype=np.uint8), 4)
    face = np.isin(region, FACE)
    inner, outer = (
        np.where(face, region, np.uint8(Region.SKIN)),
        np.where(face, np.uint8(Region.SCALP), region),
    )
    return Outline(np.float32(~face), inner, outer)


def quad(region: Region = Region.SKIN) -> Surface:
    """The square with one label."""
    normals = np.tile(np.float32([0, 0, 1]), (4, 1))
    return Surface(normals, FACES, UVS, FACES, np.full(2, region, np.uint8), outline_of(region))
