"""PyTorch3D's camera and rasteriser for the cube, with our z-buffer where there is no GPU.

PyTorch3D's view space has x to the left, y up and z into the screen; the cube has x right, y up and z to the
viewer. A half turn about y, ``diag(-1, 1, -1)``, goes from one to the other, so no image is mirrored and
triangles stay counter-clockwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pytorch3d.renderer import FoVOrthographicCameras, MeshRasterizer
from pytorch3d.renderer.mesh.rasterizer import Fragments
from pytorch3d.structures import Meshes

from models.geometry.rasterize import rasterize

CAMERA_DISTANCE = 4.0  # view z of the cube's centre; the cube's corners rotate within 1.74 of it


def cube_camera(device: str | torch.device = "cpu") -> FoVOrthographicCameras:
    """The orthographic camera that sees the cube as ``models.geometry.camera`` does: view z = 4 - cube z."""
    turn = torch.diag(torch.tensor([-1.0, 1.0, -1.0], device=device))[None]
    shift = torch.tensor([[0.0, 0.0, CAMERA_DISTANCE]], device=device)
    return FoVOrthographicCameras(
        R=turn, T=shift, znear=0.1, zfar=2 * CAMERA_DISTANCE, device=torch.device(device)
    )


class CubeRasterizer(MeshRasterizer):
    """Drop-in ``MeshRasterizer``: our compiled z-buffer for meshes on a CPU, PyTorch3D's own kernel on a GPU.

    On a CPU it gives one face per pixel of hard coverage (``faces_per_pixel=1``, ``blur_radius=0``, square
    images, orthographic cameras) and no gradients. The only difference to PyTorch3D: a pixel centre that lies
    exactly on an edge belongs to a triangle here and to none there.
    """

    def forward(self, meshes_world: Meshes, **kwargs: Any) -> Fragments:
        """Fragments of a batch of meshes, tensors of shape (N, H, W, 1[, 3]).

        Raises:
            ValueError: A setting that the CPU path does not have, with the one to use instead.
        """
        if meshes_world.device.type == "cuda":
            return super().forward(meshes_world, **kwargs)
        settings = kwargs.get("raster_settings", self.raster_settings)
        size = self._checked_size(settings, kwargs.get("cameras", self.cameras))
        projected = self.transform(meshes_world, **kwargs)
        turn = np.array([-1, 1, -1], dtype=np.float32)
        parts = [
            _rasterize_one(v.detach().numpy() * turn, f.numpy(), size, settings.cull_backfaces, int(first))
            for v, f, first in zip(
                projected.verts_list(),
                projected.faces_list(),
                projected.mesh_to_faces_packed_first_idx(),
                strict=True,
            )
        ]
        pix, depth, bary, dists = (torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True))
        return Fragments(pix_to_face=pix, zbuf=depth, bary_coords=bary, dists=dists)

    @staticmethod
    def _checked_size(settings: Any, cameras: Any) -> int:
        size = settings.image_size
        height, width = (size, size) if isinstance(size, int) else size
        limits = (
            (settings.faces_per_pixel == 1, f"faces_per_pixel={settings.faces_per_pixel}", "1"),
            (settings.blur_radius == 0, f"blur_radius={settings.blur_radius}", "0.0"),
            (height == width, f"image_size={size}", "a square one"),
            (cameras is not None and not cameras.is_perspective(), "a perspective camera", "cube_camera()"),
        )
        for fine, got, instead in limits:
            if not fine:
                msg = f"CubeRasterizer got {got}, which the CPU path cannot draw; use {instead} or a GPU."
                raise ValueError(msg)
        return int(height)


def _rasterize_one(
    cube: np.ndarray, faces: np.ndarray, size: int, cull: bool, first: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fragments of one mesh, with the axis of K = 1 faces per pixel; ``first`` is its first packed face."""
    seen = rasterize(cube, faces, size, cull=cull)
    empty = seen.pix_to_face < 0
    pix = np.where(empty, -1, seen.pix_to_face.astype(np.int64) + first)
    depth = np.where(empty, np.float32(-1), -seen.depth)
    bary = np.where(empty[..., None], np.float32(-1), seen.bary)
    dists = _edge_distances(cube, faces, seen.pix_to_face, size)
    return pix[..., None], depth[..., None], bary[..., None, :], dists[..., None]


def _edge_distances(cube: np.ndarray, faces: np.ndarray, pix_to_face: np.ndarray, size: int) -> np.ndarray:
    """Minus the squared distance, in the image, of each pixel centre to its triangle's border; -1 if none."""
    out = np.full(pix_to_face.shape, -1, dtype=np.float32)
    i, j = np.nonzero(pix_to_face >= 0)
    point = np.stack([(2 * j + 1) / size - 1, 1 - (2 * i + 1) / size], axis=-1)
    corners = cube[faces[pix_to_face[i, j]]][..., :2].astype(np.float64)
    best = np.full(len(i), np.inf)
    for k in range(3):
        start, side = corners[:, k], corners[:, (k + 1) % 3] - corners[:, k]
        along = ((point - start) * side).sum(-1) / np.maximum((side * side).sum(-1), 1e-30)
        nearest = start + np.clip(along, 0, 1)[:, None] * side
        best = np.minimum(best, ((point - nearest) ** 2).sum(-1))
    out[i, j] = -best
    return out
