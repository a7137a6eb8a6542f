"""Batches of the field that draws a depth map first: those of f_base, with the depth of the visible surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flows.sdf_batches import SdfBatches, collate
from models.networks.guided import GuidedBatch


@dataclass(frozen=True)
class GuidedBatches:
    """Batches with true depth maps.

    Args:
        distances: the batches of f_base.
    """

    distances: SdfBatches

    def __call__(self, positions: range) -> GuidedBatch:
        """The batch of some positions of the run."""
        examples = [self.distances.example(at) for at in positions]
        plain = collate(examples, "base")
        depth = torch.from_numpy(np.stack([e.depth for e in examples]))
        return GuidedBatch(plain.image, plain.points, plain.target, depth)
