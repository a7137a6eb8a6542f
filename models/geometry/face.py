"""One lit, textured face of a head in the cube: the picture that the pair is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from models.geometry.camera import ScaledOrtho
from models.geometry.light import PLAIN, at_level, scene_level
from models.geometry.minify import minified, texels_per_pixel
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import RasterResult, rasterize
from models.geometry.shade import FACE_TABLE, Surface, colours, face_masks, mean_skin, regions, resolve
from models.heads.linear import LinearHead, Proxy
from models.heads.outline import Outline, face_outline
from models.heads.regions import HOLES, Region

MOUTH_LINING = np.array(
    [0.20, 0.06, 0.05]
)  # of the skin's colour, where the mouth shows neither teeth nor tongue
MOUTH_SHADE = 0.8  # lips and cheeks keep the rest of the light from the teeth
TONGUE_SHADE = 0.4  # and more of it from the tongue, which lies deeper
EYE_SHADE = 0.85  # lids and lashes do the same for the eyeball
MAX_PROXY_DEPTH_MM = 60.0  # what lies deeper behind a hole belongs elsewhere (the other eye, in profile)


@dataclass(frozen=True, eq=False)
class Shaded:
    """A rendered face, all at the same R x R pixel grid."""

    render: UInt8[np.ndarray, "R R 3"]  # sRGB over black, nothing outside render_mask
    render_mask: Bool[np.ndarray, "R R"]  # pixel centre sees a face region, eyes and inner mouth included
    hole_mask: Bool[np.ndarray, "R R"]  # pixel centre sees eyes or inner mouth
    region: UInt8[np.ndarray, "R R"]  # Region of the visible surface of the whole head, 0 where none


def head_surface(head: LinearHead, vertices: Float[np.ndarray, "V 3"]) -> Surface:
    """The head's topology and atlas with the normals of these vertices (any frame; the normals are in it)."""
    return Surface(
        normals=vertex_normals(vertices, head.faces),
        faces=np.ascontiguousarray(head.faces, dtype=np.int32),
        uvs=np.ascontiguousarray(head.uvs, dtype=np.float32),
        face_uvs=np.ascontiguousarray(head.face_uvs, dtype=np.int32),
        face_region=np.ascontiguousarray(head.face_region, dtype=np.uint8),
        outline=_outline(head),
    )


@lru_cache(maxsize=4)
def _outline(head: LinearHead) -> Outline:
    return face_outline(head.faces, head.vertex_region)


def shade_face(
    head: LinearHead,
    vertices_cube: Float[np.ndarray, "V 3"],
    texture: UInt8[np.ndarray, "n m 3"],
    light: Float[np.ndarray, "9 3"],
    size: int,
    proxies: bool = False,
    proxy_textures: Mapping[str, UInt8[np.ndarray, "n m 3"]] | None = None,
    pose: ScaledOrtho | None = None,
) -> Shaded:
    """Render the face regions of a head over black, anti-aliased by 2x supersampling.

    The rest of the head (ears, neck, scalp) hides what is behind it but is not drawn. Eyes and inner mouth
    are filled with the mean skin colour, because a skin surface has nothing to show there and the completion
    network paints them; with ``proxies`` they show the head's eyeballs, teeth and tongue instead. Outside
    ``hole_mask`` both renders are equal to the bit.

    Args:
        head: Topology, atlas, regions and proxies.
        vertices_cube: The posed head, cube units.
        texture: sRGB atlas, row 0 is v = 1.
        light: Shading harmonics (``models.geometry.light``).
        size: R.
        proxies: Draw eyeballs, teeth and tongue into the holes.
        proxy_textures: sRGB images by ``Proxy.texture``; a missing one is a ``ValueError``.
        pose: The pose that made ``vertices_cube``: proxies hang on the head by offsets in millimetres.

    Raises:
        ValueError: Proxies are asked for without pose or textures.
    """
    surface = head_surface(head, vertices_cube)
    seen = rasterize(vertices_cube, surface.faces, size, cull=True)
    return render_surface(head, vertices_cube, surface, seen, texture, light, proxies, proxy_textures, pose)


def render_surface(
    head: LinearHead,
    vertices_cube: Float[np.ndarray, "V 3"],
    surface: Surface,
    seen: RasterResult,
    texture: UInt8[np.ndarray, "n m 3"],
    light: Float[np.ndarray, "9 3"],
    proxies: bool = False,
    proxy_textures: Mapping[str, UInt8[np.ndarray, "n m 3"]] | None = None,
    pose: ScaledOrtho | None = None,
    tone: Float[np.ndarray, "256 3"] = PLAIN,
    device: str = "cpu",
) -> Shaded:
    """Do as :func:`shade_face` does, for a surface whose pixels (``seen``, back faces culled) are known already.

    ``tone`` is what the texture's levels stand for (``models.geometry.light.tone_table``). ``device="cuda"``
    draws the supersampled picture with PyTorch3D's own rasteriser there.
    """
    size = len(seen.pix_to_face)
    texels = texels_per_pixel(vertices_cube, surface, seen, texture.shape[0] * texture.shape[1])
    texture = minified(texture, texels / 2)  # two samples along a pixel
    if device == "cpu":
        fine = rasterize(vertices_cube, surface.faces, 2 * size, cull=True)
        fine_region = regions(fine, surface)
        fine_colour = colours(fine, surface, texture, light, FACE_TABLE[fine_region], tone)
    else:
        from models.geometry.pytorch3d_shade import draw  # torch is not needed otherwise

        fine, fine_colour = draw(vertices_cube, surface, texture, light, 2 * size, device, tone)
        fine_region = regions(fine, surface)
    region = regions(seen, surface)
    render_mask, hole_mask = face_masks(region)
    centre_colour = colours(seen, surface, texture, light, render_mask, tone)
    fill: np.ndarray | None = mean_skin(centre_colour, region)
    if proxies:
        if pose is None or proxy_textures is None:
            missing = "pose" if pose is None else "proxy_textures"
            msg = (
                f"shade_face draws the proxies of head '{head.name}' only with a pose and proxy_textures, "
                f"but {missing} is None; pass it or set proxies=False."
            )
            raise ValueError(msg)
        in_head = _to_head(vertices_cube, pose)
        for result, result_region, colour in (
            (seen, region, centre_colour), (fine, fine_region, fine_colour),
        ):  # fmt: skip
            _draw_proxies(head, in_head, pose, result, result_region, light, proxy_textures, fill, colour)
        fill = None
    render = resolve(fine_colour, fine_region, centre_colour, region, fill)
    return Shaded(render, render_mask, hole_mask, region)


def _to_head(vertices_cube: Float[np.ndarray, "V 3"], pose: ScaledOrtho) -> Float[np.ndarray, "V 3"]:
    """Undo the pose: cube units back to head-frame millimetres."""
    moved = np.array(vertices_cube, dtype=np.float64)
    moved[:, :2] -= pose.translation
    return moved @ pose.rotation / pose.scale


def _draw_proxies(
    head: LinearHead,
    vertices_mm: Float[np.ndarray, "V 3"],
    pose: ScaledOrtho,
    seen: RasterResult,
    region: UInt8[np.ndarray, "H W"],
    light: Float[np.ndarray, "9 3"],
    textures: Mapping[str, UInt8[np.ndarray, "n m 3"]],
    skin: Float[np.ndarray, " 3"],
    colour: Float[np.ndarray, "H W 3"],
) -> None:
    """Write the proxies' colours into the hole samples of ``colour``.

    The patches that close eye sockets and mouth are stand-ins, so they do not hide a proxy behind them; skin
    does.
    """
    mouth, eyes = region == Region.INNER_MOUTH, region == Region.EYES
    colour[mouth] = skin * MOUTH_LINING
    colour[eyes] = skin * EYE_SHADE
    light = at_level(light, scene_level(skin))
    nearest = np.where(np.isin(region, HOLES), seen.depth - MAX_PROXY_DEPTH_MM * pose.scale, np.inf)
    for proxy in head.proxies:
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
        shade = np.where(mouth, TONGUE_SHADE if proxy.name == "tongue" else MOUTH_SHADE, EYE_SHADE)[shown]
        colour[shown] = painted[shown] * shade[:, None]
        nearest[shown] = result.depth[shown]


@cache
def _solid(proxy: Proxy) -> Proxy:
    """The proxy without an eye's cornea: a small shell of its own, which only a transparent material could show."""
    if not proxy.name.startswith("eye"):
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
