"""f_base and f_fine of the hierarchical signed distance function (paper, figure 4), and their two sizes.

Both give distances in units of ``1 / LABEL_SCALE`` cube units, so that targets are of order one: RMSprop does not
care, but bfloat16 gradients and weight decay do (facts §3.4).
"""

from __future__ import annotations

from dataclasses import dataclass

from models.networks.hourglass import PAPER, SMALL, HourglassSize, StackedHourglass
from models.networks.implicit import PAPER_MLP, SMALL_FINE_MLP, SMALL_MLP, ImplicitField, MlpSize
from models.networks.shallow_encoder import PAPER_SHALLOW, SMALL_SHALLOW, ShallowEncoder, ShallowSize

LABEL_SCALE = 25.0  # the band of the labels, |d| <= 0.04, becomes [-1, 1]
RESIDUAL_SCALE = 1000.0  # of f_fine's target, distances minus their 5³ mean


@dataclass(frozen=True)
class SdfSize:
    """Numbers of both networks, the side of the image that each reads, and the points of a pair and step."""

    image: int
    fine_image: int
    base: HourglassSize
    base_head: MlpSize
    fine: ShallowSize
    fine_head: MlpSize
    points: int = 5000


SIZES = {
    "paper": SdfSize(512, 512, PAPER, PAPER_MLP, PAPER_SHALLOW, PAPER_MLP),
    "small": SdfSize(64, 256, SMALL, SMALL_MLP, SMALL_SHALLOW, SMALL_FINE_MLP, 512),
}


def base_field(size: SdfSize) -> ImplicitField:
    """f_base: the whole shape, smooth."""
    return ImplicitField(StackedHourglass(size.base), size.base.features, size.base_head)


def fine_field(size: SdfSize) -> ImplicitField:
    """f_fine: what equation 2 takes off the distance, its difference to the mean of 5 x 5 x 5 voxels."""
    return ImplicitField(ShallowEncoder(size.fine), size.fine.widths[-1], size.fine_head)
