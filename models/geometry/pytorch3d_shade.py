"""The face colours of ``models.geometry.shade`` with PyTorch3D's classes: mesh, texture, fragments, shader.

Used on a GPU, and in the test that holds the compiled kernels to PyTorch3D's answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from pytorch3d.ops import interpolate_face_attributes
from pytorch3d.renderer import RasterizationSettings, TexturesUV
from pytorch3d.renderer.mesh.rasterizer import Fragments
from pytorch3d.structures import Meshes

from models.geometry.gloss import MAX_LOBE, NORMAL_REFLECTANCE, SkinLight, matt
from models.geometry.light import C0, C1, C2, C20, C22, PLAIN
from models.geometry.pytorch3d_cpu import CAMERA_DISTANCE, CubeRasterizer, cube_camera
from models.geometry.rasterize import EMPTY_DEPTH, RasterResult
from models.geometry.shade import DARKEST_CAVITY, Surface


def harmonics(normals: Float[torch.Tensor, "*n 3"]) -> Float[torch.Tensor, "*n 9"]:
    """``models.geometry.light.basis`` in torch."""
    x, y, z = normals.unbind(-1)
    return torch.stack(
        [
            torch.full_like(x, C0), C1 * y, C1 * z, C1 * x, C2 * x * y, C2 * y * z,
            C20 * (3 * z * z - 1), C2 * x * z, C22 * (x * x - y * y),
        ],
        dim=-1,
    )  # fmt: skip


def lobe(
    normals: Float[torch.Tensor, "*n 3"],
    roughness: Float[torch.Tensor, "*n"],
    direction: Float[torch.Tensor, " 3"],
) -> Float[torch.Tensor, "*n"]:
    """``models.geometry.gloss.lobe`` in torch."""
    facing, z = normals @ direction, normals[..., 2]
    square = (2 + 2 * direction[2]).clamp(min=0.25)
    length = square.sqrt()
    tilt = (facing + z) / length
    t2, m2 = tilt.clamp(min=0.05) ** 2, roughness.clamp(min=0.01) ** 2  # zero where no mesh is
    facets = torch.exp((t2 - 1) / (m2 * t2)) / (m2 * t2 * t2)
    grazing = 1 - (length * 0.5).clamp(max=1)
    fresnel = NORMAL_REFLECTANCE + (1 - NORMAL_REFLECTANCE) * grazing**5
    lit = (facing > 0) & (z > 0) & (tilt > 0.05)
    return (facing * facets * fresnel / square).clamp(max=MAX_LOBE) * lit


class HarmonicShader(torch.nn.Module):
    """PyTorch3D shader: albedo times the shading of order-2 harmonics less own shadow, plus gloss; black where no
    mesh is.
    """

    def __init__(
        self,
        light: Float[torch.Tensor, "9 3"],
        normals: Float[torch.Tensor, "V 3"],
        skin: SkinLight,
    ) -> None:
        super().__init__()
        self.light, self.normals = light, normals
        device = normals.device
        layers = np.concatenate([skin.added, skin.strength[:, None], skin.roughness[:, None]], axis=1)
        self.layers = torch.from_numpy(layers).to(device)
        self.direction, self.lamp = (torch.from_numpy(a).to(device) for a in (skin.direction, skin.lamp))

    def forward(self, fragments: Fragments, meshes: Meshes, **_: Any) -> Float[torch.Tensor, "N H W 3"]:
        """Colours of the nearest face of each pixel."""
        albedo = meshes.sample_textures(fragments)[..., 0, :]
        normals, layers = (
            interpolate_face_attributes(
                fragments.pix_to_face, fragments.bary_coords, values[meshes.faces_packed()]
            )[..., 0, :]
            for values in (self.normals, self.layers)
        )
        normals = torch.nn.functional.normalize(normals, dim=-1)
        shading = (harmonics(normals) @ self.light).clamp(min=0)
        shading = torch.maximum(shading + layers[..., :3], DARKEST_CAVITY * shading)
        gloss = layers[..., 3] * lobe(normals, layers[..., 4], self.direction)
        return (albedo * shading + gloss[..., None] * self.lamp) * (fragments.pix_to_face >= 0)


def mesh_of(
    vertices: Float[np.ndarray, "V 3"],
    surface: Surface,
    texture: UInt8[np.ndarray, "n m 3"],
    device: str,
    tone: Float[np.ndarray, "256 3"] = PLAIN,
) -> Meshes:
    """PyTorch3D mesh in the cube with the texture in linear light."""
    maps = torch.from_numpy(tone[texture, np.arange(3)])[None].to(device)
    uv = TexturesUV(
        maps=maps,
        faces_uvs=[torch.from_numpy(surface.face_uvs.astype(np.int64)).to(device)],
        verts_uvs=[torch.from_numpy(surface.uvs).to(device)],
        padding_mode="border",
        align_corners=False,
    )
    return Meshes(
        verts=[torch.from_numpy(np.ascontiguousarray(vertices, dtype=np.float32)).to(device)],
        faces=[torch.from_numpy(surface.faces.astype(np.int64)).to(device)],
        textures=uv,
    )


def draw(
    vertices: Float[np.ndarray, "V 3"],
    surface: Surface,
    texture: UInt8[np.ndarray, "n m 3"],
    light: Float[np.ndarray, "9 3"],
    size: int,
    device: str,
    tone: Float[np.ndarray, "256 3"] = PLAIN,
    skin: SkinLight | None = None,
) -> tuple[RasterResult, Float[np.ndarray, "H W 3"]]:
    """What ``rasterize`` (culled) and ``colours`` give together, computed by PyTorch3D on ``device``."""
    mesh = mesh_of(vertices, surface, texture, device, tone)
    settings = RasterizationSettings(image_size=size, blur_radius=0.0, faces_per_pixel=1, cull_backfaces=True)
    shader = HarmonicShader(
        torch.from_numpy(np.float32(light)).to(device),
        torch.from_numpy(surface.normals).to(device),
        skin or matt(len(surface.normals)),
    )
    rasterizer = CubeRasterizer(cube_camera(device), settings)
    with torch.no_grad():
        fragments = rasterizer(mesh)
        colour = shader(fragments, mesh)
    return seen_of(fragments), colour[0].cpu().numpy()


def seen_of(fragments: Fragments) -> RasterResult:
    """The nearest face of each pixel of the first image, as our rasteriser reports it."""
    pix = fragments.pix_to_face[0, ..., 0].cpu().numpy().astype(np.int32)
    covered = pix >= 0
    bary = np.where(covered[..., None], fragments.bary_coords[0, ..., 0, :].cpu().numpy(), 0)
    depth = np.where(covered, CAMERA_DISTANCE - fragments.zbuf[0, ..., 0].cpu().numpy(), EMPTY_DEPTH)
    return RasterResult(pix, bary.astype(np.float32), depth.astype(np.float32))
