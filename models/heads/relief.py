"""The refined head and its relief: grooves that a texture shows, deeper where an expression compresses the skin.

A groove of the texture deepens when the skin is pressed together across it and flattens when it is stretched. Where
skin is pressed together and no groove is known, shallow folds appear across the compression, the more the more
creased the texture is; their places come from oriented noise that is fixed per head.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numba import njit

from models.geometry.creases import find_creases, relief_weight
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.heads.linear import LinearHead
from models.heads.patches import patch_points
from models.heads.refine import RefinedHead, refine_face
from models.heads.regions import FACE, HOLES, Region
from models.heads.strain import SkinStrain

SPACING = (
    1.75  # mm, longest edge in the face: 91,220 triangles; finer shows little more at 512² and costs more
)
ATLAS = 512  # texels along the side of the maps
# iBUG-68 points that are dark and no crease (nostrils, outer eye corners, other corners): mm around them to be plain
PLAIN_SPOTS = {14.0: (32, 33, 34), 10.0: (36, 45), 6.0: (39, 42, 48, 54)}
DEEPEN, SHALLOWEST, DEEPEST = (
    4.0,
    0.5,
    2.0,
)  # growth of a groove with the compression across it, and its bounds
FOLD_MM = 0.4  # depth of a fold where there was no groove, on the most creased textures
FOLD_FROM, FOLD_FULL = (
    0.06,
    0.25,
)  # compression at which folds begin, and at which they are as deep as they get
FOLD_WAVE_MM, FOLD_LONG_MM = 5.0, 7.0  # from fold to fold, and along one
FOLD_TURNS = 4  # orientations, 45 degrees apart: neighbours blend with weights that add up to 1
FOLD_SPOTS = {
    15.0: tuple(range(17, 27)),
    10.0: (27, 36, 45),
}  # mm around iBUG-68 points: forehead, nose root, eye corners
AGED_FROM, AGED = 0.1, 0.03  # mm: what counts as a groove, and their mean depth on a texture that folds fully
BOUND_IN, BOUND_OUT = 1.5, 0.3  # mm; no displacement is larger
SEED = 11  # of the fold noise: part of the head


@dataclass(frozen=True, eq=False)
class TextureRelief:
    """What a texture says at the fine vertices; float16, as stored, so that all compute with the same numbers."""

    depth: Float[np.ndarray, " W"]  # mm below the smooth skin
    turn: Float[np.ndarray, "W 2"]  # direction across the groove (``models.geometry.creases.Creases.turn``)
    age: float  # 0..1: how readily the skin folds


@njit(cache=True)
def _depths(triangle, bary, faces, strain, groove, turn, folds, fold, amplitude, out):  # type: ignore[no-untyped-def]
    for v in range(out.shape[0]):
        uu = uv = vv = 0.0
        for k in range(3):
            corner, w = faces[triangle[v], k], np.float64(bary[v, k])
            uu += w * strain[corner, 0]
            uv += w * strain[corner, 1]
            vv += w * strain[corner, 2]
        mean, half = (uu + vv) / 2, (uu - vv) / 2
        cosine, sine = np.float64(turn[v, 0]), np.float64(turn[v, 1])
        # Strain across a groove, from twice its angle; a half-sure direction counts half.
        across = mean * np.sqrt(cosine**2 + sine**2) + half * cosine + uv * sine
        depth = groove[v] * min(max(1 - DEEPEN * across, SHALLOWEST), DEEPEST)
        spread = np.sqrt(half**2 + uv**2)
        pressed = min(max((spread - mean - FOLD_FROM) / (FOLD_FULL - FOLD_FROM), 0.0), 1.0)
        if pressed > 0 and spread > 0:
            deep = 0.0
            for k in range(FOLD_TURNS):
                angle = (
                    2 * np.pi * k / FOLD_TURNS
                )  # twice the angle of strongest compression against this one's
                match = max(-(half * np.cos(angle) + uv * np.sin(angle)) / spread, 0.0)
                deep += match * match * folds[k, v]
            depth += fold * pressed * pressed * (3 - 2 * pressed) * deep
        out[v] = min(max(amplitude * depth, -BOUND_OUT), BOUND_IN)


class ReliefHead:
    """A head refined in the face, with the folds it may get. Set up once per head: about a second."""

    def __init__(self, base: LinearHead, spacing: float = SPACING, folds: np.ndarray | None = None) -> None:
        self.spacing = spacing
        self.refined: RefinedHead = refine_face(base, spacing)
        inside = np.isin(base.face_region, FACE) & ~np.isin(base.face_region, HOLES)
        self._strain = SkinStrain(base, np.flatnonzero(inside))
        self._faces = np.ascontiguousarray(base.faces, np.int32)
        self._hole = np.zeros(len(self.refined.triangle), bool)  # corners of eyes and inner mouth
        self._hole[base.faces[np.isin(base.face_region, HOLES)]] = True
        self.weight, self.mm_per_texel = _atlas_weight(base)
        self.folds: Float[np.ndarray, "4 W"] = self._place_folds(base) if folds is None else folds
        self._folds = self.folds.astype(np.float32)

    @property
    def head(self) -> LinearHead:
        """The fine topology that later stages take."""
        return self.refined.head

    def read_texture(
        self, texture: UInt8[np.ndarray, "m m 3"], displacement: Float[np.ndarray, "p p"] | None = None
    ) -> tuple[TextureRelief, Float[np.ndarray, "n n"]]:
        """A texture's relief at the fine vertices, and per texel the log darkness that it accounts for.

        Args:
            texture: sRGB atlas.
            displacement: measured relief in the same atlas, mm outwards from the smooth skin; where it is given the
                texture is asked for the directions of its grooves only.
        """
        creases = find_creases(texture, self.weight, self.mm_per_texel)
        below = creases.depth
        if displacement is not None:
            measured = cv2.resize(displacement, (ATLAS, ATLAS), interpolation=cv2.INTER_AREA)
            below = (-measured * self.weight).astype(np.float32)
        # A mesh shows no wave shorter than two of its edges.
        smooth = cv2.GaussianBlur(below, (0, 0), 0.35 * self.spacing / self.mm_per_texel)
        grooves = np.maximum(creases.depth - AGED_FROM, 0)[self.weight > 0.5]
        age = float(np.clip(grooves.mean() / AGED, 0.05, 1))
        free = (self._at_vertices(self.weight) > 0) & ~self._hole  # what smoothing spilt over borders goes
        depth = np.where(free, np.clip(self._at_vertices(smooth), -BOUND_OUT, BOUND_IN), 0)
        turn = self._at_vertices(creases.turn)
        return TextureRelief(depth.astype(np.float16), turn.astype(np.float16), age), creases.darkness

    def smooth(self, posed: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "W 3"]:
        """The refined head without relief, in the frame of the posed coarse vertices, float32."""
        return self._points(posed)[0].astype(np.float32)

    def displaced(
        self,
        posed: Float[np.ndarray, "V 3"],
        expression: Float[np.ndarray, " E"],
        scale: float,
        relief: TextureRelief,
        amplitude: float,
    ) -> Float[np.ndarray, "W 3"]:
        """The refined head with relief, in the frame of the posed coarse vertices, float32.

        Args:
            posed: coarse vertices, cube frame.
            expression: coefficients that they were posed with.
            scale: cube units in a millimetre.
            relief: of the texture.
            amplitude: factor on all depths.
        """
        points, directions = self._points(posed)
        depth = self.depth(expression, relief, amplitude)
        return (points - (scale * depth)[:, None] * directions).astype(np.float32)

    def depth(
        self, expression: Float[np.ndarray, " E"], relief: TextureRelief, amplitude: float
    ) -> Float[np.ndarray, " W"]:
        """Millimetres below the smooth skin at each fine vertex, in [-BOUND_OUT, BOUND_IN]."""
        depth = np.zeros(len(self.refined.triangle), np.float32)
        _depths(
            self.refined.triangle, self.refined.bary, self._faces, self._strain(expression),
            relief.depth.astype(np.float32), relief.turn.astype(np.float32), self._folds,
            FOLD_MM * relief.age, amplitude, depth,
        )  # fmt: skip
        return depth

    def _points(self, posed: Float[np.ndarray, "V 3"]) -> tuple[np.ndarray, np.ndarray]:
        normals = vertex_normals(posed, self._faces)
        return patch_points(posed, normals, self._faces, self.refined.triangle, self.refined.bary)

    def _at_vertices(self, atlas: Float[np.ndarray, "n n *c"]) -> Float[np.ndarray, "W *c"]:
        """Bilinear samples of an atlas at the fine vertices; zero where the atlas says nothing about them."""
        x = (self.refined.uv[:, 0] * ATLAS - 0.5).astype(np.float32)[:, None]
        y = ((1 - self.refined.uv[:, 1]) * ATLAS - 0.5).astype(np.float32)[:, None]
        parts = [
            cv2.remap(atlas, x[i : i + 32000], y[i : i + 32000], cv2.INTER_LINEAR)
            for i in range(0, len(x), 32000)
        ]
        return np.concatenate(parts).reshape(len(x), *atlas.shape[2:])

    def _place_folds(self, base: LinearHead) -> Float[np.ndarray, "4 W"]:
        """Oriented noise at the fine vertices: depth 0..1 of folds across each of four directions."""
        noise = np.random.default_rng(SEED).standard_normal((ATLAS, ATLAS)).astype(np.float32)
        wave, long = FOLD_WAVE_MM / self.mm_per_texel, FOLD_LONG_MM / self.mm_per_texel
        y_all, x_all = np.mgrid[:ATLAS, :ATLAS]
        reach = int(np.ceil(2.5 * long))
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        where = np.zeros_like(self.weight)
        marks = _mark_texels(base)
        for radius, points in FOLD_SPOTS.items():
            for column, row in marks[list(points)]:
                away = np.hypot(x_all - column, y_all - row) * self.mm_per_texel
                where = np.maximum(where, np.exp(-0.5 * (away / radius) ** 2))
        folds = []
        for k in range(FOLD_TURNS):
            angle = np.pi * k / FOLD_TURNS
            across, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
            kernel = np.exp(-0.5 * (along / long) ** 2 - 0.5 * (across / (0.6 * wave)) ** 2)
            kernel *= np.cos(2 * np.pi * across / wave)
            waves = cv2.filter2D(noise, cv2.CV_32F, kernel.astype(np.float32))
            deep = np.clip(waves / (2 * waves.std()), 0, 1) * self.weight * where
            folds.append(self._at_vertices(deep.astype(np.float32)))
        return np.where(self._hole, 0, np.stack(folds)).astype(np.float16)


def _atlas_weight(head: LinearHead) -> tuple[Float[np.ndarray, "n n"], float]:
    """How much relief each texel may carry, and the size of a texel in millimetres."""
    flat = np.zeros((len(head.uvs), 3), np.float32)
    flat[:, :2] = 2 * head.uvs - 1
    seen = rasterize(flat, np.ascontiguousarray(head.face_uvs, np.int32), ATLAS)
    region = np.where(seen.pix_to_face >= 0, head.face_region[seen.pix_to_face], Region.BACKGROUND)
    skin = np.flatnonzero(np.isin(head.face_region, (Region.SKIN, Region.NOSE)))
    area = np.linalg.norm(_sides(head.mean[head.faces[skin]]), axis=-1).sum()
    texels = np.abs(_sides(head.uvs[head.face_uvs[skin]])).sum() * ATLAS**2
    size = float(np.sqrt(area / texels))
    marks = _mark_texels(head)
    spots = {radius: marks[list(points)] for radius, points in PLAIN_SPOTS.items()}
    return relief_weight(region.astype(np.uint8), size, spots), size


def _sides(corners: Float[np.ndarray, "n 3 d"]) -> np.ndarray:
    """Cross products of two sides of triangles."""
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    if corners.shape[-1] == 3:
        return np.cross(one, two)
    return one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]


def _mark_texels(head: LinearHead) -> Float[np.ndarray, "68 2"]:
    """Column and row of the 68 landmarks in the atlas."""
    uv = np.zeros((len(head.mean), 2))
    uv[head.faces.ravel()] = head.uvs[head.face_uvs.ravel()]
    marks = (uv[head.landmark_vertices] * head.landmark_bary[..., None]).sum(axis=1)
    return np.stack([marks[:, 0] * ATLAS - 0.5, (1 - marks[:, 1]) * ATLAS - 0.5], axis=1)
