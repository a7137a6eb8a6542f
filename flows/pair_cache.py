"""Decoded training pairs in memory maps, so that no step waits for PNGs or for points that no loss needs.

Of a pair's stored labels the networks are asked only about columns of the parsed face and its skirt, and the measures
look at the front layer alone; so three quarters of the kept points lie near the visible surface, the rest behind it.
Made once a (generation, split, side); a function of the store's bytes alone.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from flows.parsed_masks import ParsedMasks
from models.geometry.camera import voxel_centres
from models.geometry.surface import SKIRT
from models.networks.sdf_input import face_mask
from storage.errors import StoreError
from storage.reader import PairReader
from storage.schema import NO_DEPTH

GRID = 256  # of the stored voxel indices
KEPT = 8192  # points of a pair
FRONT = 0.75  # share of them near the visible surface
LAYER = 0.05  # what counts as near along the ray, cube units
RIM = 0.04  # distance at which labels end, cube units
FAR = 1024  # points outside the band of a pair
CLEAR = 0.06  # distance along the ray from which a point counts as far
DEEP = 0.25  # how far behind the face's surface a head is surely solid
AGREE = 0.4  # intersection over union of two faces that are the same
WHOLE = 0.99  # share of a pixel from which it counts as covered
LAYOUT = 2  # of the arrays; another number is another folder
FIELDS = ("image", "semantic", "depth", "sdf_index", "sdf_value", "sdf_residual")


@dataclass(frozen=True)
class Source:
    """Where pairs come from: one split of one published generation."""

    store: Path  # folder of the store
    generation: str  # file name of the manifest; a run that goes on learns from the pairs it began with
    split: str  # of the photographs
    parsed: bool = (
        False  # masks are what the parser sees in the pictures, as in use; else those of the labels
    )

    @property
    def decoded(self) -> Path:
        """Folder for decoded pairs: beside the store, which itself holds nothing but what was committed."""
        return self.store.parent / f"{self.store.name}.decoded"


@dataclass(frozen=True)
class PairCache:
    """Memory maps of one split of a store at one side; their folder may be deleted at any time.

    Args:
        source: the pairs.
        side: of the pictures.
    """

    source: Source
    side: int

    @cached_property
    def reader(self) -> PairReader:
        """The pairs that are cached, in their order."""
        return PairReader(self.source.store, self.source.split, FIELDS, self.source.generation)

    @cached_property
    def root(self) -> Path:
        """Folder of the arrays, made when it is not there."""
        generation = self.reader.generation
        seen = "-parsed" * self.source.parsed
        root = self.source.decoded / generation.hash[:16] / f"{self.source.split}-{self.side}{seen}-{LAYOUT}"
        if not root.is_dir():
            self._fill(root)
        return root

    def __len__(self) -> int:
        return len(self.reader)

    def array(self, name: str) -> np.ndarray:
        """One of ``image semantic depth index value residual far``, first axis the pair."""
        return self._arrays[name]

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            path.stem: np.load(path, mmap_mode="r", allow_pickle=False)
            for path in sorted(self.root.glob("*.npy"))
        }

    def _fill(self, root: Path) -> None:
        """Write the arrays under a temporary name, then rename."""
        n, side = len(self), self.side
        if not n:
            msg = (
                f"{self.source.store} has no pair of the split '{self.source.split}'; make a store from more "
                "photographs."
            )
            raise StoreError(msg)
        shapes = {
            "image": ((n, side, side, 3), np.uint8), "semantic": ((n, side, side), np.uint8),
            "depth": ((n, side, side), np.float16),
            "index": ((n, KEPT, 3), np.uint8), "value": ((n, KEPT), np.float16),
            "residual": ((n, KEPT), np.float16), "far": ((n, FAR, 4), np.float16),
        }  # fmt: skip
        partial = root.parent / f".{root.name}.{uuid.uuid4().hex}.tmp"
        partial.mkdir(parents=True)
        try:
            arrays = {
                name: np.lib.format.open_memmap(partial / f"{name}.npy", "w+", dtype, shape)
                for name, (shape, dtype) in shapes.items()
            }
            for i, found in enumerate(self._decoded()):
                for name, value in found.items():
                    arrays[name][i] = value
            for array in arrays.values():
                array.flush()
            partial.rename(root)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _decoded(self) -> Iterator[dict[str, np.ndarray]]:
        for i in range(len(self)):
            pair = self.reader[i]
            rng = np.random.default_rng(int(pair["key"]))
            face = face_mask(pair["semantic"])
            chosen = choose(pair["sdf_index"], pair["depth"], face, rng)
            image, semantic = resized(pair["image"], self._seen(i, pair["semantic"]), self.side)
            yield {
                "image": image,
                "semantic": semantic,
                "depth": resized_depth(np.where(skirted(face), pair["depth"], NO_DEPTH), self.side),
                "index": pair["sdf_index"][chosen],
                "value": pair["sdf_value"][chosen],
                "residual": pair["sdf_residual"][chosen],
                "far": far_points(pair["depth"], face, FAR, rng),
            }

    @cached_property
    def _parsed(self) -> ParsedMasks:
        of, generation = self.source, self.reader.generation
        folder = of.decoded / generation.hash[:16] / f"{of.split}-parsed"
        return ParsedMasks(folder, of.store, generation.name, of.split)

    def _seen(self, index: int, composed: UInt8[np.ndarray, "R R"]) -> UInt8[np.ndarray, "R R"]:
        """The classes that a network learns from; those of the labels too where the parser lost the face."""
        if not self.source.parsed:
            return composed
        parsed = self._parsed.classes[index]
        ours, theirs = face_mask(composed), face_mask(np.array(parsed))
        together = (ours | theirs).sum()
        return parsed if (ours & theirs).sum() > AGREE * together else composed


def resized(
    image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"], side: int
) -> tuple[UInt8[np.ndarray, "r r 3"], UInt8[np.ndarray, "r r"]]:
    """Another side of a picture and its classes."""
    if len(image) == side:
        return image, semantic
    shrink = cv2.INTER_AREA if side < len(image) else cv2.INTER_LINEAR
    return (
        cv2.resize(image, (side, side), interpolation=shrink),
        cv2.resize(semantic, (side, side), interpolation=cv2.INTER_NEAREST),
    )


def resized_depth(depth: Float[np.ndarray, "R R"], side: int) -> Float[np.ndarray, "r r"]:
    """Another side of a depth map; NaN where a pixel's area is not covered whole."""
    known = (depth != NO_DEPTH).astype(np.float32)
    shrink = cv2.INTER_AREA if side < len(depth) else cv2.INTER_LINEAR
    z, share = (cv2.resize(m, (side, side), interpolation=shrink) for m in (known * depth, known))
    return np.where(share > WHOLE, z / np.maximum(share, WHOLE), np.nan).astype(np.float32)


def skirted(face: Bool[np.ndarray, "R R"]) -> Bool[np.ndarray, "R R"]:
    """A face and the pixels around it whose columns the networks are asked about."""
    skirt = round(SKIRT * len(face) / GRID)
    return cv2.dilate(face.astype(np.uint8), np.ones((2 * skirt + 1,) * 2, np.uint8)).astype(bool)


def choose(
    index: UInt8[np.ndarray, "N 3"],
    depth: Float[np.ndarray, "R R"],
    face: np.ndarray,
    rng: np.random.Generator,
    count: int = KEPT,
) -> Int[np.ndarray, " count"]:
    """Labels that a network learns from: in columns of the face and its skirt, most of them near what is seen.

    A class with too few labels repeats some; a pair without a face takes any.
    """
    scale = len(depth) / GRID
    x, y = index[:, 0].astype(np.float32), index[:, 1].astype(np.float32)
    column = np.minimum((x + 0.5) * scale, len(depth) - 1).astype(int)
    row = np.minimum((GRID - 0.5 - y) * scale, len(depth) - 1).astype(int)
    inside = skirted(face)[row, column]
    seen = depth[row, column]
    z = voxel_centres(GRID)[index[:, 2]]
    front = inside & (((seen != NO_DEPTH) & (np.abs(z - seen) < LAYER)) | ((seen == NO_DEPTH) & (z > -LAYER)))
    picked = [np.nonzero(front)[0], np.nonzero(inside & ~front)[0]]
    everything = np.arange(len(index))
    first = round(FRONT * count)
    return np.concatenate(
        [
            rng.choice(some if len(some) else everything, wanted, replace=len(some) < wanted)
            for some, wanted in zip(picked, (first, count - first), strict=True)
        ]
    )


def far_points(
    depth: Float[np.ndarray, "R R"], face: np.ndarray, count: int, rng: np.random.Generator
) -> Float[np.ndarray, "n 4"]:
    """Points in front of the face (distance RIM) and inside the head behind it (-RIM): x, y, z, distance.

    A network that never saw them makes shells far from the face (facts §3.4). Behind the face is solid only away from
    its border, where a ray may leave a cheek again. Without a face all lie in front of everything.
    """
    inner = cv2.erode(face.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool) & (depth != NO_DEPTH)
    axis = voxel_centres(len(depth))
    rows, columns = np.nonzero(inner)
    if not len(rows):
        x, y = rng.uniform(-1, 1, (2, count))
        return np.stack([x, y, np.full(count, 0.99), np.full(count, RIM)], 1).astype(np.float32)
    pick = rng.integers(0, len(rows), count)
    rows, columns = rows[pick], columns[pick]
    surface = depth[rows, columns]
    in_front = rng.random(count) < 0.5
    share = rng.random(count)
    z = np.where(
        in_front, surface + CLEAR + share * (1 - surface - CLEAR), surface - CLEAR - share * (DEEP - CLEAR)
    )
    found = np.stack([axis[columns], -axis[rows], z, np.where(in_front, RIM, -RIM)], 1)
    return found.astype(np.float32)
