"""Eyeballs, teeth and tongue in the holes of a rendered head, and the mouth's dark lining behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
from jaxtyping import Float, UInt8
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from models.geometry.camera import ScaledOrtho
from models.geometry.light import LUMINANCE, at_level, decode_srgb, scene_level
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import RasterResult, rasterize
from models.geometry.shade import KNEE, Surface, colours, mean_skin, regions
from models.heads.linear import LinearHead, Proxy
from models.heads.outline import Outline
from models.heads.regions import FACE, HOLES, Region

# Of the skin's colour, where the mouth shows neither teeth nor tongue: darker than lips and less red.
MOUTH_LINING = np.array([0.18, 0.08, 0.07])
# Millimetres behind the lips over which light falls to 1/e: on the lining, and on teeth and tongue, which stand free.
LINING_MM, MOUTH_MM = 25.0, 40.0
# Lips and cheeks keep some light from the first teeth and redden the rest; teeth themselves are ivory.
TEETH_TINT = np.array([0.98, 0.86, 0.76])
# They keep more of it from the tongue, whose texture is that of a tongue held out.
TONGUE_TINT = np.array([0.40, 0.24, 0.24])
EYE_SHADE = 0.85  # lids and lashes do the same for the eyeball
MAX_PROXY_DEPTH_MM = 60.0  # what lies deeper behind a hole belongs elsewhere (the other eye, in profile)
INTERIOR_SAMPLES = 3  # along a pixel: the lines between teeth are thin
MARGIN = 6  # pixels around the mouth, so that lips are seen


def to_head(vertices_cube: Float[np.ndarray, "V 3"], pose: ScaledOrtho) -> Float[np.ndarray, "V 3"]:
    """Undo the pose: cube units back to head-frame millimetres."""
    moved = np.array(vertices_cube, dtype=np.float64)
    moved[:, :2] -= pose.translation
    return moved @ pose.rotation / pose.scale


def draw_proxies(
    head: LinearHead,
    vertices_mm: Float[np.ndarray, "V 3"],
    pose: ScaledOrtho,
    seen: RasterResult,
    region: UInt8[np.ndarray, "H W"],
    light: Float[np.ndarray, "9 3"],
    textures: Mapping[str, UInt8[np.ndarray, "n m 3"]],
    skin: Float[np.ndarray, " 3"],
    colour: Float[np.ndarray, "H W 3"],
    eyes: bool = True,
) -> None:
    """Write the proxies' colours into the hole samples of ``colour``; without ``eyes``, into those of the mouth.

    The patches that close eye sockets and mouth are stand-ins, so they do not hide a proxy behind them; skin
    does. In the mouth light fades with the distance behind the plane of the lips.

    Raises:
        ValueError: a proxy's texture is not among the textures.
    """
    mouth = region == Region.INNER_MOUTH
    behind = _behind_lips(seen, region) / pose.scale  # mm
    deep = np.maximum(behind - np.where(mouth, seen.depth, 0.0) / pose.scale, 0.0)
    colour[mouth] = (skin * MOUTH_LINING) * np.exp(-deep[mouth] / LINING_MM)[:, None]
    if eyes:
        colour[region == Region.EYES] = skin * EYE_SHADE
    light = at_level(light, scene_level(skin))
    holes = np.isin(region, HOLES) if eyes else mouth
    nearest = np.where(holes, seen.depth - MAX_PROXY_DEPTH_MM * pose.scale, np.inf)
    for proxy in head.proxies:
        if _is_eye(proxy) and not eyes:
            continue
        if proxy.texture not in textures:
            msg = (
                f"proxy '{proxy.name}' of head '{head.name}' wants the texture '{proxy.texture}', "
                f"but proxy_textures has {', '.join(sorted(textures)) or 'none'}; add it."
            )
            raise ValueError(msg)
        points = pose.to_cube(proxy.vertices(vertices_mm)).astype(np.float32)
        solid = _solid(proxy)
        result = rasterize(points, solid.faces, len(region), cull=True)
        shown = (result.pix_to_face >= 0) & (result.depth > nearest)
        if not shown.any():
            continue
        painted = colours(result, _proxy_surface(solid, points), textures[proxy.texture], light, shown)
        deep = np.maximum(behind[shown] - result.depth[shown] / pose.scale, 0.0)
        tint = TONGUE_TINT if proxy.name == "tongue" else TEETH_TINT
        inside = np.exp(-deep / MOUTH_MM)[:, None] * tint
        colour[shown] = painted[shown] * np.where(mouth[shown][:, None], inside, EYE_SHADE)
        nearest[shown] = result.depth[shown]


def draw_interior(
    head: LinearHead,
    vertices_cube: Float[np.ndarray, "V 3"],
    surface: Surface,
    region: UInt8[np.ndarray, "R R"],
    render: UInt8[np.ndarray, "R R 3"],
    light: Float[np.ndarray, "9 3"],
    textures: Mapping[str, UInt8[np.ndarray, "n m 3"]],
    pose: ScaledOrtho,
    grey: bool = False,
    opening: Region = Region.INNER_MOUTH,
) -> UInt8[np.ndarray, "R R 3"]:
    """The render with the head's proxies in the pixels of one opening; equal to it everywhere else.

    A mouth shows teeth, tongue and lining, eyes show eyeballs. Only the square around the opening is drawn, with
    3 x 3 samples per pixel, so the cost hardly depends on R.

    Args:
        head: Topology and proxies.
        vertices_cube: The posed head, cube units.
        surface: Its surface, as the render was made from.
        region: Region at the pixel centres (``Shaded.region``).
        render: The render of the skin (``Shaded.render``).
        light: The light of the render.
        textures: sRGB images by ``Proxy.texture``; those of eyes are not needed for a mouth.
        pose: The pose that made ``vertices_cube``.
        grey: The picture is black and white, so the opening must be.
        opening: INNER_MOUTH or EYES.

    Raises:
        ValueError: a proxy's texture is not among the textures.
    """
    rows, columns = np.nonzero(region == opening)
    if not len(rows):
        return render.copy()
    size = len(region)
    n = min(size, max(int(np.ptp(rows)), int(np.ptp(columns))) + 1 + 2 * MARGIN)
    top = int(np.clip((rows.min() + rows.max() + 1 - n) // 2, 0, size - n))
    left = int(np.clip((columns.min() + columns.max() + 1 - n) // 2, 0, size - n))
    # The same head for a camera that sees this square only: cube units grow by the zoom, in depth as well.
    zoom = size / n
    middle = np.array([(2 * left + n) / size - 1, 1 - (2 * top + n) / size])
    near = ScaledOrtho(pose.scale * zoom, pose.rotation, (pose.translation - middle) * zoom)
    vertices_mm = to_head(vertices_cube, pose)
    vertices = near.to_cube(vertices_mm).astype(np.float32)
    seen = rasterize(vertices, surface.faces, INTERIOR_SAMPLES * n, cull=True)
    fine_region = regions(seen, surface)
    skin = mean_skin(decode_srgb(render), region)
    fine = np.zeros((*fine_region.shape, 3), np.float32)
    eyes = opening == Region.EYES
    draw_proxies(head, vertices_mm, near, seen, fine_region, light, textures, skin, fine, eyes=eyes)
    shown = fine_region == opening
    square = (slice(top, top + n), slice(left, left + n))
    small = region[square] == opening
    around = np.isin(region[square], FACE) & ~small
    linear = decode_srgb(render[square])
    count = _around(around[..., None].astype(np.float32))
    beside = _around(linear * around[..., None]) / np.maximum(count, 1e-6)
    count = _boxes(shown[..., None].astype(np.float32))
    inside = _boxes(np.where(shown[..., None], fine, 0)) / np.maximum(count, 1)
    # At the rim a pixel sees a share of lip or lid, which has the colour of the pixels beside it.
    share = count / INTERIOR_SAMPLES**2
    share = np.where(beside.max(-1, keepdims=True) > 0, share, 1.0)
    inside = np.where(count > 0, inside, skin * (EYE_SHADE if eyes else MOUTH_LINING))
    mean = share * inside + (1 - share) * beside
    if grey:
        mean = np.repeat((mean @ LUMINANCE)[..., None], 3, axis=-1)
    out = render.copy()
    out[square][small] = _encoded(mean[small])
    return out


def _behind_lips(seen: RasterResult, region: UInt8[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """Cube z of the plane through the visible lips, at every pixel."""
    height, width = region.shape
    rows, columns = np.nonzero(region == Region.LIPS)
    if len(rows) < 12:
        mouth = region == Region.INNER_MOUTH
        return np.full(region.shape, seen.depth[mouth].max() if mouth.any() else 0.0)
    step = -(-len(rows) // 2000)
    rows, columns = rows[::step], columns[::step]
    design = np.stack([np.ones(len(rows)), columns / width, rows / height], axis=1)
    depth = seen.depth[rows, columns]
    kept = depth > np.median(depth) - 3 * np.abs(depth - np.median(depth)).mean()
    a, b, c = np.linalg.lstsq(design[kept], depth[kept], rcond=None)[0]
    return a + b * np.arange(width)[None, :] / width + c * np.arange(height)[:, None] / height


def _boxes(fine: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "n m c"]:
    """Sum over the samples of each pixel."""
    s = INTERIOR_SAMPLES
    h, w, c = fine.shape
    return fine.reshape(h // s, s, w // s, s, c).sum(axis=(1, 3))


def _encoded(linear: Float[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3"]:
    """sRGB of linear light, bent above the knee as in ``models.geometry.shade``."""
    over = KNEE + (1 - KNEE) * (1 - np.exp(-np.maximum(linear - KNEE, 0) / (1 - KNEE)))
    value = np.where(linear > KNEE, over, np.maximum(linear, 0))
    value = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return (np.clip(value, 0, 1) * 255 + 0.5).astype(np.uint8)


def _around(values: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w c"]:
    """Sum over each pixel and its eight neighbours."""
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    tall = padded[:-2] + padded[1:-1] + padded[2:]
    return tall[:, :-2] + tall[:, 1:-1] + tall[:, 2:]


def _is_eye(proxy: Proxy) -> bool:
    return proxy.name.startswith("eye")


@cache
def _solid(proxy: Proxy) -> Proxy:
    """The proxy without an eye's cornea: a small shell of its own, which only a transparent material could show."""
    if not _is_eye(proxy):
        return proxy
    corners = proxy.faces[:, [0, 1, 2, 0]]
    n = len(proxy.bind_vertices)
    links = coo_matrix((np.ones(3 * len(corners)), (corners[:, :3].ravel(), corners[:, 1:].ravel())), (n, n))
    part = connected_components(links, directed=False)[1][proxy.faces[:, 0]]
    kept = part == np.bincount(part).argmax()
    return replace(proxy, faces=proxy.faces[kept], face_uvs=proxy.face_uvs[kept])


def _proxy_surface(proxy: Proxy, points: Float[np.ndarray, "P 3"]) -> Surface:
    """A proxy as a surface without regions."""
    return Surface(
        normals=vertex_normals(points, proxy.faces),
        faces=np.ascontiguousarray(proxy.faces, dtype=np.int32),
        uvs=np.ascontiguousarray(proxy.uvs, dtype=np.float32),
        face_uvs=np.ascontiguousarray(proxy.face_uvs, dtype=np.int32),
        face_region=np.zeros(len(proxy.faces), dtype=np.uint8),
        outline=Outline(*(np.zeros(len(points), dtype=t) for t in (np.float32, np.uint8, np.uint8))),
    )
