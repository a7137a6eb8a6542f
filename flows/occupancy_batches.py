"""Batches of PIFu: the points of f_base, labelled with inside and outside alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flows.sdf_batches import SdfBatches
from models.networks.implicit import FieldBatch


@dataclass(frozen=True)
class OccupancyBatches:
    """Batches with 1 inside and 0 outside.

    Args:
        distances: the batches of f_base.
    """

    distances: SdfBatches

    def __call__(self, positions: range) -> FieldBatch:
        """The batch of some positions of the run."""
        batch = self.distances(positions)
        return replace(batch, target=(batch.target < 0).float())
