"""The CPU path of the drop-in rasteriser against PyTorch3D's own, at 64²."""

import numpy as np
import pytest
import torch
from pytorch3d.renderer import FoVPerspectiveCameras, MeshRasterizer, RasterizationSettings
from pytorch3d.structures import Meshes

from models.geometry.camera import cube_to_pixel
from models.geometry.pytorch3d_cpu import CubeRasterizer, cube_camera
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head()


def _meshes():
    """A frontal and a turned head, each a batch entry of its own."""
    turn = np.array([[0.77, 0, 0.64], [0, 1, 0], [-0.64, 0, 0.77]])
    parts = [HEAD.mean / 130 + 0.013, HEAD.mean @ turn.T / 118 + 0.007]
    faces = torch.from_numpy(HEAD.faces.astype(np.int64))
    return Meshes([torch.from_numpy(p.astype(np.float32)) for p in parts], [faces, faces])


@pytest.mark.parametrize("cull", [False, True])
def test_fragments_are_those_of_pytorch3d(cull):
    settings = RasterizationSettings(image_size=64, blur_radius=0.0, faces_per_pixel=1, cull_backfaces=cull)
    ours = CubeRasterizer(cube_camera(), settings)(_meshes())
    theirs = MeshRasterizer(cube_camera(), settings)(_meshes())
    assert (ours.pix_to_face >= 0).float().mean() > 0.3
    # Pixels whose centre lies on an edge have two right answers (dists is the squared distance to the border).
    inside = (ours.pix_to_face < 0) | (ours.dists < -1e-10)
    assert inside.float().mean() > 0.995
    assert torch.equal(ours.pix_to_face[inside], theirs.pix_to_face[inside])
    torch.testing.assert_close(ours.dists[inside], theirs.dists[inside], atol=1e-6, rtol=0)
    # PyTorch3D divides edge functions by (area + 1e-8), which shortens the weights of slim triangles; we do not.
    bias = 1e-8 / _areas(ours.pix_to_face)
    for name, size in (("zbuf", 5.0), ("bary_coords", 1.0)):
        difference = (getattr(ours, name) - getattr(theirs, name)).abs().reshape(2, 64, 64, 1, -1).amax(-1)
        allowed = 2 * size * bias + 1e-4
        assert (difference <= allowed)[inside].all(), f"{name}: {(difference - allowed)[inside].max()}"
        assert difference[inside].median() < 1e-6


def _areas(pix_to_face):
    """Projected area (twice) of each pixel's triangle; 1 where there is none."""
    meshes = _meshes()
    x, y = meshes.verts_packed()[meshes.faces_packed()][..., :2].double().unbind(-1)
    areas = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    return torch.where(pix_to_face >= 0, areas.abs()[pix_to_face.clamp(min=0)], 1.0)


def test_the_camera_sees_the_cube_as_ours_does():
    points = torch.tensor([[0.3, 0.5, -0.7], [-0.9, -0.2, 0.4], [0.0, 0.0, 1.0]])
    screen = cube_camera().transform_points_screen(points, image_size=((64, 64),))
    np.testing.assert_allclose(screen[:, :2].numpy(), cube_to_pixel(points.numpy(), 64), atol=1e-4)
    view = cube_camera().get_world_to_view_transform().transform_points(points)
    np.testing.assert_allclose(view[:, 2].numpy(), 4 - points[:, 2].numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"faces_per_pixel": 2}, "faces_per_pixel=2"),
        ({"blur_radius": 0.1}, "blur_radius=0.1"),
        ({"image_size": (64, 32)}, "a square one"),
    ],
)
def test_what_the_cpu_path_does_not_draw_is_said(change, says):
    settings = RasterizationSettings(
        **({"image_size": 64, "blur_radius": 0.0, "faces_per_pixel": 1} | change)
    )
    with pytest.raises(ValueError, match=says):
        CubeRasterizer(cube_camera(), settings)(_meshes())


def test_perspective_cameras_are_refused():
    settings = RasterizationSettings(image_size=64)
    with pytest.raises(ValueError, match="perspective"):
        CubeRasterizer(FoVPerspectiveCameras(), settings)(_meshes())
