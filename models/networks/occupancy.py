"""PIFu: the row of table 4 that learns inside or outside instead of distances (Saito et al. 2019; facts §3.1).

Encoder, head, input and points are those of f_base, so that the two rows differ in what they learn alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from models.geometry.surface import OUTSIDE, clean, level_set
from models.networks.hierarchical import GRID, Reconstruction, face_columns
from models.networks.hourglass import StackedHourglass
from models.networks.implicit import ImplicitField
from models.networks.narrow_band import evaluate_band
from models.networks.sdf_input import seen_by
from models.networks.sdf_nets import SdfSize


class OccupancyField(ImplicitField):
    """The share of a cube point that is inside."""

    def query(self, maps: Float[Tensor, "b c h w"], points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n"]:
        """Occupancy in (0, 1), 1 inside."""
        return torch.sigmoid(super().query(maps, points))


def occupancy_field(size: SdfSize) -> OccupancyField:
    """The network, of the same numbers as f_base."""
    return OccupancyField(StackedHourglass(size.base), size.base.features, size.base_head)


@dataclass(frozen=True, eq=False)
class Occupancy:
    """PIFu at work: the surface on which inside and outside are as likely."""

    net: OccupancyField
    image: int  # side of the images that the network reads

    def reconstruct(
        self, image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"], grid: int = GRID
    ) -> Reconstruction:
        """The face of one image.

        Args:
            image: square crop, sRGB.
            semantic: its CelebAMask classes.
            grid: voxels along a side.

        Raises:
            ValueError: the mask shows no face, or the field has no surface in it.
        """
        face, columns = face_columns(semantic, grid)
        with torch.inference_mode():
            maps = self.net.encode(seen_by(image, semantic, self.image))[-1]

            def field(points: Float[np.ndarray, "m 3"]) -> Float[np.ndarray, " m"]:
                inside = self.net.query(maps, torch.from_numpy(points)[None])[0].float().numpy()
                return (0.5 - inside) * np.float32(2 * OUTSIDE)

            band = evaluate_band(field, columns)
        vertices, faces = level_set(clean(band.field, face))
        return Reconstruction(vertices, faces, band.asked)
