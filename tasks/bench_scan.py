"""Renders of the scan that ships: a real surface with its own photograph on it, where picture and shape agree.

What the scan lacks (the back of the head, the neck) is the head model registered to it in plain colours, so that the
picture shows a head and not a mask; only the scan itself counts as truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from assets.atlas import sample
from assets.shipped_scan import ShippedScan
from models.geometry.camera import ScaledOrtho
from models.geometry.maps import front_back_maps
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.heads.linear import LinearHead
from models.heads.regions import Region
from models.networks.classes import Parsing
from tasks.floor import plain_render
from tasks.label import face_classes

Array = np.ndarray[Any, np.dtype[Any]]

FILL = 1 / 125.0  # cube units per millimetre: a head that fills the crop as photographs' do
SAMPLES = 2  # along a side of a pixel
OVER = 4.0  # mm by which the scan stands before the head model: where both are, the scan is seen


@dataclass(frozen=True, eq=False)
class ScanView:
    """One render of the scan."""

    image: Array  # uint8 (R, R, 3)
    label: Array  # uint8 (R, R), CelebAMask classes
    mesh: Array  # float32 (n, 3), cube
    pose: ScaledOrtho
    landmarks: Array  # float64 (68, 2), pixels


def turned(yaw: float) -> ScaledOrtho:
    """The scan's pose at an angle of yaw, degrees."""
    y = np.radians(yaw)
    rotation = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    return ScaledOrtho(FILL, rotation, np.zeros(2))


def view_scan(
    scan: ShippedScan, head: LinearHead, pose: ScaledOrtho, background: Array, size: int = 256
) -> ScanView:
    """Render the scan.

    Args:
        scan: the scan.
        head: the head model that it was registered with.
        pose: of both.
        background: uint8 (size, size, 3), a photograph whose blurred colours lie behind the head.
        size: R.
    """
    mesh = pose.to_cube(scan.vertices.astype(np.float64)).astype(np.float32)
    behind = pose.to_cube(scan.head.astype(np.float64)).astype(np.float32)
    fine = _scan_colours(scan, mesh, SAMPLES * size)
    small = fine.reshape(size, SAMPLES, size, SAMPLES, 4).mean(axis=(1, 3))
    share = small[..., 3:]
    face = np.rint(np.clip(small[..., :3] / np.maximum(share, 1e-6), 0, 255)).astype(np.uint8)

    both = np.concatenate([mesh + np.array([0, 0, OVER * pose.scale], np.float32), behind])
    faces = np.concatenate([scan.faces, head.faces + len(mesh)]).astype(np.int32)
    normals = np.concatenate([vertex_normals(mesh, scan.faces), vertex_normals(behind, head.faces)])
    regions = np.concatenate([_visible_region(scan.face_region), head.face_region])
    seen = rasterize(both, faces, size, cull=True)
    region = np.where(seen.pix_to_face >= 0, regions[np.maximum(seen.pix_to_face, 0)], 0)
    is_scan = (seen.pix_to_face >= 0) & (seen.pix_to_face < len(scan.faces)) & (share[..., 0] > 0)
    # Where the model shows through, its face has no colours of its own: it gets those of the rest of the head.
    region = np.where(~is_scan & (region > 0) & (region < Region.EARS), Region.SCALP, region).astype(np.uint8)
    front, _, depth = front_back_maps(both, normals, faces, size)
    image = plain_render(background, face, region, front)
    image[is_scan] = face[is_scan]  # hair, ears and clothes too, as photographed
    landmarks = pose.to_cube(head.landmarks(scan.head.astype(np.float64)))
    inside = is_scan & (region < Region.EARS)
    label = np.where(inside, face_classes(region, depth, pose, landmarks), _outside(region)).astype(np.uint8)
    pixels = pose.to_pixel(head.landmarks(scan.head.astype(np.float64)), size)
    return ScanView(image, label, mesh, pose, pixels)


def _visible_region(region: Array) -> Array:
    """The scan has a surface over the mouth and over the eyes: lips meet, and eyeballs are part of it."""
    return np.where(region == Region.INNER_MOUTH, Region.LIPS, region)


def _outside(region: Array) -> Array:
    """CelebAMask classes of what is no face."""
    out: Array = np.zeros(region.shape, np.uint8)
    for part, parsing in (
        (Region.SCALP, Parsing.HAIR),
        (Region.NECK, Parsing.NECK),
        (Region.EARS, Parsing.L_EAR),
    ):
        out[region == part] = parsing
    return out


def _scan_colours(scan: ShippedScan, mesh: Array, size: int) -> Array:
    """The scan's photograph in the picture, float32 (size, size, 4): colour times coverage, coverage."""
    seen = rasterize(mesh, scan.faces, size, cull=True)
    hit = seen.pix_to_face >= 0
    uv = (scan.uvs[scan.face_uvs[seen.pix_to_face[hit]]] * seen.bary[hit][..., None]).sum(1)
    out = np.zeros((size, size, 4), np.float32)
    out[hit, :3] = sample(scan.image, uv.astype(np.float32))
    out[hit, 3] = 1
    return out
