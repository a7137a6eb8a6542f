"""Textured, lit, anti-aliased faces from rasterised heads, on the CPU.

Colours are linear light until :func:`resolve` encodes them to sRGB. Texture rows run from v = 1 (top) to
v = 0, and the centre of texel (row r, column c) of an (n, m) texture is at ``u = (c + 0.5) / m`` and
``v = 1 - (r + 0.5) / n``; samples are bilinear in linear light and repeat the border outside.
``models.geometry.pytorch3d_shade`` computes the same colours with PyTorch3D's own classes; a test holds the
two together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numba import njit

from models.geometry.gloss import Gloss, SkinLight, lobe, matt
from models.geometry.light import C0, C1, C2, C20, C22, PLAIN
from models.geometry.occlusion import Occlusion
from models.geometry.rasterize import RasterResult
from models.heads.outline import Outline
from models.heads.regions import FACE, HOLES, Region

DARKEST_CAVITY = 0.15  # of the shading outside it: harmonics of order 2 know no more about a nostril
KNEE = 0.85  # linear light above this bends towards 1 instead of clipping
_SKIN_SAMPLE = np.zeros(len(Region), dtype=bool)  # regions whose samples make the colour of skin pixels
_SKIN_SAMPLE[[r for r in FACE if r not in HOLES]] = True
_HOLE = np.zeros(len(Region), dtype=bool)
_HOLE[list(HOLES)] = True
FACE_TABLE = _SKIN_SAMPLE | _HOLE
_MEAN_SKIN = np.zeros(len(Region), dtype=bool)  # regions that the fill colour of the holes is the mean of
_MEAN_SKIN[[Region.SKIN, Region.NOSE]] = True


@dataclass(frozen=True, eq=False)
class Surface:
    """What shading needs of a mesh in the cube. C-contiguous; indices int32, coordinates float32."""

    normals: Float[np.ndarray, "V 3"]  # unit, cube frame
    faces: Int[np.ndarray, "F 3"]
    uvs: Float[np.ndarray, "T 2"]  # v up
    face_uvs: Int[np.ndarray, "F 3"]
    face_region: UInt8[np.ndarray, " F"]
    outline: Outline
    occlusion: Occlusion | None = None  # in the cube frame; None for a convex, matt head
    gloss: Gloss | None = None


@njit(cache=True, inline="always")
def _normal(normals, faces, f, w0, w1, w2):  # type: ignore[no-untyped-def]
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    x = w0 * normals[a, 0] + w1 * normals[b, 0] + w2 * normals[c, 0]
    y = w0 * normals[a, 1] + w1 * normals[b, 1] + w2 * normals[c, 1]
    z = w0 * normals[a, 2] + w1 * normals[b, 2] + w2 * normals[c, 2]
    scale = np.float32(1.0) / max(np.sqrt(x * x + y * y + z * z), np.float32(1e-6))
    return x * scale, y * scale, z * scale


@njit(cache=True, inline="always")
def _texel(uvs, face_uvs, f, w0, w1, w2, rows, columns):  # type: ignore[no-untyped-def]
    a, b, c = face_uvs[f, 0], face_uvs[f, 1], face_uvs[f, 2]
    u = w0 * uvs[a, 0] + w1 * uvs[b, 0] + w2 * uvs[c, 0]
    v = w0 * uvs[a, 1] + w1 * uvs[b, 1] + w2 * uvs[c, 1]
    half = np.float32(0.5)
    s = min(max(u * np.float32(columns) - half, np.float32(0)), np.float32(columns - 1))
    t = min(max((np.float32(1) - v) * np.float32(rows) - half, np.float32(0)), np.float32(rows - 1))
    s0, t0 = int(s), int(t)
    return s0, t0, min(s0 + 1, columns - 1), min(t0 + 1, rows - 1), s - np.float32(s0), t - np.float32(t0)


@njit(cache=True)
def _attributes(pix, bary, normals, faces, uvs, face_uvs, texture, wanted, decode, albedo, normal):  # type: ignore[no-untyped-def]
    rows, columns = texture.shape[0], texture.shape[1]
    for i in range(pix.shape[0]):
        for j in range(pix.shape[1]):
            if not wanted[i, j]:
                continue
            f, w0, w1, w2 = pix[i, j], bary[i, j, 0], bary[i, j, 1], bary[i, j, 2]
            s0, t0, s1, t1, fs, ft = _texel(uvs, face_uvs, f, w0, w1, w2, rows, columns)
            for d in range(3):
                top = decode[texture[t0, s0, d], d] * (1 - fs) + decode[texture[t0, s1, d], d] * fs
                low = decode[texture[t1, s0, d], d] * (1 - fs) + decode[texture[t1, s1, d], d] * fs
                albedo[i, j, d] = top * (1 - ft) + low * ft
            normal[i, j] = _normal(normals, faces, f, w0, w1, w2)


@njit(cache=True)
def _colours(
    pix,
    bary,
    normals,
    faces,
    uvs,
    face_uvs,
    texture,
    light,
    wanted,
    decode,
    added,
    strength,
    roughness,
    direction,
    lamp,
    colour,
):  # type: ignore[no-untyped-def]
    rows, columns = texture.shape[0], texture.shape[1]
    one = np.float32(1)
    for i in range(pix.shape[0]):
        for j in range(pix.shape[1]):
            if not wanted[i, j]:
                continue
            f, w0, w1, w2 = pix[i, j], bary[i, j, 0], bary[i, j, 1], bary[i, j, 2]
            s0, t0, s1, t1, fs, ft = _texel(uvs, face_uvs, f, w0, w1, w2, rows, columns)
            x, y, z = _normal(normals, faces, f, w0, w1, w2)
            xy, yz, zz, xz = x * y, y * z, np.float32(3) * z * z - one, x * z
            xx = x * x - y * y
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            layer = w0 * strength[a] + w1 * strength[b] + w2 * strength[c]
            if layer > 0:
                layer *= lobe(x, y, z, w0 * roughness[a] + w1 * roughness[b] + w2 * roughness[c], direction)
            for d in range(3):
                top = decode[texture[t0, s0, d], d] * (one - fs) + decode[texture[t0, s1, d], d] * fs
                low = decode[texture[t1, s0, d], d] * (one - fs) + decode[texture[t1, s1, d], d] * fs
                shading = (
                    light[0, d] + light[1, d] * y + light[2, d] * z + light[3, d] * x + light[4, d] * xy
                    + light[5, d] * yz + light[6, d] * zz + light[7, d] * xz + light[8, d] * xx
                )  # fmt: skip
                shading = max(shading, np.float32(0))
                deep = shading + w0 * added[a, d] + w1 * added[b, d] + w2 * added[c, d]
                shading = max(deep, np.float32(DARKEST_CAVITY) * shading)
                colour[i, j, d] = (top * (one - ft) + low * ft) * shading + layer * lamp[d]


_CONSTANTS = np.array([[C0], [C1], [C1], [C1], [C2], [C2], [C20], [C2], [C22]], dtype=np.float32)


def plain(texture: UInt8[np.ndarray, "n m 3"]) -> UInt8[np.ndarray, "n m 3"]:
    """The same texture in one piece and read-only: for each other kind of array a kernel is compiled once more."""
    whole = np.ascontiguousarray(texture).view()
    whole.setflags(write=False)
    return whole


def attributes(
    seen: RasterResult,
    surface: Surface,
    texture: UInt8[np.ndarray, "n m 3"],
    wanted: Bool[np.ndarray, "H W"],
    tone: Float[np.ndarray, "256 3"] = PLAIN,
) -> tuple[Float[np.ndarray, "H W 3"], Float[np.ndarray, "H W 3"]]:
    """Linear albedo and unit normals at the wanted pixels (which must be covered), zeros elsewhere."""
    albedo = np.zeros((*wanted.shape, 3), dtype=np.float32)
    normal = np.zeros((*wanted.shape, 3), dtype=np.float32)
    _attributes(
        seen.pix_to_face, seen.bary, surface.normals, surface.faces, surface.uvs, surface.face_uvs, plain(texture),
        wanted, tone, albedo, normal,
    )  # fmt: skip
    return albedo, normal


def colours(
    seen: RasterResult,
    surface: Surface,
    texture: UInt8[np.ndarray, "n m 3"],
    light: Float[np.ndarray, "9 3"],
    wanted: Bool[np.ndarray, "H W"],
    tone: Float[np.ndarray, "256 3"] = PLAIN,
    skin: SkinLight | None = None,
) -> Float[np.ndarray, "H W 3"]:
    """Linear light at the wanted pixels (which must be covered), zeros elsewhere.

    ``tone`` is what each level of each channel of the texture stands for in linear light; ``skin`` adds own shadow
    and gloss, which a convex, matt surface does without.
    """
    skin = skin or matt(len(surface.normals))
    colour = np.zeros((*seen.pix_to_face.shape, 3), dtype=np.float32)
    _colours(
        seen.pix_to_face, seen.bary, surface.normals, surface.faces, surface.uvs, surface.face_uvs,
        plain(texture), np.float32(light) * _CONSTANTS, wanted, tone, skin.added, skin.strength, skin.roughness,
        skin.direction, skin.lamp, colour,
    )  # fmt: skip
    return colour


@njit(cache=True)
def _regions(pix, bary, faces, face_region, outside, inner, outer, hole, face, out):  # type: ignore[no-untyped-def]
    for i in range(pix.shape[0]):
        for j in range(pix.shape[1]):
            f = pix[i, j]
            if f < 0:
                continue
            label = face_region[f]
            if not hole[label]:
                level, heaviest = np.float32(0), 0
                for k in range(3):
                    level += bary[i, j, k] * outside[faces[f, k]]
                    if bary[i, j, k] > bary[i, j, heaviest]:
                        heaviest = k
                if level > 0.5 and face[label]:
                    label = outer[faces[f, heaviest]]
                elif level <= 0.5 and not face[label]:
                    label = inner[faces[f, heaviest]]
            out[i, j] = label


def regions(seen: RasterResult, surface: Surface) -> UInt8[np.ndarray, "H W"]:
    """Region id of the visible surface, 0 where no head is.

    Eyes and inner mouth end where their triangles end: at the lids and the lips. Towards ears, neck and scalp the
    face ends at its smooth outline (``models.heads.outline``).
    """
    out = np.zeros(seen.pix_to_face.shape, dtype=np.uint8)
    _regions(
        seen.pix_to_face, seen.bary, surface.faces, surface.face_region, surface.outline.outside,
        surface.outline.inner, surface.outline.outer, _HOLE, FACE_TABLE, out,
    )  # fmt: skip
    return out


@njit(cache=True, inline="always")
def _encode(value, knee):  # type: ignore[no-untyped-def]
    if value > knee:
        value = knee + (1.0 - knee) * (1.0 - np.exp(-(value - knee) / (1.0 - knee)))
    if value <= 0.0031308:
        value = 12.92 * value
    else:
        value = 1.055 * value ** (1.0 / 2.4) - 0.055
    return np.uint8(min(max(value, 0.0), 1.0) * 255.0 + 0.5)


@njit(cache=True)
def _resolve(fine, fine_region, centre, region, skin, hole, fill, knee, out):  # type: ignore[no-untyped-def]
    total = np.zeros(3, dtype=np.float64)
    for i in range(region.shape[0]):
        for j in range(region.shape[1]):
            in_hole = hole[region[i, j]]
            if not in_hole and not skin[region[i, j]]:
                continue
            total[:] = 0.0
            count = 0
            for k in range(4):
                a, b = 2 * i + k // 2, 2 * j + k % 2
                if (in_hole and (skin[fine_region[a, b]] or hole[fine_region[a, b]])) or (
                    not in_hole and skin[fine_region[a, b]]
                ):
                    count += 1
                    for d in range(3):
                        total[d] += fine[a, b, d]
            for d in range(3):
                if in_hole and fill[0] >= 0.0:
                    value = np.float64(fill[d])
                elif count > 0:
                    value = total[d] / count
                else:
                    value = np.float64(centre[i, j, d])
                out[i, j, d] = _encode(value, knee)


def mean_skin(
    colour: Float[np.ndarray, "H W 3"], region: UInt8[np.ndarray, "H W"]
) -> Float[np.ndarray, " 3"]:
    """Mean linear colour of the visible skin and nose; mid grey where none is visible."""
    seen = colour[_MEAN_SKIN[region]]
    return seen.mean(axis=0, dtype=np.float64) if len(seen) else np.full(3, 0.2)


def resolve(
    fine: Float[np.ndarray, "2R 2R 3"],
    fine_region: UInt8[np.ndarray, "2R 2R"],
    centre: Float[np.ndarray, "R R 3"],
    region: UInt8[np.ndarray, "R R"],
    fill: Float[np.ndarray, " 3"] | None,
) -> UInt8[np.ndarray, "R R 3"]:
    """Box-filter 2x supersampled colours to the image, without premultiplication.

    A face pixel is the mean of those of its four samples that are face, so the rim has the face's colour and
    is not mixed with black. Pixels outside the holes ignore samples inside them, so what fills a hole never
    leaks out. A pixel whose centre is face but none of whose samples are (a sliver) takes the colour of its
    centre.

    Args:
        fine: Linear colours at twice the side.
        fine_region: Region of each sample.
        centre: Linear colours at the pixel centres.
        region: Region at the pixel centres; decides which pixels are written.
        fill: Linear colour of the holes; None where ``fine`` already holds their colour (eyes and teeth).
    """
    out = np.zeros((*region.shape, 3), dtype=np.uint8)
    colour = np.full(3, -1.0) if fill is None else np.asarray(fill, dtype=np.float64)
    _resolve(fine, fine_region, centre, region, _SKIN_SAMPLE, _HOLE, colour, KNEE, out)
    return out


def face_masks(
    region: UInt8[np.ndarray, "R R"],
) -> tuple[Bool[np.ndarray, "R R"], Bool[np.ndarray, "R R"]]:
    """render_mask (any face region) and hole_mask (eyes and inner mouth) of a region map."""
    return FACE_TABLE[region], _HOLE[region]
