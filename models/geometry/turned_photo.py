"""A photograph whose head is turned further: the picture that a camera would take a little later (Zhu et al. 2016).

Three layers, from back to front. The *plate* is the photograph without the head: background and shoulders stand still,
and what the head hid is filled in. The *head* is the fitted closed head, its scalp grown to the hair's thickness,
wearing the photograph. The *hair* is what of hair and hat the head does not carry: a curved sheet around it, whose
ends on the shoulders stay there. The face itself is replaced by a render afterwards; what counts here is the hair line,
ears, neck, shoulders and background, and skin of the right colour around the face.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numba import njit

from models.geometry.camera import ScaledOrtho, voxel_centres
from models.geometry.curtain import hang
from models.geometry.face import head_surface
from models.geometry.fill import push_pull
from models.geometry.hair import core, hair_colours, look_up, strands, textured
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import EMPTY_DEPTH, RasterResult, rasterize
from models.geometry.shade import Surface, regions
from models.geometry.turn import neck_axis, turn_points
from models.heads.linear import LinearHead
from models.heads.regions import FACE as FACE_REGIONS
from models.heads.regions import Region
from models.networks.classes import FACE, Parsing

Array = np.ndarray

HAIR = (Parsing.HAIR, Parsing.HAT)
EARS = (Parsing.L_EAR, Parsing.R_EAR, Parsing.EARRING)
MOVES = (*FACE, *HAIR, *EARS, Parsing.GLASSES)
STANDS = (Parsing.NECK, Parsing.NECKLACE, Parsing.CLOTH)
SKIN = (*FACE, *EARS, Parsing.NECK)
PLAIN = (Parsing.SKIN, Parsing.NECK)
GLARE = 2.0  # robust standard deviations above the skin's median from which its edge is glare
NARROW = 8.0  # grey levels: the least such deviation, of evenly lit skin
STEP = 2  # pixels of a hair sheet's cell at 256²
BULGE = 0.3  # cube units from the hair's outline to where its sheet is flat
THICKEST = 0.2  # cube units by which the scalp grows at most
OVER = 0.01  # cube units by which hair lies above the skin
HELD = (-165.0, -105.0)  # height in the head's frame, mm, between which hair goes over from still to turning


@dataclass(frozen=True)
class TurnedPhoto:
    """The turned picture and its classes."""

    photo: UInt8[Array, "R R 3"]
    parsing: UInt8[Array, "R R"]


@dataclass(frozen=True)
class _Layer:
    """A picture with its classes, how much of each pixel it covers, and its depth."""

    colour: Float[Array, "R R 3"]
    classes: UInt8[Array, "R R"]
    cover: Float[Array, "R R"]
    depth: Float[Array, "R R"]


def turn_photo(
    photo: UInt8[Array, "R R 3"],
    parsing: UInt8[Array, "R R"],
    head: LinearHead,
    camera: ScaledOrtho,
    vertices: Float[Array, "V 3"],
    degrees: float,
) -> TurnedPhoto:
    """Turn the head of a photograph.

    Args:
        photo: sRGB crop.
        parsing: its classes.
        head: the fitted head model.
        camera: the fitted pose.
        vertices: the fitted head in the cube.
        degrees: yaw to add; positive turns towards image right.
    """
    if degrees == 0:
        return TurnedPhoto(photo, parsing)
    hair = np.isin(parsing, HAIR)
    hair_colour, detail = hair_colours(photo, hair), strands(photo, core(hair))
    skin_colour = _skin_colours(photo, parsing)
    shell = _with_hair(head, vertices, camera, hair)
    seen = rasterize(shell, head.faces, len(photo), cull=True)
    plate = _plate(photo, parsing)
    body = _head_layer(head, shell, camera, degrees, parsing, seen, skin_colour, hair_colour, detail)
    sheet = _hair_layer(head, camera, degrees, parsing, hair, seen, hair_colour, detail)
    front = sheet.depth > body.depth - OVER
    over = np.where(front, sheet.cover, 0)
    far = (over > 0.5) & np.isin(sheet.classes, Parsing.HAIR)
    profile = (over <= 0.5) & (body.cover > 0.5) & np.isin(body.classes, FACE)
    colour, curtain = hang(plate.colour, sheet.colour, profile, far, detail)
    classes = np.where(curtain, np.uint8(Parsing.HAIR), plate.classes)
    for layer, cover in ((body, body.cover), (sheet, over)):
        colour = colour + cover[..., None] * (layer.colour - colour)
        classes = np.where(cover > 0.5, layer.classes, classes)
    return TurnedPhoto(np.clip(np.rint(colour), 0, 255).astype(np.uint8), classes.astype(np.uint8))


def _skin_colours(photo: UInt8[Array, "R R 3"], parsing: UInt8[Array, "R R"]) -> Float[Array, "R R 3"]:
    """The photograph's skin, continued beyond itself: by plain skin, not by the rim light or the collar at its edge."""
    known = core(np.isin(parsing, SKIN))
    plain = known & np.isin(parsing, PLAIN)
    if not plain.any():
        return push_pull(photo, known)
    tone = photo.astype(np.float32).mean(axis=-1)
    middle = np.median(tone[plain])
    width = max(1.4826 * float(np.median(np.abs(tone[plain] - middle))), NARROW)
    inner = cv2.erode(np.isin(parsing, FACE).astype(np.uint8), np.ones((2 * (len(photo) // 32) + 1,) * 2)) > 0
    glare = plain & ~inner & (tone > middle + GLARE * width)
    return push_pull(
        photo, known & ~cv2.dilate(glare.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    )


def _heights(size: int, camera: ScaledOrtho) -> Float[Array, "R R"]:
    """Height of every pixel in the head's frame, mm, for points at depth 0."""
    axis = voxel_centres(size)
    x, y = axis[None] - camera.translation[0], -axis[:, None] - camera.translation[1]
    return np.asarray((camera.rotation[0, 1] * x + camera.rotation[1, 1] * y) / camera.scale)


def _with_hair(
    head: LinearHead, vertices: Float[Array, "V 3"], camera: ScaledOrtho, hair: Bool[Array, "R R"]
) -> Float[Array, "V 3"]:
    """The head with its scalp grown by the mean thickness of the hair that stands out above the eyes."""
    size = len(hair)
    covered = rasterize(vertices, head.faces, size, cull=True).pix_to_face >= 0
    upper = _heights(size, camera) > 0.3 * float(head.mean[:, 1].max())
    rim = covered & ~core(covered) & upper
    beyond = float((hair & ~covered & upper).sum()) / max(1, int(rim.sum()))
    thickness = min(THICKEST, 0.9 * beyond * 2 / size)
    if thickness * size < 1:
        return vertices
    return np.asarray(vertices + thickness * _growth(head) @ camera.rotation.T, np.float32)


@lru_cache(maxsize=4)
def _growth(head: LinearHead) -> Float[Array, "V 3"]:
    """Where a vertex grows with the hair: along the mean head's normal on the scalp, nowhere on face, ears and neck."""
    grows = (head.vertex_region == Region.SCALP).astype(np.float64)
    start, end = head.faces.ravel(), np.roll(head.faces, -1, axis=1).ravel()
    for _ in range(8):
        total, count = np.zeros(len(grows)), np.zeros(len(grows))
        for a, b in ((start, end), (end, start)):
            total += np.bincount(a, grows[b], len(grows))
            count += np.bincount(a, minlength=len(grows))
        grows = 0.5 * grows + 0.5 * total / np.maximum(count, 1)
    grows = np.clip(2 * grows - 1, 0, 1)
    return np.asarray(grows[:, None] * vertex_normals(head.mean, head.faces))


@lru_cache(maxsize=4)
def _surface(head: LinearHead) -> Surface:
    """Topology and outline for the regions; its normals are those of the mean head."""
    return head_surface(head, head.mean)


def _plate(photo: UInt8[Array, "R R 3"], parsing: UInt8[Array, "R R"]) -> _Layer:
    """The photograph without its head; smooth where the head was, as a background out of focus is."""
    moves = np.isin(parsing, MOVES).astype(np.uint8)
    gone = cv2.dilate(moves, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))) > 0
    filled = push_pull(photo, ~gone)
    _, nearest = cv2.distanceTransformWithLabels(
        gone.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(nearest.max()) + 1, np.uint8)
    table[nearest[~gone]] = parsing[~gone]
    classes = np.where(gone, table[nearest], parsing)
    return _Layer(filled, classes, np.ones(parsing.shape, np.float32), np.full(parsing.shape, EMPTY_DEPTH))


def _interpolate(seen: RasterResult, faces: Int[Array, "F 3"], values: Float[Array, "V c"]) -> Array:
    """Values at every pixel, float32 (R, R, c); zeros where nothing is."""
    out = np.zeros((*seen.pix_to_face.shape, values.shape[1]), np.float32)
    _corners(seen.pix_to_face, seen.bary, faces, values, out)
    return out


@njit(cache=True)
def _corners(pix, bary, faces, values, out):  # type: ignore[no-untyped-def]
    for i in range(pix.shape[0]):
        for j in range(pix.shape[1]):
            if pix[i, j] >= 0:
                for k in range(3):
                    v = faces[pix[i, j], k]
                    for d in range(values.shape[1]):
                        out[i, j, d] += bary[i, j, k] * values[v, d]


def _soft(covered: Bool[Array, "R R"]) -> Float[Array, "R R"]:
    """Coverage with an edge of two pixels."""
    return np.asarray(cv2.GaussianBlur(covered.astype(np.float32), (3, 3), 0))


def _head_layer(
    head: LinearHead,
    shell: Float[Array, "V 3"],
    camera: ScaledOrtho,
    degrees: float,
    parsing: UInt8[Array, "R R"],
    seen: RasterResult,
    skin_colour: Float[Array, "R R 3"],
    hair_colour: Float[Array, "R R 3"],
    detail: Float[Array, "R R 3"],
) -> _Layer:
    """The head with what the photograph shows of it; what it hides takes the colour nearest to it."""
    size = len(parsing)
    turned = turn_points(shell, camera, degrees, neck_axis(head), np.ones(len(shell)))
    now = rasterize(turned, head.faces, size, cull=True)
    region = regions(now, _surface(head))
    source = _interpolate(now, head.faces, shell)
    height = (source - [*camera.translation, 0]) @ camera.rotation[:, 1] / camera.scale
    hairy = np.isin(parsing, HAIR).any()
    was = look_up(parsing, source, cv2.INTER_NEAREST)
    visible = source[..., 2] > look_up(seen.depth, source, cv2.INTER_NEAREST) - 0.03
    # Classes
    classes = np.full(parsing.shape, Parsing.SKIN, np.uint8)
    face = np.isin(region, FACE_REGIONS)
    known = face & visible & np.isin(was, FACE)
    classes[known] = was[known]
    classes[(region == Region.NOSE) & ~known] = Parsing.NOSE
    classes[region == Region.NECK] = Parsing.NECK
    if hairy:
        classes[region == Region.SCALP] = Parsing.HAIR
    ear = region == Region.EARS
    side = (source - [*camera.translation, 0]) @ camera.rotation[:, 0]
    for of_side, name in ((side < 0, Parsing.L_EAR), (side >= 0, Parsing.R_EAR)):
        mine = ear & of_side
        hidden = (was[mine & visible] == Parsing.HAIR).mean() if (mine & visible).any() else 0.0
        classes[mine] = Parsing.HAIR if hidden > 0.5 else name
    covered = now.pix_to_face >= 0
    neck = region == Region.NECK
    covered &= ~(neck & (np.isin(parsing, STANDS) | (height < HELD[0])))
    fade = np.where(neck, np.clip((height - HELD[0]) / (0.5 * (HELD[1] - HELD[0])), 0, 1), 1)
    skin, hair = look_up(skin_colour, source), textured(hair_colour, source, detail)
    colour = np.where((classes == Parsing.HAIR)[..., None], hair, skin)
    return _Layer(
        push_pull(colour, covered), classes, _soft(covered) * fade, np.where(covered, now.depth, EMPTY_DEPTH)
    )


def _hair_layer(
    head: LinearHead,
    camera: ScaledOrtho,
    degrees: float,
    parsing: UInt8[Array, "R R"],
    hair: Bool[Array, "R R"],
    seen: RasterResult,
    hair_colour: Float[Array, "R R 3"],
    detail: Float[Array, "R R 3"],
) -> _Layer:
    """Hair and hat as a closed sheet: its front lies on the head or bulges beside it, its back mirrors the bulge."""
    size = len(parsing)
    covered = seen.pix_to_face >= 0
    ring = covered & ~core(covered)
    # The depth of the silhouette itself is steep and uncertain, so it is taken smooth.
    middle = cv2.GaussianBlur(push_pull(seen.depth, ring), (0, 0), size * 6 / 256)
    inside = np.isin(parsing, MOVES) | covered
    distance = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) * 2 / size
    distance = np.minimum(cv2.GaussianBlur(distance, (0, 0), size / 256), BULGE)
    bulge = np.where(inside, np.sqrt(BULGE**2 - (BULGE - distance) ** 2), 0)  # 0 outside: the two sides meet
    front = np.where(covered, np.maximum(seen.depth + OVER, middle + bulge), middle + bulge)
    back = middle - bulge
    step = max(1, STEP * size // 256)
    at = np.arange(0, size, step)
    axis = voxel_centres(size)[at]
    x, y = np.meshgrid(axis, -axis)
    wanted = cv2.dilate(hair.astype(np.uint8), np.ones((4 * step + 1,) * 2, np.uint8))[np.ix_(at, at)] > 0
    n = len(at)
    index = np.arange(n * n).reshape(n, n)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    quads = (wanted[:-1, :-1] & wanted[:-1, 1:] & wanted[1:, :-1] & wanted[1:, 1:]).ravel()
    a, b, c, d = (corner.ravel()[quads] for corner in (a, b, c, d))
    sheet = np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)])
    used, sheet = np.unique(sheet, return_inverse=True)
    sheet = sheet.reshape(-1, 3).astype(np.int32)
    faces = np.concatenate([sheet, sheet[:, ::-1] + np.int32(len(used))])
    sides = [np.stack([x.ravel(), y.ravel(), z[np.ix_(at, at)].ravel()], -1)[used] for z in (front, back)]
    source = np.concatenate(sides).astype(np.float32)
    height = (source - [*camera.translation, 0]) @ camera.rotation[:, 1] / camera.scale
    t = np.clip((height - HELD[0]) / (HELD[1] - HELD[0]), 0, 1)
    turned = turn_points(source, camera, degrees, neck_axis(head), t * t * (3 - 2 * t))
    now = rasterize(turned, faces, size, cull=True)
    where = _interpolate(now, faces, source)
    # Beside the head the sheet's front and back meet a little outside the hair, so that the seam has no slit.
    closed = hair | (~inside & (cv2.dilate(hair.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0))
    cover = np.where(now.pix_to_face >= 0, look_up(closed.astype(np.float32), where), 0)
    classes = look_up(np.where(hair, parsing, np.uint8(Parsing.HAIR)), where, cv2.INTER_NEAREST)
    return _Layer(textured(hair_colour, where, detail), classes, cover, now.depth)
