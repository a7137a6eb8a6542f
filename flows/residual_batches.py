"""Batches of the network that corrects fitted heads: those of f_base, with what is known of the fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flows.fit_cache import FitCache
from flows.pair_cache import FRONT, GRID
from flows.sdf_batches import FAR_SHARE, dealt
from models.geometry.camera import voxel_centres
from models.networks.fit_jitter import draw_jitter
from models.networks.residual import ResidualBatch
from models.networks.sdf_augment import Augmentation, developed, draw_motion
from models.networks.sdf_input import sdf_input
from models.networks.sdf_nets import LABEL_SCALE
from models.networks.train_loop import Recipe

Array = np.ndarray
Example = tuple[Array, Array, Array, Array, Array, Array]  # image, semantic, maps, points, fitted, value


@dataclass(frozen=True)
class ResidualBatches:
    """Batches of pairs whose landmarks were found; a function of (seed, positions).

    Args:
        fits: fitted heads, beside their pairs.
        recipe: its seed.
        points: of a pair and step.
        how: augmentation, which moves the fitted head with the picture.
        moved: whether the fitted head moves against the picture, as a detector could have placed it.
    """

    fits: FitCache
    recipe: Recipe
    points: int
    how: Augmentation
    moved: bool

    def __call__(self, positions: range) -> ResidualBatch:
        """The batch of some positions of the run, counted over all epochs."""
        parts = zip(*(self.example(at) for at in positions), strict=True)
        image, semantic, maps, points, fitted, value = (torch.from_numpy(np.stack(p)) for p in parts)
        seen = torch.cat([sdf_input(image, semantic), maps.permute(0, 3, 1, 2)], dim=1)
        return ResidualBatch(seen, points, fitted * LABEL_SCALE, value * LABEL_SCALE)

    def example(self, at: int) -> Example:
        """The ``at``-th augmented example of the run."""
        seed, found, take = self.recipe.seed, self.fits.found, self.fits.pairs.array
        index = int(found[dealt(len(found), seed, at)])
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, at)))
        stored, far = take("index"), take("far")
        # How a motion changes distances is known near the visible surface alone, so every other pair stays as it is.
        moved = self.moved and bool(rng.random() < 0.5)
        chosen = rng.integers(0, round(FRONT * stored.shape[1]) if moved else stored.shape[1], self.points)
        points = voxel_centres(GRID).astype(np.float32)[stored[index, chosen]]
        value = take("value")[index, chosen].astype(np.float32)
        fitted = self.fits.array("distance")[index, chosen].astype(np.float32)
        count = round(FAR_SHARE * self.points)
        chosen = rng.integers(0, far.shape[1], count)
        points[:count], value[:count] = far[index, chosen, :3], far[index, chosen, 3]
        fitted[:count] = self.fits.array("far")[index, chosen]
        seen = self.fits.array("maps")[index].astype(np.float32)
        if moved:
            jitter = draw_jitter(rng)
            fitted = jitter.distance(fitted, points, seen)
            seen = jitter.maps(seen)
        motion = draw_motion(rng, self.how)
        image, semantic = developed(
            *motion.picture(take("image")[index], take("semantic")[index]), rng, self.how
        )
        maps = motion.depth_and_normals(seen)
        zoom = np.float32(motion.zoom)
        return image, semantic, maps, motion.points(points), fitted * zoom, value * zoom
