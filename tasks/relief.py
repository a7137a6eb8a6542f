"""Stage ``relief``: the drawn head refined in the face, with the wrinkles that its texture shows.

Everything later takes its ``vertices``: the render's normals, the normal and depth maps and the signed distances come
from one surface, so image and labels show the same wrinkle in the same pixel. The texture's groove and its shading
must not both darken the image: :class:`ReliefPool` gives textures whose grooves are lightened by what shading makes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np

from models.heads.relief import ReliefHead, TextureRelief
from tasks.cache import ArrayCache, Entry, fingerprint
from tasks.contract import Batch, Field, Gives

Array = np.ndarray[Any, np.dtype[Any]]

VERSION = 1  # of what is read from a texture: bump it with ``Relief.version`` when creases or relief change
LIGHTEN = 0.5  # share of a groove's log darkness that its shading makes again, and that leaves the albedo
GAMMA = 2.2  # sRGB levels go as this root of linear light
AMPLITUDE_STD, AMPLITUDE_MIN, AMPLITUDE_MAX = 0.25, 0.5, 1.6  # of the log-normal factor on a row's depths


class Skins(Protocol):
    """What is asked of a texture pool (``assets.textures.TexturePool``)."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the face textures."""

    def image(self, name: str) -> Array:
        """The sRGB atlas, uint8 (n, m, 3), row 0 is v = 1."""

    def part(self, part: str) -> tuple[str, ...]:
        """Names of the textures of one part."""

    def displacement(self, name: str) -> Array | None:
        """Measured relief of a face texture, mm outwards, float32 (k, k); None where only the picture tells."""


@dataclass(frozen=True, eq=False)
class ReliefPool:
    """A texture pool whose face textures have a relief, read once per texture and kept in a cache folder.

    Args:
        head: refined head whose fine vertices the reliefs are for.
        textures: the pool.
        folder: of the cache; may be shared by processes.
    """

    head: ReliefHead
    textures: Skins
    folder: Path
    _reliefs: dict[str, TextureRelief] = field(default_factory=dict, repr=False)
    _albedos: dict[str, Array] = field(default_factory=dict, repr=False)

    def relief(self, name: str) -> TextureRelief:
        """Relief of a face texture."""
        if name not in self._reliefs:
            entry = self._entry(name)
            depth, turn = entry.arrays["depth"], entry.arrays["turn"]
            self._reliefs[name] = TextureRelief(depth, turn, float(entry.meta["age"]))
        return self._reliefs[name]

    def image(self, name: str) -> Array:
        """The sRGB atlas of a texture; of a face texture, with its grooves lightened (:func:`lightened`)."""
        if name not in self.textures.names:
            return self.textures.image(name)
        if name not in self._albedos:
            albedo = lightened(self.textures.image(name), self._entry(name).arrays["darkness"])
            albedo.setflags(write=False)
            self._albedos[name] = albedo
        return self._albedos[name]

    def part(self, part: str) -> tuple[str, ...]:
        """Names of the textures of one part."""
        return self.textures.part(part)

    def packed(self, names: Iterable[str], assets: Mapping[str, str]) -> bytes:
        """:func:`pack_reliefs` of some textures, from the cache where it is there: packing reads all of them.

        Args:
            names: the textures.
            assets: hashes of all files that the textures and their displacements come from, by name.
        """
        names = tuple(names)
        cache, key = ArrayCache(self.folder), f"{fingerprint(self._head_mark, names, assets)}-reliefs"
        entry = cache.get(key)
        if entry is None:
            packed = np.frombuffer(pack_reliefs(self, names), np.uint8)
            entry = Entry({"packed": packed}, {})
            cache.put(key, entry)
        return entry.arrays["packed"].tobytes()

    @cached_property
    def _head_mark(self) -> str:
        at = self.head.refined
        return fingerprint(VERSION, at.head.faces, at.triangle, at.uv, self.head.weight)

    def _entry(self, name: str) -> Entry:
        """What the cache has of a texture, read or made. Not kept: its darkness is larger than all that is used."""
        image = np.ascontiguousarray(self.textures.image(name))
        measured = self.textures.displacement(name)
        marks = (image, self._head_mark) if measured is None else (image, self._head_mark, measured)
        cache, key = ArrayCache(self.folder), f"{fingerprint(*marks)}-relief"
        entry = cache.get(key)
        if entry is None:
            relief, darkness = self.head.read_texture(image, measured)
            arrays = {"depth": relief.depth, "turn": relief.turn, "darkness": darkness.astype(np.float16)}
            entry = Entry(arrays, {"age": relief.age})
            cache.put(key, entry)
        return entry


def lightened(texture: Array, darkness: Array) -> Array:
    """A texture (m, m, 3) without a share of the darkness of its grooves, log units (n, n); uint8.

    The groove's shading under the photo's light makes some of that darkness again. Hue is kept: the three channels
    are scaled alike.
    """
    fine = cv2.resize(darkness.astype(np.float32), texture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    gain = np.exp(LIGHTEN / GAMMA * fine)[..., None]
    return np.asarray(np.clip(texture * gain + 0.5, 0, 255).astype(np.uint8))


@dataclass(frozen=True)
class Relief:
    """Refine each row's posed head and displace it by its texture's relief.

    Args:
        head: the refined head.
        textures: where ``row.texture`` has its relief.
    """

    head: ReliefHead
    textures: ReliefPool

    name: ClassVar[str] = "relief"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = (
        Field("posed", "float32", ("B", 3), "cube"),
        Field("expression", "float32", ("E",), "head"),
        Field("scale", "float32", (), "cube"),
    )
    gives: ClassVar[tuple[Field, ...]] = (
        Field("vertices", "float32", ("V", 3), "cube"),
        Field("relief", "float32", (), "factor"),
    )

    def relief(self, batch: Batch) -> Gives:
        """Fine vertices and the factor on their depths, drawn around 1 from the row's own random stream."""
        vertices, amplitudes = [], []
        for i, row in enumerate(batch.rows):
            amplitude = np.exp(AMPLITUDE_STD * batch.rng(i, self).standard_normal())
            amplitude = np.float32(np.clip(amplitude, AMPLITUDE_MIN, AMPLITUDE_MAX))
            vertices.append(
                self.head.displaced(
                    batch["posed"][i], batch["expression"][i], float(batch["scale"][i]),
                    self.textures.relief(row.texture), float(amplitude),
                )
            )  # fmt: skip
            amplitudes.append(amplitude)
        return Gives({"vertices": np.stack(vertices), "relief": np.array(amplitudes, np.float32)})

    __call__ = relief


def pack_reliefs(pool: ReliefPool, names: Iterable[str]) -> bytes:
    """The reliefs of some textures and the head's folds as one npz file, for a store's snapshot."""
    arrays: dict[str, Array] = {"folds": pool.head.folds, "spacing": np.array(pool.head.spacing)}
    for name in names:
        relief = pool.relief(name)
        arrays |= {
            f"{name}/depth": relief.depth,
            f"{name}/turn": relief.turn,
            f"{name}/age": np.array(relief.age),
        }
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    return packed.getvalue()


def unpack_relief(arrays: Mapping[str, Array], name: str) -> TextureRelief:
    """Inverse of :func:`pack_reliefs` for one texture.

    Raises:
        KeyError: the texture is not in the file.
    """
    return TextureRelief(arrays[f"{name}/depth"], arrays[f"{name}/turn"], float(arrays[f"{name}/age"]))
