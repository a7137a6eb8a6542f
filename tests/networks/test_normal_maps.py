"""f_norm: shapes, sizes, what it learns, and that generators and adversaries pull on their own side alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.geometry.camera import voxel_centres
from models.networks.classes import Parsing
from models.networks.normal_maps import (
    NORMAL_SIZES,
    NormalBatch,
    NormalLesson,
    NormalNet,
    NormalSize,
    NormalWeights,
    direct_loss,
    mean_angle,
    normal_loss,
)
from models.networks.pix2pix import DiscriminatorSize, GeneratorSize
from models.networks.train_loop import Recipe, Trainer, one_process

SIDE = 32
GENERATOR = GeneratorSize(width=6, halvings=2, blocks=1, local_blocks=1)
TINY = NormalSize(
    SIDE, GENERATOR, GENERATOR, DiscriminatorSize(width=4), NormalWeights(features=0, adversary=0)
)
JUDGED = replace(TINY, weights=NormalWeights())


def sphere() -> NormalBatch:
    """A ball in front of nothing; the picture shows its normals."""
    axis = voxel_centres(SIDE)
    x, y = np.meshgrid(axis, -axis)
    inside = np.hypot(x, y) < 0.7
    z = np.sqrt(np.maximum(0.7**2 - x**2 - y**2, 0))
    front = np.where(inside, np.stack([x, y, z]) / 0.7, 0).astype(np.float32)
    normals = np.stack([front, front * np.float32([1, 1, -1])[:, None, None]])[None]
    image = np.zeros((1, 12, SIDE, SIDE), np.float32)
    image[0, :3] = front
    return NormalBatch(torch.from_numpy(image), torch.from_numpy(normals), torch.from_numpy(inside)[None])


def test_shapes_of_both_maps() -> None:
    assert NormalNet(TINY)(torch.randn(2, 12, SIDE, SIDE)).shape == (2, 2, 3, SIDE, SIDE)


def test_presets_differ_in_numbers_only_and_in_size() -> None:
    counts = {}
    for name, size in NORMAL_SIZES.items():
        with torch.device("meta"):
            counts[name] = sum(p.numel() for p in NormalNet(size).parameters())
    assert counts == {"paper": 365_488_326, "small": 1_602_506}


def test_maps_of_a_picture_are_unit_normals() -> None:
    image = np.full((48, 48, 3), 90, np.uint8)
    semantic = np.full((48, 48), Parsing.SKIN, np.uint8)
    front, back = NormalNet(TINY).maps(image, semantic)
    assert front.shape == back.shape == (SIDE, SIDE, 3)
    assert np.allclose(np.linalg.norm(front, axis=-1), 1, atol=1e-4)


def test_one_sample_is_learnt() -> None:
    torch.manual_seed(0)
    batch = sphere()
    trainer = Trainer(
        NormalLesson(TINY), normal_loss, Recipe(steps=60, batch=1, warmup=5, rate=1e-2), one_process(False)
    )
    for _ in trainer.run(lambda positions: batch):
        pass
    assert trainer.losses["front"] < 15
    assert trainer.losses["back"] < 15


def test_perfect_maps_cost_nothing_and_pixels_without_a_head_do_not_count() -> None:
    batch = sphere()
    noisy = torch.where(
        batch.normals.abs().sum(2, keepdim=True) > 0, batch.normals, torch.randn(batch.normals.shape)
    )
    assert float(direct_loss(noisy, batch, NormalWeights())) == pytest.approx(0, abs=1e-5)
    assert float(mean_angle(noisy, batch).max()) < 0.1


def test_errors_outside_the_face_count_less() -> None:
    batch = sphere()
    half = replace(batch, face=batch.face & (torch.arange(SIDE) < SIDE // 2))
    wrong = batch.normals.clone()
    wrong[..., SIDE // 2 :] *= -1  # where the face is not
    assert (
        0
        < float(direct_loss(wrong, half, NormalWeights()))
        < float(direct_loss(wrong, batch, NormalWeights())) / 2
    )


def test_generators_and_adversaries_are_pulled_by_their_own_losses() -> None:
    torch.manual_seed(0)
    net, batch = NormalLesson(JUDGED), sphere()
    found = net(batch.image, batch.normals, batch.face)
    assert net.judge is not None
    assert {"loss", "judge", "verdict", "features"} <= found.keys()
    mine, theirs = [list(part.parameters()) for part in (net.front, net.judge)]
    pulled = torch.autograd.grad(found["judge"], mine + theirs, allow_unused=True, retain_graph=True)
    assert all(g is None for g in pulled[: len(mine)])
    assert any(g is not None and g.abs().max() > 0 for g in pulled[len(mine) :])
    pulled = torch.autograd.grad(
        found["verdict"] + found["features"], mine + theirs, allow_unused=True, retain_graph=True
    )
    assert any(g is not None and g.abs().max() > 0 for g in pulled[: len(mine)])
    assert all(g is None for g in pulled[len(mine) :])


def test_adversaries_that_have_no_say_are_not_there() -> None:
    assert NormalLesson(TINY).judge is None
    assert {k for k in NormalLesson(TINY).state_dict()} == {k for k in NormalNet(TINY).state_dict()}
