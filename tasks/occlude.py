"""Stage ``occlude``: what lies in front of a photo's face, found by what contradicts the fitted face.

The parser was trained on bare faces: a leaf, a cup, a microphone or a hand over a face is mostly ``SKIN`` to it, and
glasses are one blob of frames and lenses. Here, once per photo, the fitted head says where skin must be and how it is
turned, and the photo says what colour skin has there (:mod:`models.geometry.skin`). A region becomes an occluder when
its colour is none that skin takes in light, shadow, shine or beard, *and* its outline is sharp: shadows, shine,
make-up and stubble fade, objects end. Glasses are taken apart into frames, which stay, and lenses, which show the
new face.

Skin-coloured occluders, hands above all, have no such colour. They are refused where they cover a key part
(:mod:`tasks.key_parts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np

from models.geometry.camera import ScaledOrtho
from models.geometry.face import head_surface
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.geometry.shade import regions
from models.geometry.skin import Departure, depart_from_skin
from models.heads.linear import LinearHead
from models.heads.regions import FACE, Region
from models.networks.classes import FACE as PARSED_FACE
from models.networks.classes import Parsing
from tasks.contract import Batch, Field, Gives, Reason, Reject
from tasks.fit import POSE_FIELDS
from tasks.glasses import take_apart
from tasks.key_parts import BROWS, EYES, covered_part, features, share
from tasks.parse import hull

Array = np.ndarray[Any, np.dtype[Any]]

GROW = 0.035  # of the face's width: features, and what is beside the outline, are left out by this much
NOISE = 1.5e-3  # of the image: a smaller hole in the parsed face that nothing in front of it touches is noise
IN_FRONT = (Parsing.GLASSES, Parsing.HAIR, Parsing.HAT)
MIN_BARE = 2e-3  # of the image: bare skin from which its colour can be told
MIN_AREA = 6e-3  # of the fitted face: smaller objects are moles and shine
HUE, VIVID, VIVID_IN_SHADOW = (
    9.0,
    12.0,
    21.0,
)  # chroma across and along the skin's own that skin does not reach
LIKENESS = 3.0  # standard deviations of an object's colour, within which what touches it belongs to it
REACH = 0.08  # of the face's width, so far at most
WORN = 0.3  # share of the eyes behind the parsed glasses; with less, something else was parsed as glasses
CLEAR = 0.75  # share of a lens, without eye and brow, that must look like skin
EYE_CONTRAST = 0.4  # by which the darkest part of an eye behind a clear lens is darker than the skin there


@dataclass(frozen=True)
class Sort:
    """A sort of object: where it departs from skin, and how sharp its outline must be."""

    edge: float  # median gradient along the outline, Lab units a pixel
    least: float  # its lower quartile
    even: float  # largest standard deviation of its lightness departure


SORTS = {
    "coloured": Sort(5.5, 4.0, np.inf),  # another hue than skin, or stronger than make-up
    "dark": Sort(7.0, 5.0, 7.0),  # darker than shadow leaves skin, and of one tone, unlike hair
    "bright": Sort(5.5, 3.5, 9.8),  # brighter than skin and without its colour, unlike shine
}


@dataclass(frozen=True)
class Occlude:
    """Refine each row's parsing; rows whose key parts are covered are rejected.

    Args:
        head: the head model that was fitted.
        size: R, side of the crop in pixels.
    """

    head: LinearHead
    size: int

    name: ClassVar[str] = "occlude"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = (
        Field("photo", "uint8", ("R", "R", 3), "rgb"),
        Field("landmarks", "float32", (68, 2), "pixel"),
        Field("parsing", "uint8", ("R", "R"), "celebamask"),
        *(f for f in POSE_FIELDS if f.name != "fit_rms"),
    )
    gives: ClassVar[tuple[Field, ...]] = (Field("parsing", "uint8", ("R", "R"), "celebamask"),)

    def occlude(self, batch: Batch) -> Gives:
        """Parsing with occluders as BACKGROUND, frames as GLASSES, and skin, eyes and brows behind clear lenses."""
        parsing = batch["parsing"].copy()
        rejects: dict[int, Reject] = {}
        for i in range(len(batch)):
            covered = covered_part(batch["parsing"][i], batch["landmarks"][i])
            answer = self._refined(batch, i) if covered is None else covered
            if isinstance(answer, Reject):
                rejects[i] = answer
            else:
                parsing[i] = answer
        return Gives({"parsing": parsing}, rejects)

    __call__ = occlude

    def _refined(self, batch: Batch, i: int) -> Array | Reject:
        photo, points, parsing = batch["photo"][i], batch["landmarks"][i], batch["parsing"][i]
        region, normals = self._fitted(batch, i)
        marked = _grown(features(points, self.size), points)
        inner = _shrunk(np.isin(region, (Region.SKIN, Region.NOSE)), points) & ~marked
        bare = inner & np.isin(parsing, (Parsing.SKIN, Parsing.NOSE))
        if bare.sum() < MIN_BARE * bare.size:
            return Reject(
                Reason.OCCLUDED, f"{int(bare.sum())} pixels of bare skin are seen inside the fitted face"
            )
        departure = depart_from_skin(photo, normals, bare)
        refined = fill_noise(parsing)
        least = round(MIN_AREA * int(np.isin(region, FACE).sum()))
        reach = round(REACH * float(np.ptp(points[:, 0])))
        refined[objects(departure, bare, np.isin(refined, PARSED_FACE), least, reach)] = Parsing.BACKGROUND
        return through_glasses(photo, refined, points, departure, np.isin(region, FACE))

    def _fitted(self, batch: Batch, i: int) -> tuple[Array, Array]:
        """Region (R, R) and unit normals (R, R, 3) of the fitted head."""
        pose = ScaledOrtho(float(batch["scale"][i]), batch["rotation"][i], batch["translation"][i])
        vertices = pose.to_cube(self.head.vertices(batch["identity"][i], batch["expression"][i])).astype(
            np.float32
        )
        surface = head_surface(self.head, vertices)
        seen = rasterize(vertices, surface.faces, self.size, cull=True)
        inside = seen.pix_to_face >= 0
        corners = vertex_normals(vertices, surface.faces)[surface.faces[seen.pix_to_face[inside]]]
        normals = np.zeros((self.size, self.size, 3), np.float32)
        blended = (corners * seen.bary[inside][..., None]).sum(axis=1)
        normals[inside] = blended / np.maximum(np.linalg.norm(blended, axis=1, keepdims=True), 1e-9)
        return regions(seen, surface), normals


def fill_noise(parsing: Array) -> Array:
    """Parsing (R, R) whose small holes in the face are SKIN, unless something in front of the face made them."""
    face = np.isin(parsing, PARSED_FACE)
    count, parts, stats, _ = cv2.connectedComponentsWithStats((~face).astype(np.uint8), connectivity=4)
    front = np.bincount(parts[np.isin(parsing, IN_FRONT)], minlength=count)
    small = (stats[:, cv2.CC_STAT_AREA] <= NOISE * parsing.size) & (front[:count] == 0)
    small[0] = False  # label 0 is the face itself
    filled: Array = np.where(small[parts], Parsing.SKIN, parsing).astype(np.uint8)
    return filled


def objects(departure: Departure, bare: Array, face: Array, least: int, reach: int) -> Array:
    """Occluders, bool (R, R): the seeds in ``bare`` skin that pass :data:`SORTS`, grown over the parsed ``face``.

    Args:
        departure: of the photo from skin.
        bare: plain skin inside the fitted face, bool (R, R).
        face: parsed face, bool (R, R).
        least: pixels of a seed.
        reach: pixels by which it grows at most.
    """
    d = departure
    grey = -d.along / np.maximum(d.chroma, 1)
    coloured = (np.abs(d.across) > HUE) | (d.along > VIVID)
    sorts = {
        "coloured": coloured,
        "dark": ~coloured & (d.lightness < -18),
        "bright": ~coloured & (d.lightness > 12) & (grey > 0.85),
    }
    found = np.zeros_like(bare)
    within = cv2.erode(bare.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    for name, candidate in sorts.items():
        seeds = cv2.morphologyEx(
            (candidate & bare).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
        )
        count, parts, stats, _ = cv2.connectedComponentsWithStats(seeds, connectivity=4)
        for part in range(1, count):
            seed = parts == part
            if stats[part, cv2.CC_STAT_AREA] >= least and _ends(d, seed, within, SORTS[name]):
                found |= _spread(d, seed, face, reach)
    return found


def through_glasses(
    photo: Array, parsing: Array, points: Array, departure: Departure, fitted: Array
) -> Array | Reject:
    """Parsing (R, R) with the face behind clear lenses, or Reject(occluded) when one cannot be looked through."""
    glasses = parsing == Parsing.GLASSES
    size = len(parsing)
    eyes = hull(points[36:42], size) | hull(points[42:48], size)
    if share(parsing, (Parsing.GLASSES,), eyes) < WORN:
        return parsing
    iod = float(np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0)))
    taken = take_apart(photo, glasses, iod)
    lenses = taken.lenses & fitted & (glasses | np.isin(parsing, PARSED_FACE))
    plain = lenses & ~_grown(features(points, size), points)
    d = departure
    like_skin = (np.abs(d.across) < 12) & (np.abs(d.along) < 20) & (np.abs(d.lightness) < 30)
    clear = float(like_skin[plain].mean()) if plain.any() else 0.0
    if clear < CLEAR:
        return Reject(
            Reason.OCCLUDED,
            f"{clear:.2f} of the glasses' lenses look like skin behind glass, at least {CLEAR} is needed",
        )
    grey = photo.astype(np.float32).mean(axis=2)
    contrast = 1 - float(np.quantile(grey[eyes], 0.1)) / max(float(np.median(grey[plain])), 1.0)
    if contrast < EYE_CONTRAST:
        return Reject(
            Reason.OCCLUDED,
            f"no eye is seen behind the glasses: {contrast:.2f} darker than the skin there, at least {EYE_CONTRAST} "
            "is needed",
        )
    refined = parsing.copy()
    refined[glasses & ~taken.lenses & ~taken.frames & fitted] = Parsing.SKIN
    refined[lenses] = Parsing.SKIN
    for classes, ranges in ((BROWS, ((17, 22), (22, 27))), (EYES, ((36, 42), (42, 48)))):
        for own, (first, last) in zip(classes, ranges, strict=True):
            refined[lenses & hull(points[first:last], size)] = own
    refined[taken.frames] = Parsing.GLASSES
    return refined


def _ends(departure: Departure, seed: Array, within: Array, sort: Sort) -> bool:
    """Whether a seed's outline, where it lies in bare skin, is an object's."""
    ring = (
        cv2.morphologyEx(seed.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    ) & within
    core = cv2.erode(seed.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if ring.sum() < 8 or not core.any() or departure.lightness[core].std() > sort.even:
        return False
    shadow = np.median(departure.lightness[seed]) < -10  # gives skin more chroma
    vivid = VIVID < np.median(departure.along[seed]) < VIVID_IN_SHADOW
    if shadow and vivid and np.median(np.abs(departure.across[seed])) < HUE:
        return False
    least, edge = np.quantile(departure.edges[ring], (0.25, 0.5))
    return bool(least >= sort.least and edge >= sort.edge)


def _spread(departure: Departure, seed: Array, face: Array, reach: int) -> Array:
    """The seed with the pixels like it that touch it, and its holes."""
    alike = face.copy()
    for values in (departure.lightness, departure.along, departure.across):
        alike &= np.abs(values - np.median(values[seed])) < LIKENESS * max(float(values[seed].std()), 2.0)
    _, parts = cv2.connectedComponents((alike | seed).astype(np.uint8), connectivity=4)
    near = cv2.dilate(seed.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    whole = np.isin(parts, np.unique(parts[seed])) & near & (alike | seed)
    closed = cv2.morphologyEx(whole.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    outline, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(seed.shape, np.uint8)
    cv2.drawContours(filled, outline, -1, 1, cv2.FILLED)
    whole = filled > 0
    return whole


def _grown(mask: Array, points: Array) -> Array:
    grown: Array = cv2.dilate(mask.astype(np.uint8), _disc(points)) > 0
    return grown


def _shrunk(mask: Array, points: Array) -> Array:
    shrunk: Array = cv2.erode(mask.astype(np.uint8), _disc(points)) > 0
    return shrunk


def _disc(points: Array) -> Array:
    r = max(1, round(GROW * float(np.ptp(points[:, 0]))))
    disc: Array = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1)).astype(np.uint8)
    return disc
