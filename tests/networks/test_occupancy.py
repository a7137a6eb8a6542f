"""PIFu: shapes, sizes, what it learns, and the surface of a field that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.geometry.camera import voxel_centres
from models.networks.classes import Parsing
from models.networks.hourglass import HourglassSize
from models.networks.implicit import FieldBatch, MlpSize, field_loss
from models.networks.occupancy import Occupancy, OccupancyField, occupancy_field
from models.networks.sdf_nets import SIZES, base_field
from models.networks.train_loop import Recipe, Trainer, one_process

SIDE, RADIUS = 64, 0.5
TINY = replace(
    SIZES["small"],
    image=32,
    base=HourglassSize(stem=8, middle=16, features=16, stacks=1, depth=1),
    base_head=MlpSize((32, 16), (1,)),
)


class Ball(OccupancyField):
    """A ball as a network would answer: sure but for ``soft`` cube units around the surface."""

    def __init__(self, soft: float) -> None:
        nn.Module.__init__(self)
        self.soft = soft

    def encode(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [image]

    def query(self, maps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid((RADIUS - points.norm(dim=-1)) / self.soft)


def picture() -> tuple[np.ndarray, np.ndarray]:
    axis = voxel_centres(SIDE)
    inside = np.hypot(*np.meshgrid(axis, axis)) < 0.35
    return np.full((SIDE, SIDE, 3), 128, np.uint8), np.where(inside, Parsing.SKIN, Parsing.HAIR).astype(
        np.uint8
    )


@pytest.mark.parametrize("soft", [1e-4, 0.005, 0.02])
def test_the_face_of_a_ball_comes_back_however_sure_the_network_is(soft: float) -> None:
    made = Occupancy(Ball(soft), SIDE).reconstruct(*picture())
    front = made.vertices[(made.vertices[:, 2] > 0.3) & (np.hypot(*made.vertices[:, :2].T) < 0.3)]
    assert len(front) > 1000
    # A step says nothing between voxels, so its surface is good to half of one.
    assert np.abs(np.linalg.norm(front, axis=1) - RADIUS).max() < (
        0.001 if soft > 1e-3 else 1.01 * np.sqrt(3) / 256
    )
    assert made.asked < 256**3 / 8


def test_no_face_is_told_in_a_sentence() -> None:
    image, semantic = picture()
    with pytest.raises(ValueError, match="no face"):
        Occupancy(Ball(0.01), SIDE).reconstruct(image, np.zeros_like(semantic))


def test_answers_are_shares_of_the_size_of_f_base() -> None:
    net = occupancy_field(TINY)
    answers = net(torch.randn(2, 12, 32, 32), torch.rand(2, 50, 3) * 2 - 1)
    assert answers[-1].shape == (2, 50)
    assert 0 < answers[-1].min() <= answers[-1].max() < 1
    count = [sum(p.numel() for p in made(TINY).parameters()) for made in (occupancy_field, base_field)]
    assert count[0] == count[1]


def test_one_sample_is_learnt() -> None:
    torch.manual_seed(0)
    points = torch.rand(1, 400, 3) * 2 - 1
    batch = FieldBatch(torch.rand(1, 12, 32, 32), points, (points.norm(dim=-1) < 0.8).float())
    trainer = Trainer(
        occupancy_field(TINY), field_loss, Recipe(steps=50, batch=1, warmup=5, rate=1e-2), one_process(False)
    )
    for _ in trainer.run(lambda positions: batch):
        pass
    assert trainer.loss < 0.1
