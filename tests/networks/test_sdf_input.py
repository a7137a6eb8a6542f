"""What the networks see of a pair."""

from __future__ import annotations

import numpy as np
import torch

from models.networks.classes import Parsing
from models.networks.sdf_input import CHANNELS, GROUPS, face_mask, sdf_input


def test_every_class_has_one_group() -> None:
    assert sorted(c for group in GROUPS for c in group) == sorted(Parsing)


def test_the_face_is_kept_and_the_rest_is_zero() -> None:
    semantic = torch.tensor([[[Parsing.SKIN, Parsing.HAIR], [Parsing.NOSE, Parsing.NECK]]], dtype=torch.uint8)
    image = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    made = sdf_input(image, semantic)
    assert made.shape == (1, CHANNELS, 2, 2)
    assert (made[0, :3, :, 0] == 1).all()
    assert (made[0, :, :, 1] == 0).all()
    assert made[0, 3:, 0, 0].tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert made[0, 3:, 1, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_left_and_right_are_one() -> None:
    image = torch.zeros((1, 1, 2, 3), dtype=torch.uint8)
    made = sdf_input(image, torch.tensor([[[Parsing.L_EYE, Parsing.R_EYE]]], dtype=torch.uint8))
    assert torch.equal(made[..., 0], made[..., 1])


def test_glasses_belong_to_the_face() -> None:
    semantic = np.array([[Parsing.GLASSES, Parsing.HAT, Parsing.LOWER_LIP]], np.uint8)
    assert face_mask(semantic).tolist() == [[True, False, True]]
