"""One lit, textured face of a head in the cube: the picture that the pair is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, UInt8

from models.geometry.camera import ScaledOrtho
from models.geometry.falloff import Falloff
from models.geometry.gloss import SkinLight, head_gloss
from models.geometry.light import PLAIN
from models.geometry.minify import minified, texels_per_pixel
from models.geometry.normals import vertex_normals
from models.geometry.occlusion import head_occlusion
from models.geometry.proxies import draw_proxies, to_head
from models.geometry.rasterize import RasterResult, rasterize
from models.geometry.shade import FACE_TABLE, Surface, colours, face_masks, mean_skin, regions, resolve
from models.heads.linear import LinearHead
from models.heads.outline import Outline, face_outline


@dataclass(frozen=True, eq=False)
class Shaded:
    """A rendered face, all at the same R x R pixel grid."""

    render: UInt8[np.ndarray, "R R 3"]  # sRGB over black, nothing outside render_mask
    render_mask: Bool[np.ndarray, "R R"]  # pixel centre sees a face region, eyes and inner mouth included
    hole_mask: Bool[np.ndarray, "R R"]  # pixel centre sees eyes or inner mouth
    region: UInt8[np.ndarray, "R R"]  # Region of the visible surface of the whole head, 0 where none


def head_surface(
    head: LinearHead, vertices: Float[np.ndarray, "V 3"], rotation: Float[np.ndarray, "3 3"] | None = None
) -> Surface:
    """The head's topology and atlas with the normals of these vertices (any frame; the normals are in it).

    With the ``rotation`` of its pose the surface knows its own shadow and gloss.
    """
    return Surface(
        normals=vertex_normals(vertices, head.faces),
        faces=np.ascontiguousarray(head.faces, dtype=np.int32),
        uvs=np.ascontiguousarray(head.uvs, dtype=np.float32),
        face_uvs=np.ascontiguousarray(head.face_uvs, dtype=np.int32),
        face_region=np.ascontiguousarray(head.face_region, dtype=np.uint8),
        outline=_outline(head),
        occlusion=None if rotation is None else head_occlusion(head).posed(rotation),
        gloss=None if rotation is None else head_gloss(head),
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
    skin: SkinLight | None = None,
    falloff: Falloff | None = None,
) -> Shaded:
    """Do as :func:`shade_face` does, for a surface whose pixels (``seen``, back faces culled) are known already.

    ``tone`` is what the texture's levels stand for (``models.geometry.light.tone_table``), ``skin`` own shadow and
    gloss under the light (``models.geometry.gloss.skin_light``), ``falloff`` how the light changes over the image.
    ``device="cuda"`` draws the supersampled picture with PyTorch3D's own rasteriser there.
    """
    size = len(seen.pix_to_face)
    texels = texels_per_pixel(vertices_cube, surface, seen, texture.shape[0] * texture.shape[1])
    texture = minified(texture, texels / 2)  # two samples along a pixel
    if device == "cpu":
        fine = rasterize(vertices_cube, surface.faces, 2 * size, cull=True)
        fine_region = regions(fine, surface)
        fine_colour = colours(fine, surface, texture, light, FACE_TABLE[fine_region], tone, skin)
    else:
        from models.geometry.pytorch3d_shade import draw  # torch is not needed otherwise

        fine, fine_colour = draw(vertices_cube, surface, texture, light, 2 * size, device, tone, skin)
        fine_region = regions(fine, surface)
    region = regions(seen, surface)
    render_mask, hole_mask = face_masks(region)
    centre_colour = colours(seen, surface, texture, light, render_mask, tone, skin)
    if falloff is not None:
        fine_colour *= falloff.gain(2 * size)
        centre_colour *= falloff.gain(size)
    fill: np.ndarray | None = mean_skin(centre_colour, region)
    if proxies:
        if pose is None or proxy_textures is None:
            missing = "pose" if pose is None else "proxy_textures"
            msg = (
                f"shade_face draws the proxies of head '{head.name}' only with a pose and proxy_textures, "
                f"but {missing} is None; pass it or set proxies=False."
            )
            raise ValueError(msg)
        in_head = to_head(vertices_cube, pose)
        for result, result_region, colour in (
            (seen, region, centre_colour), (fine, fine_region, fine_colour),
        ):  # fmt: skip
            draw_proxies(head, in_head, pose, result, result_region, light, proxy_textures, fill, colour)
        fill = None
    render = resolve(fine_colour, fine_region, centre_colour, region, fill)
    return Shaded(render, render_mask, hole_mask, region)
