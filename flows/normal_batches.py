"""Batches of f_norm from a published generation; a function of (seed, positions), whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch

from flows.pair_cache import PairCache
from flows.sdf_batches import dealt
from models.geometry.maps import NORMAL_LEVELS
from models.networks.normal_maps import NormalBatch
from models.networks.sdf_augment import Augmentation, developed, draw_motion
from models.networks.sdf_input import face_mask, sdf_input
from models.networks.train_loop import Recipe
from storage.reader import PairReader

MAPS = ("normal_front", "normal_back")


@dataclass(frozen=True)
class NormalBatches:
    """Batches of pictures and normal maps.

    Args:
        cache: decoded pictures of one split; the maps are read from its store.
        recipe: its seed.
        how: augmentation.
    """

    cache: PairCache
    recipe: Recipe
    how: Augmentation

    @cached_property
    def reader(self) -> PairReader:
        """Reader of the maps, in the cache's order."""
        return PairReader(
            self.cache.source.store, self.cache.source.split, MAPS, self.cache.source.generation
        )

    def __call__(self, positions: range) -> NormalBatch:
        """The batch of some positions of the run, counted over all epochs."""
        images, semantics, maps = zip(*(self.example(at) for at in positions), strict=True)
        semantic = np.stack(semantics)
        return NormalBatch(
            sdf_input(torch.from_numpy(np.stack(images)), torch.from_numpy(semantic)),
            torch.from_numpy(np.stack(maps)),
            torch.from_numpy(np.stack([face_mask(s) for s in semantics])),
        )

    def example(self, at: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Image, classes and maps (2, 3, R, R) of the ``at``-th augmented example of the run."""
        index = dealt(len(self.cache), self.recipe.seed, at)
        rng = np.random.default_rng(np.random.SeedSequence(self.recipe.seed, spawn_key=(2, at)))
        motion = draw_motion(rng, self.how)
        picture = motion.picture(self.cache.array("image")[index], self.cache.array("semantic")[index])
        image, semantic = developed(*picture, rng, self.how)
        pair = self.reader[index]
        maps = [motion.normals(decoded(pair[name], len(image))) for name in MAPS]
        # Occluders hide the picture, not the head: the maps stay whole, and the face is what can be seen of it.
        return image, semantic, np.stack(maps).transpose(0, 3, 1, 2).copy()


def decoded(encoded: np.ndarray, side: int) -> np.ndarray:
    """Normals of a stored map at another side, zeros where no head is; of unit length but for rounding."""
    normals = encoded.astype(np.float32) * np.float32(2 / NORMAL_LEVELS) - 1
    normals[(encoded == 0).all(-1)] = 0
    if len(normals) == side:
        return normals
    shrink = cv2.INTER_AREA if side < len(normals) else cv2.INTER_LINEAR
    return cv2.resize(normals, (side, side), interpolation=shrink)
