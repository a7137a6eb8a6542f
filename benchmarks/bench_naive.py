"""A pair by the well-known tools, one after the other, against our whole chain; one thread each.

What a newcomer would write: a landmark fit by finite differences, PyTorch3D's CPU rasteriser for the picture and
for the normals of front and back, OpenCV's inpainting for eyes, mouth and rim, ``seamlessClone``, libigl's distances
with the windows of the residual, WebDataset's writer. It gets our landmarks, parsing, masks and shapes for nothing, and
has no anti-aliasing, light, gloss, turned photographs or check. Once it draws the same surface as our chain, once the
head without relief, which has a third of the triangles.

Ours is CPU time of the rows of a store made again by :func:`flows.stage_costs.profile_rows`; the fit of a photograph,
shared by its pairs, is counted as if each pair had its own.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import igl
import numpy as np
import torch
import webdataset
from pytorch3d.ops import interpolate_face_attributes
from pytorch3d.renderer import MeshRasterizer, RasterizationSettings

from assets.registry import default_head, photo_paths, texture_pool
from benchmarks import bench_fit
from benchmarks.bench_growth import unheard
from benchmarks.bench_sdf import SIGN, windows_of
from benchmarks.harness import Row, row, save
from flows.config import SynthesizeConfig
from flows.remake import load_config
from flows.stage_costs import profile_rows
from flows.work import annotate, prepare
from models.geometry.camera import ScaledOrtho, voxel_centres
from models.geometry.face import head_surface
from models.geometry.pytorch3d_cpu import cube_camera
from models.geometry.pytorch3d_shade import mesh_of
from models.heads.linear import LinearHead
from storage.store import Store
from tasks.chain import Made
from tasks.label import Label

PAIRS = {"same surface": 1, "head without relief": 2}  # of the naive chain, a minute and half a minute each
OURS = 24
SIZE = 256


@dataclass
class Clock:
    """CPU seconds by step."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, step: str, call: Callable[[], Any]) -> Any:
        """The answer of a call, and its cost noted."""
        before = time.process_time()
        answer = call()
        self.seconds[step] = self.seconds.get(step, 0.0) + time.process_time() - before
        return answer


def naive_pair(
    head: LinearHead,
    posed: np.ndarray,
    fields: dict[str, np.ndarray],
    texture: np.ndarray,
    clock: Clock,
    sink: Any,
) -> None:
    """One pair from a posed head (V, 3) in the cube and the fields of an annotated face."""
    surface = head_surface(head, posed.astype(np.float32))
    mesh = mesh_of(posed.astype(np.float32), surface, texture, "cpu")
    settings = RasterizationSettings(image_size=SIZE, blur_radius=0.0, faces_per_pixel=1)

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        fragments = MeshRasterizer(cube_camera(), settings)(mesh)
        colour = mesh.sample_textures(fragments)[0, :, :, 0].numpy()
        corners = torch.from_numpy(surface.normals)[mesh.faces_packed()]
        normal = interpolate_face_attributes(fragments.pix_to_face, fragments.bary_coords, corners)
        return colour, normal[0, :, :, 0].numpy()

    def back() -> np.ndarray:
        turned = mesh.offset_verts(torch.zeros(3))
        turned = turned.update_padded(turned.verts_padded() * torch.tensor([-1.0, 1.0, -1.0]))
        fragments = MeshRasterizer(cube_camera(), settings)(turned)
        corners = torch.from_numpy(surface.normals)[mesh.faces_packed()]
        return interpolate_face_attributes(fragments.pix_to_face, fragments.bary_coords, corners)[0].numpy()

    colour, front = clock.time("render and front normals", drawn)
    behind = clock.time("back normals", back)
    render = np.clip(255 * colour ** (1 / 2.2), 0, 255).astype(np.uint8)
    hole, face = fields["hole_mask"].astype(np.uint8), fields["render_mask"].astype(np.uint8)
    photo = fields["photo"]
    whole = clock.time("eyes and mouth", lambda: cv2.inpaint(render, hole, 3, cv2.INPAINT_TELEA))
    rim = cv2.dilate(face, np.ones((9, 9), np.uint8)) - face
    behind_face = clock.time("rim", lambda: cv2.inpaint(photo, rim, 3, cv2.INPAINT_TELEA))
    rows, columns = np.nonzero(face)
    centre = (int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2)
    image = clock.time(
        "blend",
        lambda: cv2.seamlessClone(whole, behind_face, 255 * face, centre, cv2.NORMAL_CLONE),  # noqa: TID251
    )
    near = windows_of(fields["sdf_index"])
    axis = voxel_centres(256)
    distance = clock.time(
        "distances", lambda: igl.signed_distance(axis[near], posed, head.faces, sign_type=SIGN)[0]
    )
    sample = {"__key__": "0", "png": image, "front.npy": front, "back.npy": behind, "sdf.npy": distance}
    clock.time("write", lambda: sink.write(sample))


def smooth(fields: dict[str, np.ndarray]) -> np.ndarray:
    """The pair's head without relief, (V, 3) in the cube."""
    head = default_head()
    camera = ScaledOrtho(float(fields["scale"]), fields["rotation"], fields["translation"])
    return camera.to_cube(head.vertices(fields["shape"], fields["expression"]).astype(np.float64))


def main() -> list[Row]:
    """Rows of every step and of the whole."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    clocks = {name: Clock() for name in PAIRS}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "store"
        config = SynthesizeConfig(out=out, pairs=OURS, shard_size=OURS)
        asked, photos = config.model_dump(mode="json"), [[str(path), path.name] for path in photo_paths()]
        prepare(asked, annotate(asked, photos, emit=unheard), emit=unheard)
        ours = profile_rows(out, OURS)
        store, recipe = Store.open(out), load_config(out).make_recipe()
        rows = store.plan.shards[0][: config.batch]
        chain = recipe.chain(rows[0].head)
        fine = next(stage for stage in chain.stages if isinstance(stage, Label)).head
        traces = chain.trace(rows, [line.key for line in rows], partial(recipe.load, head=rows[0].head))
        traced = [one for one in traces if isinstance(one.outcome, Made)]
        with webdataset.TarWriter(str(Path(folder) / "naive.tar")) as sink:
            for name, clock in clocks.items():
                for one in traced[: PAIRS[name]]:
                    fields = dict(one.fields)
                    relief = name == "same surface"
                    head = fine if relief else default_head()
                    posed = fields["vertices"].astype(np.float64) if relief else smooth(fields)
                    naive_pair(
                        head, posed, fields, texture_pool().image(one.outcome.row.texture), clock, sink
                    )
    fitted = {r.name: r for r in bench_fit.main()}["fit, one face"]
    chain_ms = fitted.ours + sum(cost.cpu_ms for cost in ours)
    lines = []
    for name, clock in clocks.items():
        steps = {"fit": fitted.peer or 0.0} | {k: 1e3 * s / PAIRS[name] for k, s in clock.seconds.items()}
        note = ", ".join(f"{step} {ms:,.0f}" for step, ms in steps.items())
        lines.append(
            row(f"whole chain 256², {name}", chain_ms, sum(steps.values()), "CPU ms/pair",
                peer_name=f"the naive chain, {name}", note=note)
        )  # fmt: skip
    return lines


if __name__ == "__main__":
    save("naive", main(), packages=["torch", "easypytorch3d", "libigl", "webdataset"])
