"""PyTorch3D's textures and interpolation and the compiled kernels give the same colours."""

import numpy as np
import pytest
import torch

from models.geometry.face import head_surface
from models.geometry.gloss import skin_light
from models.geometry.light import basis
from models.geometry.pytorch3d_shade import draw, harmonics
from models.geometry.rasterize import rasterize
from models.geometry.shade import colours
from models.heads.synthetic import synthetic_head


@pytest.mark.parametrize("yaw", [0.0, 0.6])
@pytest.mark.parametrize("matt", [True, False])
def test_colours_and_fragments_agree(yaw, matt):
    rng = np.random.default_rng(1)
    head = synthetic_head()
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    vertices = (head.mean @ turn.T / 130).astype(np.float32)
    texture = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    light = rng.normal(0, 0.3, (9, 3)).astype(np.float32)
    light[0] += 2
    surface = head_surface(head, vertices, turn)
    skin = None
    if not matt:
        light[1] += 0.8  # a lamp from above
        skin = skin_light(surface.occlusion, surface.gloss, light, np.full(3, 0.4), np.full(3, 1.0))
        assert skin.lamp.any()
        assert skin.added.any()
    seen = rasterize(vertices, head.faces, 64, cull=True)
    theirs, colour = draw(vertices, surface, texture, light, 64, "cpu", skin=skin)
    ours = colours(seen, surface, texture, light, seen.pix_to_face >= 0, skin=skin)
    assert (ours > 0).any(-1).mean() > 0.2
    np.testing.assert_array_equal(seen.pix_to_face, theirs.pix_to_face)
    np.testing.assert_allclose(seen.depth, theirs.depth, atol=1e-5)
    np.testing.assert_allclose(ours, colour, atol=1e-4)


def test_harmonics_are_the_basis():
    normals = np.random.default_rng(0).normal(size=(50, 3))
    np.testing.assert_allclose(harmonics(torch.from_numpy(normals)).numpy(), basis(normals), atol=1e-12)
