"""Rasteriser, shading and the whole render of a face: ours against PyTorch3D's CPU code on the same mesh.

Run it alone on the machine: ``OMP_NUM_THREADS=1 python -m benchmarks.bench_rasterize``.
"""

from __future__ import annotations

import numpy as np
import torch
from pytorch3d.renderer import MeshRasterizer, RasterizationSettings

from assets.registry import default_head
from benchmarks.harness import Row, best_of, compare, row, save
from models.geometry.face import head_surface, shade_face
from models.geometry.light import ambient
from models.geometry.maps import front_back_maps
from models.geometry.normals import vertex_normals
from models.geometry.pytorch3d_cpu import cube_camera
from models.geometry.pytorch3d_shade import draw, mesh_of
from models.geometry.rasterize import rasterize
from models.geometry.shade import colours


def run() -> list[Row]:
    """Rows for 256² and 512²; PyTorch3D's rasteriser takes seconds, so it runs once or twice per size."""
    torch.set_num_threads(1)
    head = default_head()
    vertices = (head.mean / 140).astype(
        np.float32
    )  # the whole head in view, the face about two thirds of the side
    surface = head_surface(head, vertices)
    texture = np.random.default_rng(0).integers(60, 220, (1024, 1024, 3), dtype=np.uint8)
    light = ambient(np.array([0.9, 0.8, 0.7]))
    mesh = mesh_of(vertices, surface, texture, "cpu")
    note = f"{len(head.faces)} triangles, one core"
    rows = []
    for size in (256, 512):
        settings = RasterizationSettings(image_size=size, blur_radius=0.0, faces_per_pixel=1)
        peer = MeshRasterizer(cube_camera(), settings)
        rows.append(
            compare(
                f"rasterize {size}²",
                lambda size=size: rasterize(vertices, surface.faces, size),
                lambda peer=peer: peer(mesh),
                peer_name="PyTorch3D CPU",
                budget=1.0,
                note=note,
            )
        )
        rows.append(
            compare(
                f"rasterize and shade {size}²",
                lambda size=size: _colours(vertices, surface, texture, light, size),
                lambda size=size: draw(vertices, surface, texture, light, size, "cpu"),
                peer_name="PyTorch3D textures and shading on our fragments",
                note=note,
            )
        )
    alone = (
        ("vertex normals", lambda: vertex_normals(vertices, surface.faces)),
        ("render a face 256², 2x supersampled", lambda: shade_face(head, vertices, texture, light, 256)),
        (
            "normal and depth maps 256²",
            lambda: front_back_maps(vertices, surface.normals, surface.faces, 256),
        ),
    )
    rows += [row(name, 1e3 * best_of(call), note=note) for name, call in alone]
    return rows


def _colours(vertices, surface, texture, light, size):
    seen = rasterize(vertices, surface.faces, size, cull=True)
    return colours(seen, surface, texture, light, seen.pix_to_face >= 0)


if __name__ == "__main__":
    save("rasterize", run(), packages=["torch", "easypytorch3d", "numba"])
