"""Batches of the network that corrects fitted heads: those of f_base, with what is known of the fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flows.fit_cache import FitCache
from flows.sdf_batches import SdfBatches, dealt
from models.networks.fit_jitter import draw_jitter
from models.networks.fitted_head import told
from models.networks.guided import GuidedBatch
from models.networks.sdf_augment import developed, draw_motion
from models.networks.sdf_input import sdf_input
from models.networks.sdf_nets import LABEL_SCALE

Array = np.ndarray
Example = tuple[Array, Array, Array, Array, Array, Array]  # image, semantic, told, points, value, depth


@dataclass(frozen=True)
class ResidualBatches:
    """Batches of pairs whose landmarks were found; a function of (seed, positions).

    Args:
        distances: the batches of f_base; their augmentation moves the fitted head with the picture.
        fits: fitted heads, beside their pairs.
        moved: whether the fitted head moves against the picture, as a detector could have placed it.
    """

    distances: SdfBatches
    fits: FitCache
    moved: bool

    def __call__(self, positions: range) -> GuidedBatch:
        """The batch of some positions of the run, counted over all epochs."""
        parts = zip(*(self.example(at) for at in positions), strict=True)
        image, semantic, maps, points, value, depth = (torch.from_numpy(np.stack(p)) for p in parts)
        seen = torch.cat([sdf_input(image, semantic), maps], dim=1)
        return GuidedBatch(seen, points, value * LABEL_SCALE, depth)

    def example(self, at: int) -> Example:
        """The ``at``-th augmented example of the run."""
        seed, found, how = self.distances.recipe.seed, self.fits.found, self.distances.how
        index = int(found[dealt(len(found), seed, at)])
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, at)))
        plain = self.distances.read(index, rng)
        maps = self.fits.array("maps")[index].astype(np.float32)
        if self.moved and rng.random() < 0.5:
            maps = draw_jitter(rng).maps(maps)
        motion = draw_motion(rng, how)
        image, semantic = developed(*motion.picture(plain.image, plain.semantic), rng, how)
        maps = told(motion.depth_and_normals(maps))
        value = plain.value * np.float32(motion.zoom)
        return image, semantic, maps, motion.points(plain.points), value, motion.depth(plain.depth)
