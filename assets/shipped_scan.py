"""The scan that ships: its surface and photograph in the head's frame, and what its shape has beyond the head model.

Made once from a source package by ``facepairs assets build`` (:mod:`models.heads.fit_surface` fits the head to it), so
that the benchmark needs no package and no registration.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from assets.bake import SURFACE
from assets.readers.mesh import Scan
from assets.registry import DATA, Entry, asset_path, record
from assets.scan import CLOSE
from models.geometry.closest import closest_points
from models.heads.fit_surface import fit_surface
from models.heads.linear import LinearHead
from models.heads.regions import Region
from models.heads.target import Target

FILE = "scans/james.npz"
PHOTO_SIDE = 1600  # pixels along the longer side of the photograph that ships
FADE = 12  # rings of vertices over which offsets begin
FAR = 12.0  # mm from the registered face beyond which the scan shows something else: hair, ears, clothes


@dataclass(frozen=True, eq=False)
class ShippedScan:
    """A real face, head frame, millimetres of the head model. An open surface: a face from ear to ear."""

    vertices: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "f 3"]
    uvs: Float[np.ndarray, "t 2"]
    face_uvs: Int[np.ndarray, "f 3"]
    face_region: UInt8[
        np.ndarray, " f"
    ]  # Region of the nearest triangle of the registered head; SCALP where far
    image: UInt8[np.ndarray, "h w 3"]  # as photographed, row 0 is v = 1
    head: Float[np.ndarray, "V 3"]  # the head model registered to it
    offsets: Float[np.ndarray, "V 3"]  # from there to the scan, zeros away from the face


def pack_scan(scan: Scan, landmarks: Float[np.ndarray, "68 3"], head: LinearHead) -> bytes:
    """The file that ships, from a scan as its package has it: photograph, landmarks and a surface of any scale.

    Raises:
        ValueError: the scan has no photograph.
    """
    if scan.image is None or scan.uvs is None or scan.face_uvs is None:
        msg = "the scan has no photograph with coordinates on it; give one whose OBJ names an image."
        raise ValueError(msg)
    fit = fit_surface(head, Target.of(scan.vertices, scan.faces), landmarks, None)
    vertices = head.vertices(fit.identity, fit.expression).astype(np.float64)
    moved = fit.into_head(np.asarray(scan.vertices, np.float64))
    middles = moved[scan.faces].mean(axis=1)
    triangle, _, distance = closest_points(middles, vertices, head.faces)
    region = np.where(distance < FAR, head.face_region[triangle], Region.SCALP)
    picture = Image.fromarray(scan.image)
    picture.thumbnail((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)
    photo, packed = io.BytesIO(), io.BytesIO()
    picture.save(photo, "WEBP", quality=90, method=6)
    np.savez_compressed(
        packed, allow_pickle=False,
        vertices=moved.astype(np.float32), faces=scan.faces, uvs=scan.uvs, face_uvs=scan.face_uvs,
        face_region=region.astype(np.uint8), photo=np.frombuffer(photo.getvalue(), np.uint8),
        head=vertices.astype(np.float32),
        offsets=scan_offsets(head, vertices, moved, scan.faces).astype(np.float16),
    )  # fmt: skip
    return packed.getvalue()


def scan_offsets(
    head: LinearHead,
    vertices: Float[np.ndarray, "V 3"],
    scanned: Float[np.ndarray, "n 3"],
    faces: Int[np.ndarray, "f 3"],
) -> Float[np.ndarray, "V 3"]:
    """Millimetres from each registered head vertex to the scan: what its shape has beyond the head model.

    Zeros where the scan has nothing near, and away from the face; smoothed over neighbours, so that no edge shows where
    the scan ends.

    Args:
        head: the model.
        vertices: its registered vertices, as :func:`models.heads.fit_surface.fit_surface` gives them.
        scanned: the scan's vertices in the head frame.
        faces: the scan's triangles.
    """
    triangle, bary, distance = closest_points(vertices, scanned, faces)
    offset = (scanned[faces[triangle]] * bary[..., None]).sum(1) - vertices
    known = np.isin(head.vertex_region, SURFACE) & (distance < CLOSE[1])
    corners = head.faces
    ends = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    ends = np.concatenate([ends, ends[:, ::-1]])
    count = np.bincount(ends[:, 0], minlength=len(vertices))[:, None]

    def around(values: np.ndarray) -> np.ndarray:
        total = np.stack([np.bincount(ends[:, 0], v[ends[:, 1]], len(vertices)) for v in values.T], 1)
        return total / np.maximum(count, 1)

    weight = known[:, None].astype(np.float64)
    for _ in range(FADE):
        weight = np.minimum(around(weight), known[:, None])
    smooth = np.where(known[:, None], offset, 0.0)
    for _ in range(2):
        smooth = 0.5 * smooth + 0.5 * around(smooth)
    return weight * smooth


def build_scan(scan: Scan, landmarks: Float[np.ndarray, "68 3"], head: LinearHead) -> Entry:
    """Write the file into ``assets/data`` and its ledger."""
    path = DATA / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack_scan(scan, landmarks, head))
    return record(
        Entry(
            "james", "scan", FILE, "", 0, "BSD-3-Clause",
            "menpo3d==0.8.6 sdist:menpo3d/data/james.obj, james.jpg, james.ljson", "Imperial College London, menpo3d",
            "Moved, turned and scaled into the head's frame; its photograph at 1600 pixels.",
        )
    )  # fmt: skip


@cache
def shipped_scan() -> ShippedScan:
    """The scan, read once per process."""
    with np.load(asset_path("james"), allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    with Image.open(io.BytesIO(data.pop("photo").tobytes())) as picture:
        image = np.array(picture.convert("RGB"))
    data["offsets"] = data["offsets"].astype(np.float32)
    return ShippedScan(image=image, **data)
