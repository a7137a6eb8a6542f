"""A face with an exact surface: the shipped head posed in a crop, drawn in flat colours."""

from __future__ import annotations

from functools import cache

import numpy as np

from assets.registry import default_head
from flows.face_surfaces import FaceSurface
from models.geometry.camera import ScaledOrtho
from models.geometry.rasterize import rasterize
from models.heads.fit import Fitted
from models.heads.regions import FACE, HOLES, Region
from models.networks.classes import Parsing
from tasks.landmarks import Crop

SIDE = 192


@cache
def toy_surface(jaw_open: float = 0.0) -> tuple[FaceSurface, np.ndarray, ScaledOrtho]:
    """A person of the model turned by 15°, as a reconstruction; his vertices in the head's frame, and his pose."""
    head = default_head()
    identity = np.random.default_rng(3).normal(size=len(head.id_basis))
    expression = np.zeros(len(head.exp_basis))
    expression[head.exp_names.index("jawOpen")] = jaw_open
    a = np.radians(15)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    pose = ScaledOrtho(1 / 150, turn, np.zeros(2))
    vertices = head.vertices(identity, expression).astype(np.float64)
    cube = pose.to_cube(vertices).astype(np.float32)
    seen = rasterize(cube, head.faces, SIDE, cull=True)
    region = np.where(seen.pix_to_face >= 0, head.face_region[seen.pix_to_face], Region.BACKGROUND)
    semantic = np.where(np.isin(region, FACE), Parsing.SKIN, Parsing.BACKGROUND).astype(np.uint8)
    semantic[region == Region.NOSE] = Parsing.NOSE
    semantic[region == Region.LIPS] = Parsing.LOWER_LIP
    semantic[np.isin(region, HOLES)] = Parsing.L_EYE
    photo = np.where((region > 0)[..., None], np.uint8([190, 140, 115]), np.uint8(30)).astype(np.uint8)
    marks = pose.to_pixel(head.landmarks(vertices), SIDE).astype(np.float32)
    crop = Crop(photo, marks, 1.0, 60.0, 1.0, (10.0, 20.0, 384.0), 0.0)
    front = head.faces[(cube[head.faces, 2] > 0).all(1)]
    used, index = np.unique(front, return_inverse=True)
    fitted = Fitted(pose, identity, expression, 0.0, np.arange(68))
    face = FaceSurface(crop, semantic, cube[used], index.reshape(-1, 3).astype(np.int32), fitted, 1000)
    return face, vertices, pose
