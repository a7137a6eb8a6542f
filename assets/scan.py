"""A face scan with a photograph on it (``james`` of menpo3d), registered to the head and moved into its
atlas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from assets.atlas import Atlas, closest_points, sample
from assets.bake import SURFACE, Baked, finish
from models.geometry.light import LUMINANCE, decode_srgb
from models.geometry.normals import vertex_normals
from models.heads.linear import LinearHead
from models.heads.regions import Region

# The scan's landmarks are grouped (chin, eyes, brows, nose, mouth), not in iBUG order.
IBUG = (*range(17), *range(29, 34), *range(43, 48), *range(34, 43), *range(17, 29), *range(48, 68))
LANDMARK_NOISE = 2.5  # mm
SURFACE_NOISE = 2.0  # mm
SURFACE_COUNT = 600  # neighbouring vertices err together: all of them count as so many
ROUNDS = 12
REACH = 8.0  # mm: farther surface is not a match
CLOSE = (3.0, 6.0)  # mm from the scan at which a texel still counts fully, and no more
DARK = 0.45  # of the median luminance: forehead texels below are hair


@dataclass(frozen=True, eq=False)
class Scan:
    """Textured scan in millimetres; ``landmarks`` in iBUG order; row 0 of ``image`` is v = 1."""

    vertices: Float[np.ndarray, "n 3"]
    faces: Int[np.ndarray, "f 3"]
    uvs: Float[np.ndarray, "t 2"]
    face_uvs: Int[np.ndarray, "f 3"]
    landmarks: Float[np.ndarray, "68 3"]
    image: UInt8[np.ndarray, "h w 3"]


def read_scan(folder: Path) -> Scan:
    """Read ``james.obj``, ``james.jpg`` and ``james.ljson`` of a folder."""
    rows: dict[str, list[list[str]]] = {"v": [], "vt": [], "f": []}
    for line in (folder / "james.obj").read_text().splitlines():
        word, *rest = line.split() or [""]
        if word in rows:
            rows[word].append(rest)
    corners = np.array([[c.split("/")[:2] for c in r] for r in rows["f"]], dtype=np.int32) - 1
    marks = json.loads((folder / "james.ljson").read_text())["groups"]["LJSON"]["landmarks"]["points"]
    return Scan(
        vertices=np.array(rows["v"], dtype=np.float64)[:, :3],
        faces=corners[..., 0],
        uvs=np.array(rows["vt"], dtype=np.float32)[:, :2],
        face_uvs=corners[..., 1],
        landmarks=np.array(marks, dtype=np.float64)[list(IBUG)],
        image=np.array(Image.open(folder / "james.jpg").convert("RGB")),
    )


def register(head: LinearHead, scan: Scan) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, "n 3"]]:
    """Fit the head to the scan: head vertices, and the scan's vertices brought into the head frame (mm).

    Landmarks first, then nearest points of the surface as well; similarity and coefficients in turns.
    """
    basis = np.concatenate([head.id_basis, head.exp_basis]).astype(np.float64)
    pull = np.concatenate([np.ones(len(head.id_basis)), np.full(len(head.exp_basis), 1 / 0.25**2)])
    marks = _at_landmarks(head, basis)
    rows = np.flatnonzero(np.isin(head.vertex_region, SURFACE))[::3]
    x = np.zeros(len(basis))
    vertices = head.mean.astype(np.float64)
    for step in range(ROUNDS):
        points, goals = [head.landmarks(vertices)[17:]], [scan.landmarks[17:]]
        designs, noises = [marks[:, 17:]], [LANDMARK_NOISE]
        if step > 2:
            triangle, bary, _ = closest_points(vertices[rows], moved, scan.faces)
            goal = (scan.vertices[scan.faces[triangle]] * bary[..., None]).sum(1)
            gap = np.linalg.norm(
                (moved[scan.faces[triangle]] * bary[..., None]).sum(1) - vertices[rows], axis=1
            )
            near = gap < REACH
            points.append(vertices[rows[near]])
            goals.append(goal[near])
            designs.append(basis[:, rows[near]])
            noises.append(SURFACE_NOISE * float(np.sqrt(max(1, near.sum() / SURFACE_COUNT))))
        into_head = similarity(np.concatenate(goals), np.concatenate(points))
        moved = into_head(scan.vertices)
        gram, right = np.diag(pull).astype(np.float64), np.zeros(len(basis))
        for design, goal, point, noise in zip(designs, goals, points, noises, strict=True):
            flat = design.reshape(len(basis), -1)
            bare = point.reshape(-1) - x @ flat
            gram += flat @ flat.T / noise**2
            right += flat @ (into_head(goal).reshape(-1) - bare) / noise**2
        x = np.linalg.solve(gram, right)
        x[len(head.id_basis) :] = np.clip(x[len(head.id_basis) :], 0, 1)
        vertices = head.mean + np.tensordot(x, basis, 1)
    return vertices, moved


def bake_scan(scan: Scan, atlas: Atlas, skins: Mapping[str, UInt8[np.ndarray, "S S 3"]]) -> Baked:
    """The scan's photograph as a texture of the head, finished like any other photograph."""
    vertices, moved = register(atlas.head, scan)
    at = np.isin(atlas.region, SURFACE)
    triangle, bary, distance = closest_points(atlas.on_surface(vertices)[at], moved, scan.faces)
    normals = atlas.on_surface(vertex_normals(vertices.astype(np.float32), atlas.head.faces))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    scanned = vertex_normals(moved.astype(np.float32), scan.faces)[scan.faces[triangle]]
    agree = ((scanned * bary[..., None]).sum(1) * normals[at]).sum(1)
    uv = (scan.uvs[scan.face_uvs[triangle]] * bary[..., None]).sum(1).astype(np.float32)
    colour = np.zeros((atlas.size, atlas.size, 3), np.float32)
    picked = np.clip(sample(scan.image, uv), 0, 255)
    colour[at] = decode_srgb(np.rint(picked).astype(np.uint8))
    weight = np.zeros((atlas.size, atlas.size), np.float32)
    near = np.clip((CLOSE[1] - distance) / (CLOSE[1] - CLOSE[0]), 0, 1)
    weight[at] = near * np.clip((agree - 0.5) / 0.3, 0, 1)
    weight *= _not_hair(colour, weight, vertices, atlas)
    return finish(colour, weight, normals, atlas, skins)


def similarity(source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "n 3"]):
    """Least-squares scale, rotation and translation from source to target, as a function of points."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    R = (u * sign) @ vt
    scale = (d * sign).sum() / (a * a).sum()
    return lambda points: scale * (points - source.mean(0)) @ R.T + target.mean(0)


def _at_landmarks(head: LinearHead, basis: Float[np.ndarray, "m V 3"]) -> Float[np.ndarray, "m 68 3"]:
    return (basis[:, head.landmark_vertices] * head.landmark_bary[..., None]).sum(-2)


def _not_hair(
    colour: Float[np.ndarray, "S S 3"],
    weight: Float[np.ndarray, "S S"],
    vertices: Float[np.ndarray, "V 3"],
    atlas: Atlas,
) -> Float[np.ndarray, "S S"]:
    """0 on dark texels above the brows and around them: hair that falls into the forehead."""
    luminance = cv2.GaussianBlur(colour @ LUMINANCE, (0, 0), 3)
    height = atlas.on_surface(vertices)[..., 1]
    brows = height[atlas.region == Region.BROWS].max()
    typical = np.median(luminance[(weight > 0.5) & (atlas.region == Region.SKIN)])
    hair = (luminance < DARK * typical) & (height > brows) & (weight > 0)
    grain = np.ones((round(0.012 * atlas.size),) * 2, np.uint8)
    hair = cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_OPEN, grain)  # specks are skin
    radius = round(0.02 * atlas.size)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return 1.0 - cv2.dilate(hair.astype(np.float32), kernel)
