"""The painted MakeHuman skins in the head's atlas: resampled, given brows and a little mottling, without
gaps.

The source skins are 512 x 512 for a whole body and have no eyebrows, those are separate cards in the
package: the card is laid on the nearest skin and drawn into the atlas.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from scipy.ndimage import map_coordinates

from assets.atlas import Atlas, closest_uv, fill, sample
from assets.heads.makehuman import Inputs
from models.geometry.rasterize import rasterize
from models.heads.regions import Region

SKIN_FILES = "public/data/skins/*/textures/*skinned*.png"  # leaves out suits and toons
BROWS_FEMALE = ("eyebrow001", "eyebrow003", "eyebrow004")
BROWS_MALE = ("eyebrow002", "eyebrow009", "eyebrow012")
BROW_COLOURS = {
    "african": (26, 18, 15),
    "asian": (34, 26, 22),
    "caucasian": (82, 58, 40),
    "old": (128, 120, 112),
}
BROW_STRENGTH = 0.55  # more reads as paint
GREYED = 0.5  # share of grey in old brows
BROW_SIDE = 1024  # texels of the window that a brow card is drawn in
MOTTLING = 0.02  # relative standard deviation of the skin's brightness
MOTTLING_SCALES = ((1.0, 0.7), (2.5, 1.0), (7.0, 1.0))  # mm, and relative amplitude
REDNESS = np.array([0.3, -0.6, -0.6], np.float32)  # what the second pattern does to R, G and B
NOISE_SIDE = 48  # cells of the periodic noise volume


@dataclass(frozen=True, eq=False)
class Skin:
    """A face texture ready to be stored, with what the ledger says about it."""

    name: str
    image: UInt8[np.ndarray, "S S 3"]
    browless: UInt8[np.ndarray, "S S 3"]  # what goes under a photograph, which has brows of its own
    valid: Bool[np.ndarray, "S S"]
    source: str
    subject: str


def painted_skins(inputs: Inputs, atlas: Atlas) -> Iterator[Skin]:
    """Every usable skin of the package in the atlas, in the order of their names."""
    root = inputs.makehuman
    root = root / "package" if (root / "package").is_dir() else root
    source_uv = atlas.spread(atlas.head.source_uvs, atlas.head.face_source_uvs)
    brows = _Brows(inputs, source_uv)
    seen: set[str] = set()
    for number, file in enumerate(sorted(root.glob(SKIN_FILES))):
        member = file.relative_to(root).as_posix()
        picture = np.array(Image.open(file).convert("RGB"))
        inputs.read(root, member)
        folder = file.parent.parent.name
        name = f"mh_{folder}" if f"mh_{folder}" not in seen else f"mh_{folder}_b"
        seen.add(name)
        colour = fill_gaps(sample(picture, source_uv), atlas)
        colour = _mottled(colour, atlas, name)
        browless = np.rint(np.clip(colour, 0, 255)).astype(np.uint8)
        colour = _with_brows(colour, brows, folder, number)
        image = np.rint(np.clip(colour, 0, 255)).astype(np.uint8)
        valid = atlas.face & ~np.isin(atlas.region, (Region.EYES, Region.INNER_MOUTH))
        yield Skin(name, image, browless, valid, member, folder.replace("_", " "))


def fill_gaps(colour: Float[np.ndarray, "S S 3"], atlas: Atlas) -> Float[np.ndarray, "S S 3"]:
    """Skin tone over the eye patches, and colours continued past the borders of the charts."""
    eyes = cv2.dilate((atlas.region == Region.EYES).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    near_eyes = fill(colour, atlas.covered & ~eyes & (atlas.region != Region.INNER_MOUTH))
    colour = np.where(eyes[..., None], near_eyes, colour)
    return fill(colour, atlas.covered)


def _mottled(colour: Float[np.ndarray, "S S 3"], atlas: Atlas, name: str) -> Float[np.ndarray, "S S 3"]:
    """Small irregularities that the soft source cannot hold, redder than bright: a seed of the name draws
    them.

    The noise lives in space, not in the atlas, so that it is as fine on the jaw as on the nose.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    skin = np.isin(atlas.region, (Region.SKIN, Region.NOSE, Region.EARS, Region.NECK, Region.BROWS))
    where = atlas.on_surface(atlas.head.mean)[skin].astype(np.float64)
    pattern = np.zeros((2, len(where)))
    for scale, strength in MOTTLING_SCALES:
        for layer in pattern:
            noise = rng.standard_normal((NOISE_SIDE,) * 3)
            layer += strength * map_coordinates(noise, (where / scale).T, order=1, mode="grid-wrap")
    pattern *= MOTTLING / pattern.std()
    factor = np.zeros((atlas.size, atlas.size, 3), np.float32)
    factor[skin] = pattern[0][:, None] + pattern[1][:, None] * REDNESS
    soft = cv2.GaussianBlur(skin.astype(np.float32), (0, 0), 6 * atlas.size / 1024)[..., None]
    return colour * (1 + soft * factor)


def _with_brows(
    colour: Float[np.ndarray, "S S 3"], brows: _Brows, folder: str, number: int
) -> Float[np.ndarray, "S S 3"]:
    age, people, sex = folder.split("_")
    names = BROWS_FEMALE if sex == "female" else BROWS_MALE
    alpha = BROW_STRENGTH * brows.alpha(names[number % len(names)])[..., None]
    tint = np.array(BROW_COLOURS[people], np.float32)
    if age == "old":
        tint = (1 - GREYED) * tint + GREYED * np.array(BROW_COLOURS["old"], np.float32)
    return colour * (1 - alpha) + tint * alpha


@dataclass(frozen=True, eq=False)
class _Brows:
    """Draws the package's brow cards into the atlas."""

    inputs: Inputs
    source_uv: Float[np.ndarray, "S S 2"]

    def alpha(self, name: str) -> Float[np.ndarray, "S S"]:
        """Opacity of a brow in the atlas."""
        base = self.inputs.base()
        card = self.inputs.proxy(f"eyebrows/{name}")
        points = (base.vertices[card.refs] * card.weights[..., None]).sum(1) + card.offsets
        quads, quad_uvs = base.quads["body"], base.quad_uvs["body"]
        split = np.array([[0, 1, 2], [0, 2, 3]])
        body, body_uvs = (q[:, split].reshape(-1, 3) for q in (quads, quad_uvs))
        on_skin = closest_uv(points, base.vertices, body, base.uvs, body_uvs)
        low, high = on_skin.min(0) - 0.002, on_skin.max(0) + 0.002
        window = np.zeros((len(points), 3), np.float32)
        window[:, :2] = 2 * (on_skin - low) / (high - low) - 1
        seen = rasterize(window, card.faces, BROW_SIDE)
        at = seen.pix_to_face >= 0
        card_uv = np.zeros((BROW_SIDE, BROW_SIDE, 2), np.float32)
        card_uv[at] = (card.uvs[card.face_uvs[seen.pix_to_face[at]]] * seen.bary[at][..., None]).sum(1)
        opacity = np.clip(sample(self._texture(name)[..., 3], card_uv)[..., 0] / 255, 0, 1) * at
        in_window = (self.source_uv - low) / (high - low)
        inside = ((in_window > 0) & (in_window < 1)).all(-1)
        # Each atlas texel is a few window texels wide: soften first, or single hairs would flicker.
        soft = cv2.GaussianBlur(opacity.astype(np.float32), (0, 0), 2.0)
        return np.clip(sample(soft, in_window)[..., 0], 0, 1) * inside

    def _texture(self, name: str) -> UInt8[np.ndarray, "h w 4"]:
        folder = f"public/data/proxies/eyebrows/{name}/textures"
        root = self.inputs.makehuman
        member = f"{folder}/{name}.png"
        self.inputs.read(root, member, f"package/{member}")
        file = next(p for p in (root / member, root / "package" / member) if p.is_file())
        return np.array(Image.open(file).convert("RGBA"))


def part_textures(makehuman: Path) -> Iterator[tuple[str, str, UInt8[np.ndarray, "h w 3"], str]]:
    """(name, part, image, member) of the irises, the teeth and the tongue, on white or their own ground."""
    root = makehuman / "package" if (makehuman / "package").is_dir() else makehuman
    files = [(f"iris_{p.stem.removesuffix('_eye')}", "iris", p) for p in sorted(
        root.glob("public/data/proxies/eyes/HighPolyEyes/textures/*_eye.png"))]  # fmt: skip
    files.append(("teeth", "teeth", root / "public/data/proxies/teeth/Teeth_Base/textures/teeth.png"))
    files.append(
        ("tongue", "tongue", root / "public/data/proxies/tongue/tongue01/textures/tongue01_diffuse.png")
    )
    for name, part, file in files:
        rgba = np.array(Image.open(file).convert("RGBA")).astype(np.float32)
        # Transparent parts take their neighbours' colour: the proxies are drawn opaque.
        image = fill(rgba[..., :3], rgba[..., 3] / 255)
        yield name, part, np.rint(np.clip(image, 0, 255)).astype(np.uint8), file.relative_to(root).as_posix()
