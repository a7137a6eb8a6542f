"""The textures that ship: skins and baked faces in the head's atlas, and what eyes, teeth and tongue wear.

A texture file is a WebP with an alpha channel that says where the texture is trustworthy face: for a baked
photograph, what the photograph showed; for a painted skin, the whole face.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from assets.appearance import NAMES
from assets.registry import AssetError, Ledger

ATLAS_SIZE = 1024
BUNDLED = "anny"  # the head that ships
VALID_FROM = 128  # alpha from which a texel counts as trustworthy
CACHED = 16  # decoded textures kept by a process, 4 MB each: eyes and mouths; whoever draws skins keeps what it draws


class TexturePool:
    """Textures of a ledger by name; nothing is decoded before it is asked for."""

    def __init__(self, book: Ledger) -> None:
        self._book = book
        self._parts: dict[str, tuple[str, ...]] = {}
        for entry in book.entries("texture"):
            part = entry.tags.get("part", "skin")
            self._parts[part] = (*self._parts.get(part, ()), entry.name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the face textures, sorted; a plan draws from these."""
        return self._parts.get("skin", ())

    def part(self, part: str) -> tuple[str, ...]:
        """Names of the textures of one part: "skin", "iris", "teeth" or "tongue"."""
        if part not in self._parts:
            known = ", ".join(sorted(self._parts)) or "none"
            msg = f"there is no texture part '{part}': this installation has {known}."
            raise AssetError(msg)
        return self._parts[part]

    def looks(self, name: str) -> dict[str, float]:
        """What the ledger's tags say of tone, age, beard and femininity (``assets.appearance``), as far as they do."""
        tags = self._book.entry(name).tags
        return {key: float(tags[key]) for key in NAMES if key in tags}

    def head(self, name: str) -> str:
        """Name of the head in whose atlas a face texture is: the bundled one where the ledger does not say."""
        return self._book.entry(name).tags.get("head", BUNDLED)

    def image(self, name: str) -> UInt8[np.ndarray, "h w 3"]:
        """RGB; row 0 is v = 1. Skins are 1024 x 1024, the other parts as large as they come. Read-only."""
        return self._decoded(name)[0]

    def displacement(self, name: str) -> Float[np.ndarray, "n n"] | None:
        """Measured relief of a face texture in its atlas, mm outwards from smooth skin; None where nobody measured."""
        measured = self._book.entry(name).tags.get("displacement")
        if measured is None:
            return None
        with np.load(self._book.path(measured), allow_pickle=False) as file:
            return file["mm"].astype(np.float32)

    def valid(self, name: str) -> Bool[np.ndarray, "h w"]:
        """Where the texture is trustworthy face."""
        return self._decoded(name)[1] >= VALID_FROM

    def _decoded(self, name: str) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
        entry = self._book.entry(name)
        if entry.kind != "texture":
            msg = f"asset '{name}' is a {entry.kind}, not a texture: see `facepairs assets list texture`."
            raise AssetError(msg)
        return _decode(self._book.path(name))


def save_texture(file: Path, image: UInt8[np.ndarray, "h w 3"], valid: Bool[np.ndarray, "h w"]) -> None:
    """Write a texture file; ``exact`` keeps the colours under alpha 0, which are drawn as well."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rgba = np.concatenate([image, np.where(valid, 255, 0).astype(np.uint8)[..., None]], axis=-1)
    Image.fromarray(rgba).save(file, "WEBP", quality=95, method=6, exact=True, alpha_quality=100)


@lru_cache(maxsize=CACHED)
def _decode(file: Path) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
    """Colour and alpha, each in one piece: kernels are compiled for such arrays only."""
    with Image.open(file) as picture:
        rgba = np.array(picture.convert("RGBA"))
    colour, alpha = np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
    for part in (colour, alpha):
        part.setflags(write=False)
    return colour, alpha
