"""What pictures of a scan say about it: where its 68 landmarks are, and what of it is hair or cloth.

The scan is drawn from wherever a face shows up, brought into the head's frame by the landmarks found there, and drawn
again from the front; the points of that picture are carried back to the surface. Head models that are published
without landmarks are looked at in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations, product

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from assets.readers.mesh import Scan
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
SIDES = (448, 512, 640)  # pixels of the last ones
FEWEST = 30  # of the 51 landmarks inside the face, or what was found is no face
FINE, REACH, DEEP = (
    2048,
    41,
    0.06,
)  # pixels of the picture that points are read off, and of their surroundings; cube units
SKIN_TONE = np.array([200.0, 160.0, 140.0])
LAMP = np.array([0.2, 0.35, 0.9])  # from above and a little from the side: relief shows
SHADOW = 0.55  # light where the lamp does not reach
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


@dataclass(frozen=True, eq=False)
class Marks:
    """68 landmarks of a surface: a triangle's vertices and weights each."""

    vertices: Int[np.ndarray, "68 3"]
    bary: Float[np.ndarray, "68 3"]
    missed: Bool[
        np.ndarray, " 68"
    ]  # the point of the picture lies beside the surface; this is the nearest of it

    def nearest(self, vertices: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "68 3"]:
        """Where they are, all of them."""
        found: Float[np.ndarray, "68 3"] = (vertices[self.vertices] * self.bary[..., None]).sum(1)
        return found

    def points(self, vertices: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "68 3"]:
        """Where they are, NaN for those that were missed."""
        return np.where(self.missed[:, None], np.nan, self.nearest(vertices))


def find_marks(scan: Scan, head: LinearHead, finder: FaceFinder) -> Marks:
    """The landmarks of a scan, or of a head model that comes without, as a finder sees them on drawn pictures.

    The pose comes from the first axis along which a face shows up, then from the points found; at last pictures of
    several sizes are drawn, and the median over them is taken.

    Args:
        scan: any frame and unit; drawn in skin colour under a lamp where it has no colours.
        head: whose mean landmarks say how a face from the front is turned.
        finder: landmark backend.

    Raises:
        NoFaceError: no face is seen along any axis of the file.
    """
    mean = head.landmarks(head.mean).astype(np.float64)
    for turn in _turns():
        middle = (scan.vertices.max(0) + scan.vertices.min(0)) / 2
        reach = float(np.abs(scan.vertices - middle).max()) * 1.05
        move = Similarity(1 / reach, turn, -turn @ middle / reach)
        if (seen := _seen(scan, move, finder, SIDE)) is None:
            continue
        marks = _lifted(scan, move, seen)
        if np.isfinite(marks.points(scan.vertices)[JAW:]).all(1).sum() >= FEWEST:
            return _refined(scan, mean, finder, marks)
    msg = "no picture of it along any of its axes shows a face: give its 68 landmarks with --landmarks FILE."
    raise NoFaceError(msg)


def _refined(scan: Scan, mean: Float[np.ndarray, "68 3"], finder: FaceFinder, marks: Marks) -> Marks:
    """The landmarks as seen from the front, which is where these say it is; these if no face is seen from there."""
    for sizes in (*((SIDE,),) * LOOKS, SIDES):
        move = to_picture(into_head(marks.points(scan.vertices), mean))
        seen = [points for size in sizes if (points := _seen(scan, move, finder, size)) is not None]
        if not seen:
            break
        marks = _lifted(scan, move, np.median(seen, axis=0))
    return marks


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
    """Draw a scan that ``move`` takes into the cube: its own colours, or skin under a lamp beside the viewer."""
    points = move(scan.vertices).astype(np.float32)
    seen = rasterize(points, scan.faces, size, cull=False)
    at = seen.pix_to_face >= 0
    triangle, bary = seen.pix_to_face[at], seen.bary[at]
    image = np.full((size, size, 3), 24, np.uint8)
    image[at] = scan.colour(triangle, bary)
    if not scan.coloured:
        normals = (vertex_normals(points, scan.faces)[scan.faces[triangle]] * bary[..., None]).sum(1)
        normals *= np.sign(normals[:, 2:])  # which side is out is not known yet
        lit = SHADOW + (1 - SHADOW) * np.clip(normals @ (LAMP / np.linalg.norm(LAMP)), 0, 1)
        image[at] = np.rint(SKIN_TONE * lit[:, None]).astype(np.uint8)
    return View(image, seen.pix_to_face, seen.bary)


def _seen(scan: Scan, move: Similarity, finder: FaceFinder, size: int) -> Float[np.ndarray, "68 2"] | None:
    """Points of the largest face in one picture, as shares of its side."""
    faces = finder.find(draw(scan, move, size).image)
    if not faces:
        return None
    return max((face.points for face in faces), key=lambda points: float(np.ptp(points[:, 1]))) / size


def _lifted(scan: Scan, move: Similarity, points: Float[np.ndarray, "68 2"]) -> Marks:
    """The surface that shows at points of a picture.

    Inside parted lips and open eyes a pixel may show what lies far behind. The inner side of the surface, and what is
    deeper than its surroundings, are passed over for the nearest pixel that is neither.
    """
    at = move(scan.vertices)
    seen = rasterize(at.astype(np.float32), scan.faces, FINE, cull=False)
    hit = seen.pix_to_face >= 0
    a, b, c = (at[scan.faces[:, k], :2] for k in range(3))
    facing = np.sign((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])[seen.pix_to_face]
    outer = np.sign(
        facing[hit].sum()
    )  # most of what shows is the outer side, whichever way its corners go round
    depth = np.where(hit, seen.depth, -2).astype(np.float32)
    front = hit & (facing == outer) & (depth > cv2.dilate(depth, np.ones((REACH, REACH), np.uint8)) - DEEP)
    rows, columns, missed = np.zeros(68, int), np.zeros(68, int), np.zeros(68, bool)
    for k, (x, y) in enumerate(points * FINE):
        for reach in (2 * REACH, FINE):
            low = np.maximum(np.floor([y, x]).astype(int) - reach, 0)
            near = np.argwhere(
                front[low[0] : max(int(y), 0) + reach + 1, low[1] : max(int(x), 0) + reach + 1]
            )
            if len(near):
                break
        near += low
        away = np.abs(near + 0.5 - [y, x]).sum(1)
        rows[k], columns[k] = near[away.argmin()]
        missed[k] = away.min() > REACH
    triangle = seen.pix_to_face[rows, columns]
    return Marks(scan.faces[triangle].astype(np.int64), seen.bary[rows, columns].astype(np.float64), missed)


def _turns() -> list[np.ndarray]:
    """The 24 rotations that carry axes to axes; that of a scan with y up that looks along z comes first."""
    turns = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        turn = np.zeros((3, 3))
        turn[range(3), order] = signs
        if np.linalg.det(turn) > 0:
            turns.append(turn)
    return sorted(turns, key=lambda turn: -float(np.trace(turn)))
