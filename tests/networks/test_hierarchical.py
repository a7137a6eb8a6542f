"""From a learnt field to a mesh, on spheres that a tiny network learns in seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.geometry.camera import voxel_centres
from models.networks import hierarchical
from models.networks.classes import Parsing
from models.networks.hierarchical import HierarchicalSdf, obj_bytes, to_bytes
from models.networks.implicit import ImplicitField
from models.networks.sdf_nets import LABEL_SCALE, RESIDUAL_SCALE, SIZES, SdfSize, base_field, fine_field

SIDE = 64
RADIUS = 0.5
SIZE = replace(SIZES["small"], image=SIDE, fine_image=SIDE)


class Sphere(ImplicitField):
    """An exact field in the shape of a trained one; the encoder passes the picture through."""

    def __init__(self, scale: float, offset: float = 0.0) -> None:
        super().__init__(nn.Identity(), 1, SIZES["small"].base_head)
        self.scale, self.offset = scale, offset

    def encode(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [image]

    def query(self, maps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        if self.offset:
            return torch.full(points.shape[:2], self.offset) * self.scale
        return torch.clamp(points.norm(dim=-1) - RADIUS, -0.04, 0.04) * self.scale


def picture() -> tuple[np.ndarray, np.ndarray]:
    axis = voxel_centres(SIDE)
    inside = np.hypot(*np.meshgrid(axis, axis)) < 0.35
    semantic = np.where(inside, Parsing.SKIN, Parsing.HAIR).astype(np.uint8)
    return np.full((SIDE, SIDE, 3), 128, np.uint8), semantic


def test_the_face_of_a_sphere_comes_back() -> None:
    made = HierarchicalSdf(Sphere(LABEL_SCALE), None, SIZE).reconstruct(*picture())
    front = made.vertices[(made.vertices[:, 2] > 0.3) & (np.hypot(*made.vertices[:, :2].T) < 0.3)]
    assert len(front) > 1000
    assert np.abs(np.linalg.norm(front, axis=1) - RADIUS).max() < 0.002


def test_nothing_is_made_far_from_the_face() -> None:
    made = HierarchicalSdf(Sphere(LABEL_SCALE), None, SIZE).reconstruct(*picture())
    assert np.hypot(*made.vertices[:, :2].T).max() < 0.35 + 0.1
    assert made.asked < 256**3 / 10


def test_the_fine_level_is_added() -> None:
    plain = HierarchicalSdf(Sphere(LABEL_SCALE), None, SIZE).reconstruct(*picture())
    model = HierarchicalSdf(Sphere(LABEL_SCALE), Sphere(RESIDUAL_SCALE, -0.003), SIZE)
    more = model.reconstruct(*picture())
    assert more.vertices[:, 2].max() - plain.vertices[:, 2].max() == pytest.approx(0.003, abs=5e-4)


def test_no_face_is_told_in_a_sentence() -> None:
    image, semantic = picture()
    with pytest.raises(ValueError, match="no face"):
        HierarchicalSdf(Sphere(LABEL_SCALE), None, SIZE).reconstruct(image, np.zeros_like(semantic))


def test_kept_weights_make_the_same_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    size: SdfSize = SIZE
    monkeypatch.setitem(hierarchical.SIZES, "tiny", size)
    torch.manual_seed(3)
    levels = {"base": base_field(size), "fine": fine_field(size)}
    data = to_bytes({name: net.state_dict() for name, net in levels.items()})
    model = HierarchicalSdf.from_bytes(data, {"preset": "tiny"})
    image, points = torch.rand(1, 12, SIDE, SIDE), torch.rand(1, 9, 3) - 0.5
    with torch.inference_mode():
        assert torch.equal(model.base(image, points)[-1], levels["base"].eval()(image, points)[-1])
    assert model.fine is not None
    only = HierarchicalSdf.from_bytes(to_bytes({"base": levels["base"].state_dict()}), {"preset": "tiny"})
    assert only.fine is None


def test_weights_without_a_base_are_refused() -> None:
    with pytest.raises(ValueError, match="f_base"):
        HierarchicalSdf.from_bytes(to_bytes({}), {"preset": "small"})


def test_obj_counts_from_one() -> None:
    text = obj_bytes(np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]])).decode()
    assert text.splitlines()[0] == "v 0.00000 0.00000 0.00000"
    assert text.splitlines()[-1] == "f 1 2 3"
