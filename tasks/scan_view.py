"""What pictures of a scan say about it: where its 68 landmarks are, and what of it is hair or cloth.

The scan is drawn from wherever a face shows up, brought into the head's frame by the landmarks found there, and drawn
again from the front; the points of that picture are carried back to the surface.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from assets.readers.mesh import Scan
from models.geometry.camera import cube_to_pixel
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.geometry.similarity import Similarity
from models.heads.fit_surface import JAW
from models.heads.linear import LinearHead
from models.networks.bisenet import FaceParser
from models.networks.classes import FACE, Parsing
from models.networks.face_landmarker import FaceFinder

SIDE = 512  # pixels of a picture
WIDE = 130.0  # mm of the head's frame from the middle of a picture to its edge
LOOKS = 3  # pictures from the front, each with the pose of the one before
YAWS = (0.0, -45.0, 45.0)  # degrees from which hair is looked for
SKIN = (*FACE, Parsing.NECK, Parsing.L_EAR, Parsing.R_EAR)


class NoFaceError(ValueError):
    """No picture of the scan shows a face; the sentence says what to do."""


@dataclass(frozen=True, eq=False)
class View:
    """A picture of a scan, and which point of it each pixel shows."""

    image: UInt8[np.ndarray, "R R 3"]
    triangle: Int[np.ndarray, "R R"]  # -1 where nothing is
    bary: Float[np.ndarray, "R R 3"]


def find_marks(scan: Scan, head: LinearHead, finder: FaceFinder) -> Float[np.ndarray, "68 3"]:
    """Landmarks on the scan in its own frame; NaN where a point of the picture misses the surface.

    Raises:
        NoFaceError: no face is seen along any axis of the file.
    """
    mean = head.landmarks(head.mean).astype(np.float64)
    for turn in _turns():
        middle = (scan.vertices.max(0) + scan.vertices.min(0)) / 2
        reach = float(np.abs(scan.vertices - middle).max()) * 1.05
        marks = _seen(scan, Similarity(1 / reach, turn, -turn @ middle / reach), finder)
        if marks is None:
            continue
        for _ in range(LOOKS):
            again = _seen(scan, to_picture(into_head(marks, mean)), finder)
            if again is None:
                break
            marks = again
        return marks
    msg = (
        "no picture of the scan along any of its axes shows a face: give its 68 points with --landmarks FILE."
    )
    raise NoFaceError(msg)


def into_head(
    marks: Float[np.ndarray, "68 3"], mean: Float[np.ndarray, "68 3"], scale: float | None = None
) -> Similarity:
    """From the scan's frame to the head's, by the inner landmarks that are known."""
    known = np.isfinite(marks).all(1) & (np.arange(len(marks)) >= JAW)
    return Similarity.between(marks[known], mean[known], scale)


def to_picture(move: Similarity, yaw: float = 0.0) -> Similarity:
    """From the scan's frame to the cube of a picture of its face, the head turned by ``yaw`` degrees."""
    a = np.radians(yaw)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    return Similarity(move.scale / WIDE, turn @ move.rotation, turn @ move.translation / WIDE)


def outward(scan: Scan, move: Similarity) -> Scan:
    """The scan with its triangles turned so that the face, seen from the front, shows their outer sides."""
    view = draw(scan, to_picture(move))
    shown = view.triangle[view.triangle >= 0]
    a, b, c = (scan.vertices[scan.faces[shown, k]] for k in range(3))
    towards = (np.cross(b - a, c - a) @ move.rotation.T)[:, 2]
    if np.median(np.sign(towards)) >= 0:
        return scan
    atlas = None if scan.face_uvs is None else scan.face_uvs[:, ::-1]
    return replace(scan, faces=np.ascontiguousarray(scan.faces[:, ::-1]), face_uvs=atlas)


def skin(scan: Scan, move: Similarity, parser: FaceParser) -> Bool[np.ndarray, " n"]:
    """False for vertices that pictures from three sides call hair, cloth or background more often than skin.

    A scan without colours says nothing: all True.
    """
    balance = np.zeros(len(scan.vertices))
    for yaw in YAWS if scan.coloured else ():
        view = draw(scan, to_picture(move, yaw))
        classes = parser.parse(view.image[None])[0]
        at = view.triangle >= 0
        vote = np.where(np.isin(classes[at], SKIN), 1.0, -1.0)
        np.add.at(balance, scan.faces[view.triangle[at]], vote[:, None] * view.bary[at])
    return balance >= 0


def draw(scan: Scan, move: Similarity, size: int = SIDE) -> View:
    """Draw a scan that ``move`` takes into the cube: its own colours, or grey under a lamp at the viewer's."""
    points = move(scan.vertices).astype(np.float32)
    seen = rasterize(points, scan.faces, size, cull=False)
    at = seen.pix_to_face >= 0
    triangle, bary = seen.pix_to_face[at], seen.bary[at]
    image = np.full((size, size, 3), 24, np.uint8)
    image[at] = scan.colour(triangle, bary)
    if not scan.coloured:
        normals = vertex_normals(points, scan.faces)[scan.faces[triangle]]
        facing = np.abs((normals * bary[..., None]).sum(1)[:, 2:])
        image[at] = np.rint(40 + 190 * np.clip(facing, 0, 1)).astype(np.uint8)
    return View(image, seen.pix_to_face, seen.bary)


def _seen(scan: Scan, move: Similarity, finder: FaceFinder) -> Float[np.ndarray, "68 3"] | None:
    """Landmarks of the largest face in one picture, on the surface."""
    view = draw(scan, move)
    faces = finder.find(view.image)
    if not faces:
        return None
    points = max((f.points for f in faces), key=lambda p: float(np.ptp(p[:, 1])))
    column, row = (np.clip(np.floor(points[:, k]).astype(int), 0, SIDE - 1) for k in (0, 1))
    triangle, bary = view.triangle[row, column], view.bary[row, column]
    marks = (scan.vertices[scan.faces[triangle]] * bary[..., None]).sum(1)
    # To the point itself from the middle of its pixel, in the plane of the picture.
    offset = np.zeros((len(points), 3))
    centre = cube_to_pixel(move(marks), SIDE)
    offset[:, :2] = (points - centre) * [2 / SIDE, -2 / SIDE]
    marks = marks + offset @ move.rotation / move.scale
    marks[triangle < 0] = np.nan
    return marks if np.isfinite(marks[JAW:]).all(1).sum() >= 30 else None


def _turns() -> list[np.ndarray]:
    """The 24 rotations that carry axes to axes; that of a scan with y up that looks along z comes first."""
    turns = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        turn = np.zeros((3, 3))
        turn[range(3), order] = signs
        if np.linalg.det(turn) > 0:
            turns.append(turn)
    return sorted(turns, key=lambda turn: -float(np.trace(turn)))
