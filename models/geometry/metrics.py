"""The measures of the FaceScape benchmark (facts §2.6): CD, MNE and CR of a reconstructed face against its truth.

Nothing but depth is aligned. Both surfaces are then seen from the vertical axis of the head, through a cylinder of
256 x 256 cells: the cells that both fill are the common region, and distances and normals are measured in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
from jaxtyping import Bool, Float, Int

from models.geometry.camera import ScaledOrtho
from models.geometry.rasterize import EMPTY_DEPTH, rasterize

CELLS = 256  # of the cylinder, around and along its axis
HALF_HEIGHT = 150.0  # mm above and below the head's origin
JUMP = 15.0  # mm of radius between neighbouring cells that are not one surface


@dataclass(frozen=True)
class Scores:
    """How far a reconstruction is from the truth."""

    cd: float  # chamfer distance in mm, the mean of vertex to surface distances both ways
    mne: float  # mean normal error as the benchmark computes it, radians (see :func:`quirky_angle`)
    angle: float  # mean angle between normals, radians
    cr: float  # completeness rate, per cent of the truth's cells that the reconstruction fills


@dataclass(frozen=True, eq=False)
class CylinderMap:
    """A head seen from its vertical axis: the outermost surface along each ray. Column 0 is the back of the head."""

    hit: Bool[np.ndarray, "n n"]
    triangle: Int[np.ndarray, "n n"]  # that is hit; 0 where nothing is
    points: Float[np.ndarray, "n n 3"]  # mm, head frame; zeros where nothing is hit
    normals: Float[np.ndarray, "n n 3"]  # of the triangle that is hit


def depth_shift(
    predicted: Float[np.ndarray, "V 3"],
    predicted_faces: Int[np.ndarray, "F 3"],
    truth: Float[np.ndarray, "W 3"],
    truth_faces: Int[np.ndarray, "G 3"],
    size: int = 256,
) -> float:
    """Cube depth to add to ``predicted`` so that the mean absolute difference of the two depth maps is least.

    Under an orthographic camera that is the median of the difference over the pixels that both cover.

    Raises:
        ValueError: the two meshes share no pixel.
    """
    ours = rasterize(predicted, predicted_faces, size, cull=False).depth
    theirs = rasterize(truth, truth_faces, size, cull=False).depth
    both = (ours > EMPTY_DEPTH) & (theirs > EMPTY_DEPTH)
    if not both.any():
        msg = (
            f"reconstruction and truth share none of {size} x {size} pixels, so their depth cannot be aligned; "
            "check that both are in the cube of the same photograph."
        )
        raise ValueError(msg)
    return float(np.median(theirs[both] - ours[both]))


def cylinder_map(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> CylinderMap:
    """Cast 256 x 256 rays outwards from the vertical axis of a head; the last hit of each counts.

    Triangles are drawn in the plane of angle and height with the radius as depth, which finds the triangle; the point
    itself is the exact intersection of ray and triangle plane.

    Args:
        vertices: millimetres, head frame (y up along the axis, z to the front).
        faces: triangles.
    """
    points = vertices.astype(np.float64)
    angle = np.arctan2(points[:, 0], points[:, 2])  # 0 at the front, so the seam lies at the back
    # Columns lie 2 pi / 255 apart, rows 300 / 255 mm (the benchmark's linspace), here at the pixel centres.
    column = (angle + np.pi) / (2 * np.pi) * (CELLS - 1)
    row = (HALF_HEIGHT - points[:, 1]) / (2 * HALF_HEIGHT) * (CELLS - 1)
    radius = np.hypot(points[:, 0], points[:, 2])
    flat, drawn = _unrolled(column, row, radius, faces)
    seen = rasterize(flat, drawn, CELLS, cull=False)
    hit = seen.pix_to_face >= 0
    triangle = np.where(hit, seen.pix_to_face % len(faces), 0)
    a, b, c = (points[faces[triangle, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    rows, columns = np.meshgrid(np.arange(CELLS), np.arange(CELLS), indexing="ij")
    theta = columns * (2 * np.pi / (CELLS - 1)) - np.pi
    ray = np.stack([np.sin(theta), np.zeros_like(theta), np.cos(theta)], -1)
    start = np.zeros_like(ray)
    start[..., 1] = HALF_HEIGHT - rows * (2 * HALF_HEIGHT / (CELLS - 1))
    facing = (normal * ray).sum(-1)
    hit &= np.abs(facing) > 1e-3  # a triangle that lies in its ray has no single hit
    length = ((a - start) * normal).sum(-1) / np.where(hit, facing, 1.0)
    hit &= length > 0
    found = np.where(hit[..., None], start + ray * length[..., None], 0.0)
    return CylinderMap(hit, np.where(hit, triangle, 0), found, np.where(hit[..., None], normal, 0.0))


def _unrolled(
    column: Float[np.ndarray, " V"],
    row: Float[np.ndarray, " V"],
    radius: Float[np.ndarray, " V"],
    faces: Int[np.ndarray, "F 3"],
) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "m 3"]]:
    """Vertices of the unrolled triangles in the rasteriser's cube, twice where a triangle crosses the seam.

    Triangle ``f`` keeps its number; its copy beyond the seam is ``f + F``.
    """
    around = column[faces]  # (F, 3)
    crosses = np.ptp(around, axis=1) > (CELLS - 1) / 2
    low = np.where(crosses[:, None] & (around > (CELLS - 1) / 2), around - (CELLS - 1), around)
    depth = radius[faces] / max(float(radius.max()), 1e-9)
    height = 1 - (2 * row[faces] + 1) / CELLS
    corners = [np.stack([(2 * x + 1) / CELLS - 1, height, depth], -1) for x in (low, low + CELLS - 1)]
    flat = np.concatenate(corners).reshape(-1, 3).astype(np.float32)
    index = np.arange(len(flat), dtype=np.int32).reshape(-1, 3)
    keep = np.concatenate([np.ones(len(faces), bool), crosses])
    return flat, np.where(keep[:, None], index, 0).astype(np.int32)  # a triangle of one point is not drawn


def masked_mesh(
    view: CylinderMap, cells: Bool[np.ndarray, "n n"]
) -> tuple[Float[np.ndarray, "k 3"], Int[np.ndarray, "m 3"]]:
    """The cylinder's grid as a mesh over the given cells, without triangles whose radius jumps by 15 mm or more."""
    number = np.full(cells.shape, -1, np.int64)
    number[cells] = np.arange(int(cells.sum()))
    radius = np.hypot(view.points[..., 0], view.points[..., 2])
    a, b, c, d = (
        (slice(i, CELLS - 1 + i), slice(j, CELLS - 1 + j)) for i, j in ((0, 0), (0, 1), (1, 0), (1, 1))
    )
    kept = []
    for corners in ((a, c, b), (b, c, d)):
        index = np.stack([number[k] for k in corners], -1)
        radii = np.stack([radius[k] for k in corners], -1)
        kept.append(index[(index >= 0).all(-1) & (np.ptp(radii, axis=-1) < JUMP)])
    return view.points[cells], np.concatenate(kept)


def quirky_angle(a: Float[np.ndarray, "n 3"], b: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """What the benchmark calls normal error: 1 is added to each component before the angle is taken, radians.

    Not a true angle; it makes published values comparable.
    """
    return true_angle(a + 1, b + 1)


def true_angle(a: Float[np.ndarray, "n 3"], b: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Angle between vectors, radians; exact for small angles too."""
    a = a / np.maximum(np.linalg.norm(a, axis=-1, keepdims=True), 1e-12)
    b = b / np.maximum(np.linalg.norm(b, axis=-1, keepdims=True), 1e-12)
    return 2 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1))


def compare(
    predicted: Float[np.ndarray, "V 3"],
    predicted_faces: Int[np.ndarray, "F 3"],
    truth: Float[np.ndarray, "W 3"],
    truth_faces: Int[np.ndarray, "G 3"],
    counted: Bool[np.ndarray, " G"],
) -> Scores:
    """Scores of two surfaces in millimetres, head frame, depth aligned already.

    Args:
        counted: triangles of the truth that count, such as the face's: the cells that they fill are the region.

    Returns:
        Scores; NaN everywhere but in ``cr`` when the surfaces share no cell.
    """
    theirs = cylinder_map(truth, truth_faces)
    return compare_maps(
        cylinder_map(predicted, predicted_faces), theirs, theirs.hit & counted[theirs.triangle]
    )


def compare_maps(ours: CylinderMap, theirs: CylinderMap, wanted: Bool[np.ndarray, "n n"]) -> Scores:
    """Scores of two surfaces seen from their axis; ``wanted`` are the cells of the truth that count."""
    both = ours.hit & wanted
    rate = 100.0 * float(both.sum()) / max(1, int(wanted.sum()))
    mesh, other = masked_mesh(ours, both), masked_mesh(theirs, both)
    if not len(mesh[1]) or not len(other[1]):
        return Scores(np.nan, np.nan, np.nan, rate)
    away = np.concatenate([_distances(mesh[0], other), _distances(other[0], mesh)])
    a, b = ours.normals[both], theirs.normals[both]
    return Scores(float(away.mean()), float(quirky_angle(a, b).mean()), float(true_angle(a, b).mean()), rate)


def compare_in_cube(
    predicted: Float[np.ndarray, "V 3"],
    predicted_faces: Int[np.ndarray, "F 3"],
    truth: Float[np.ndarray, "W 3"],
    truth_faces: Int[np.ndarray, "G 3"],
    counted: Bool[np.ndarray, " G"],
    pose: ScaledOrtho,
) -> Scores:
    """Align depth, take both surfaces from the cube to the head's frame in millimetres by the true pose, compare.

    Raises:
        ValueError: the two meshes share no pixel.
    """
    shift = depth_shift(predicted, predicted_faces, truth, truth_faces)
    moved = predicted + np.array([0, 0, shift], predicted.dtype)
    return compare(from_cube(moved, pose), predicted_faces, from_cube(truth, pose), truth_faces, counted)


def from_cube(points: Float[np.ndarray, "*n 3"], pose: ScaledOrtho) -> Float[np.ndarray, "*n 3"]:
    """Cube points to the head's frame in millimetres: the inverse of :meth:`ScaledOrtho.to_cube`."""
    shifted = points.astype(np.float64) - np.array([*pose.translation, 0.0])
    return shifted @ pose.rotation / pose.scale


def _distances(
    points: Float[np.ndarray, "n 3"], mesh: tuple[Float[np.ndarray, "k 3"], Int[np.ndarray, "m 3"]]
) -> Float[np.ndarray, " n"]:
    """Distance of each point to a mesh."""
    squared, _, _ = igl.point_mesh_squared_distance(points, *mesh)
    return np.sqrt(squared)
