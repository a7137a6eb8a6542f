"""Stage render: the drawn head with the planned texture, under the photo's light.

Tone and light are estimated per pair, for this texture and these normals (``models.geometry.light``), so the
render meets the photo's colour and direction of light by construction. On a GPU PyTorch3D draws; on a CPU the compiled
kernels, which are held to the same colours by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from models.geometry.camera import ScaledOrtho
from models.geometry.detail import match_detail
from models.geometry.face import Shaded, head_surface, render_surface, shade_face
from models.geometry.falloff import Falloff, estimate_falloff
from models.geometry.gloss import SkinLight, matt, shine, skin_light
from models.geometry.light import LUMINANCE, basis, decode_srgb, estimate_light, scene_level, tone_table
from models.geometry.proxies import draw_interior
from models.geometry.rasterize import RasterResult, rasterize
from models.geometry.shade import Surface, attributes, colours, regions
from models.heads.linear import LinearHead
from models.heads.regions import FACE, Region
from models.networks.classes import FACE as PARSED_FACE
from models.networks.classes import Parsing, among
from tasks.contract import Batch, Field, Gives, Reason, Reject

__all__ = [
    "Lit",
    "Render",
    "Shaded",
    "Textures",
    "black_and_white",
    "fit_light",
    "mouth_textures",
    "shade_face",
    "toned",
]

Array = np.ndarray[Any, np.dtype[Any]]

LIT_REGIONS = (Region.SKIN, Region.NOSE)  # where the head is plain skin
LIT_CLASSES = (Parsing.SKIN, Parsing.NOSE)  # where the photo is
MIN_LIGHT_PIXELS = 200  # of a 256² image; fewer cannot tell light from a freckle
MAX_LIGHT_PIXELS = 2000  # more does not change the estimate, only its time
GREY_CHROMA = (
    2.5  # mean spread of R, G, B below which a photo is black and white (JPEG leaves a trace of colour)
)
MAX_ALBEDO = 0.8  # of skin, in what its cavities reflect
MATTE_SHARE = 0.3  # of a pixel's light at least comes from below the oily layer
SATURATED = 252  # a burnt highlight says nothing about its strength


class Textures(Protocol):
    """What the stage asks of a texture pool (``assets.textures.TexturePool``)."""

    def image(self, name: str) -> Array:
        """The sRGB atlas, uint8 (n, m, 3), row 0 is v = 1."""

    def part(self, part: str) -> tuple[str, ...]:
        """Names of the textures of one part, "iris", "teeth" or "tongue"."""


@dataclass(frozen=True, eq=False)
class Lit:
    """How a texture looks in a photo: its tone table (256, 3), the light (9, 3) and what it does to skin."""

    tone: Array
    light: Array
    skin: SkinLight
    falloff: Falloff


def fit_light(
    photo: Array, parsing: Array, surface: Surface, seen: RasterResult, texture: Array
) -> Lit | Reject:
    """Tone and light of a photo (R, R, 3) for a textured surface seen in the same pixels.

    The tone bends the texture's skin towards the colour that the photo's skin must have under a plausible light;
    the light then makes up the rest, so the mean colour is the photo's. Uses the pixels that are skin or nose both
    in the photo's parsing and on the head, without burnt ones.

    Returns:
        Tone and light, or a Reject(masks_disagree) with the overlap when too few pixels are left.
    """
    region = regions(seen, surface)
    rows, columns = np.nonzero(among(region, LIT_REGIONS) & among(parsing, LIT_CLASSES))
    unburnt = photo[rows, columns].max(axis=-1, initial=0) < SATURATED
    rows, columns = rows[unburnt], columns[unburnt]
    needed = MIN_LIGHT_PIXELS * (len(photo) / 256) ** 2
    count = len(rows)
    if count < needed:
        rendered, parsed = among(region, FACE), among(parsing, PARSED_FACE)
        smaller = max(1, min(int(rendered.sum()), int(parsed.sum())))
        overlap = int((rendered & parsed).sum()) / smaller
        detail = (
            f"rendered and parsed face share {overlap:.2f} of the smaller one and {count} pixels of lit "
            f"skin; the light needs {needed:.0f}"
        )
        return Reject(Reason.MASKS_DISAGREE, detail)
    step = -(-count // MAX_LIGHT_PIXELS)
    rows, columns = rows[::step], columns[::step]
    chosen = np.zeros(region.shape, dtype=bool)
    chosen[rows, columns] = True
    albedo, normals = attributes(seen, surface, texture, chosen)
    albedo, normals, colour = albedo[rows, columns], normals[rows, columns], photo[rows, columns]
    if float(albedo.mean()) < 1e-3 or int(colour.max()) < 4:
        detail = f"photo or texture is black in the {count} pixels of skin that they share"
        return Reject(Reason.MASKS_DISAGREE, detail)
    linear = decode_srgb(colour)
    mean = np.median(linear, axis=0)
    level = scene_level(mean)
    if black_and_white(photo):
        level = np.full(3, level @ LUMINANCE)
    tone = tone_table(albedo.mean(axis=0), mean / level)
    albedo = attributes(seen, surface, texture, chosen, tone)[0][rows, columns]
    corners, bary = surface.faces[seen.pix_to_face[rows, columns]], seen.bary[rows, columns]
    where = (np.stack([columns, rows], axis=-1) + 0.5) / len(photo)
    if surface.occlusion is None or surface.gloss is None:
        light = estimate_light(linear, albedo, normals)
        lit = albedo * np.maximum(basis(normals) @ light, 0)
        return Lit(tone, light, matt(len(surface.normals)), estimate_falloff(linear, lit, where))
    paint = np.clip(mean / level, 0.0, MAX_ALBEDO)
    occlusion = surface.occlusion.design(corners, bary, paint)
    light = estimate_light(linear, albedo, normals, occlusion)
    # The lamp's gloss is known once the light is; a second look at the photo without it settles both.
    skin = skin_light(surface.occlusion, surface.gloss, light, paint, level)
    matte = np.maximum(linear - shine(corners, bary, normals, skin), MATTE_SHARE * linear)
    light = estimate_light(matte, albedo, normals, occlusion)
    skin = skin_light(surface.occlusion, surface.gloss, light, paint, level)
    lit = colours(seen, surface, texture, light, chosen, tone, skin)[rows, columns]
    return Lit(tone, light, skin, estimate_falloff(linear, lit, where))


def black_and_white(photo: Array) -> bool:
    """Whether a photo (R, R, 3) has no colours."""
    seen = photo[::4, ::4].astype(np.int16)
    return float((seen.max(axis=-1) - seen.min(axis=-1)).mean()) <= GREY_CHROMA


def toned(texture: Array, photo: Array) -> Array:
    """The texture itself, or its luminance where the photo is black and white: lips and cheeks have no colour there.

    A light cannot do this: it scales colours and does not mix them.
    """
    if not black_and_white(photo):
        return texture
    grey = (texture[..., 0] * 0.299 + texture[..., 1] * 0.587 + texture[..., 2] * 0.114 + 0.5).astype(
        np.uint8
    )
    return np.repeat(grey[..., None], 3, axis=-1)


def mouth_textures(head: LinearHead, textures: Textures) -> dict[str, Array]:
    """What teeth and tongue of a head wear, by ``Proxy.texture``: the first texture of the part of that name."""
    names = {p.texture for p in head.proxies} & {"teeth", "tongue"}
    return {name: textures.image(textures.part(name)[0]) for name in sorted(names)}


def eye_textures(head: LinearHead, textures: Textures, rng: np.random.Generator) -> dict[str, Array]:
    """What the eyeballs of a head wear, by ``Proxy.texture``: an iris drawn at random, both eyes the same."""
    irises = textures.part("iris")
    chosen = textures.image(irises[int(rng.integers(len(irises)))])
    return {p.texture: chosen for p in head.proxies if p.name.startswith("eye")}


@dataclass(frozen=True)
class Render:
    """Draw each row's head with its texture and its photo's light.

    ``render`` shows skin alone; ``interior`` is the same picture with teeth, tongue and the dark of the mouth in the
    INNER_MOUTH pixels, from which the completion network starts. A head that renders its own eyes
    (``LinearHead.rendered``) shows them there as well.

    Args:
        head: The head model that the vertices belong to.
        textures: Where ``row.texture`` is looked up.
        size: R, side of the crop in pixels.
        device: "cpu", or a torch device on which PyTorch3D draws.
    """

    head: LinearHead
    textures: Textures
    size: int
    device: str = "cpu"

    name: ClassVar[str] = "render"
    version: ClassVar[int] = 3
    needs: ClassVar[tuple[Field, ...]] = (
        Field("photo", "uint8", ("R", "R", 3), "rgb"),
        Field("parsing", "uint8", ("R", "R"), "celebamask"),
        Field("vertices", "float32", ("V", 3), "cube"),
        Field("scale", "float32", (), "cube"),
        Field("rotation", "float32", (3, 3), "cube"),
        Field("translation", "float32", (2,), "cube"),
    )
    gives: ClassVar[tuple[Field, ...]] = (
        Field("render", "uint8", ("R", "R", 3), "rgb"),
        Field("interior", "uint8", ("R", "R", 3), "rgb"),
        Field("render_mask", "bool", ("R", "R"), "pixel"),
        Field("hole_mask", "bool", ("R", "R"), "pixel"),
        Field("region", "uint8", ("R", "R"), "region"),
        Field("light", "float32", (9, 3), "sh"),
    )

    def render(self, batch: Batch) -> Gives:
        """Light and draw every row; rows whose light cannot be estimated are rejected."""
        n, R = len(batch), self.size
        out: dict[str, Array] = {
            "render": np.zeros((n, R, R, 3), np.uint8),
            "interior": np.zeros((n, R, R, 3), np.uint8),
            "render_mask": np.zeros((n, R, R), bool),
            "hole_mask": np.zeros((n, R, R), bool),
            "region": np.zeros((n, R, R), np.uint8),
            "light": np.zeros((n, 9, 3), np.float32),
        }
        rejects: dict[int, Reject] = {}
        worn = mouth_textures(self.head, self.textures)
        for i, row in enumerate(batch.rows):
            vertices = batch["vertices"][i]
            texture = toned(self.textures.image(row.texture), batch["photo"][i])
            surface = head_surface(self.head, vertices, batch["rotation"][i])
            seen = rasterize(vertices, surface.faces, self.size, cull=True)
            lit = fit_light(batch["photo"][i], batch["parsing"][i], surface, seen, texture)
            if isinstance(lit, Reject):
                rejects[i] = lit
                continue
            shaded = render_surface(
                self.head, vertices, surface, seen, texture, lit.light, tone=lit.tone, device=self.device,
                skin=lit.skin, falloff=lit.falloff,
            )  # fmt: skip
            both = among(shaded.region, LIT_REGIONS) & among(batch["parsing"][i], LIT_CLASSES)
            drawn = shaded.render_mask & ~shaded.hole_mask
            render = match_detail(shaded.render, drawn, batch["photo"][i], both, batch.rng(i, self))
            out["render"][i], out["region"][i], out["light"][i] = render, shaded.region, lit.light
            out["render_mask"][i], out["hole_mask"][i] = shaded.render_mask, shaded.hole_mask
            pose = ScaledOrtho(float(batch["scale"][i]), batch["rotation"][i], batch["translation"][i])
            out["interior"][i] = draw_interior(
                self.head, vertices, surface, shaded.region, render, lit.light, worn, pose,
                grey=black_and_white(batch["photo"][i]),
            )  # fmt: skip
            if "eyes" in self.head.rendered:
                irises = eye_textures(self.head, self.textures, batch.rng(i, self))
                out["interior"][i] = draw_interior(
                    self.head, vertices, surface, shaded.region, out["interior"][i], lit.light, worn | irises, pose,
                    grey=black_and_white(batch["photo"][i]), opening=Region.EYES,
                )  # fmt: skip
        return Gives(out, rejects)

    __call__ = render
