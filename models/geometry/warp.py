"""Moves the edge of a photo's face onto the edge of the new face (paper §3.2; facts §6.6).

The face mask M lies inside the photo's parsed face P. Where the head's render ends before the photo's face does, a
strip of the old face would stay visible around M. The photo is therefore pulled inwards there: its ears, neck, hair
and background follow P's contour to M's. The new face itself is never warped.

The flow is an inverse map, ``output pixel -> photo pixel``. On the contour of M it must lead to a point of the photo
that lies ``RIM`` pixels inside P: a thin rim of the photo's own skin stays around M and gives the blend its colours.
Where M already ends closer than that to P's contour, the photo stays in place; that includes hair and glasses in front
of the face, because there both contours are one. The condition is put on signed distances, so it holds for contours of
any shape and needs no matching of points: ``distance_P(x + flow(x)) = -min(depth(x), RIM)``. Newton steps along the
distance's gradient alternate with the smoothest flow on a coarse grid (nodes every 1/32 of the side) that meets them;
nodes on the image border and beyond a ring around M stand still.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import sparse
from scipy.sparse.linalg import splu

RIM = 0.5  # pixels of the photo's face that stay visible around the new one: every one shifts the jaw that is seen
CELLS = 32  # grid cells along a side: 8 pixels each at 256²
RING = 0.25  # least width of the ring in which the flow fades out, in units of the face's radius
REACH = 3.0  # and in units of the largest depth: a slope of 1/3 does not fold
STEPS = 6  # Newton steps
MEMBRANE = 0.02  # weight of the flow's smoothness against one point of the contour
MIN_JACOBIAN = 0.15  # below, texture is visibly torn or folded
SHRINK = 0.85  # factor on the amplitude while the flow folds


@dataclass(frozen=True)
class Flow:
    """An inverse warp: the output at pixel x shows the photo at ``x + flow(x)``."""

    displacement: Float[np.ndarray, "h w 2"]  # float32 pixels, u right, v down
    amplitude: float  # 1, or less where the full flow would have folded
    jacobian: float  # smallest determinant of the map outside the face mask

    @property
    def largest(self) -> float:
        """Length of the largest displacement in pixels."""
        return float(np.sqrt((self.displacement**2).sum(-1).max()))


def edge_flow(photo_face: Bool[np.ndarray, "h w"], target: Bool[np.ndarray, "h w"]) -> Flow:
    """The flow that brings the contour of ``photo_face`` to that of ``target``.

    Args:
        photo_face: parsed face P of the photo; parts that do not touch ``target`` are other people's.
        target: face mask M.

    Returns:
        The flow, zero when there is nothing to move. Its amplitude is reduced until no pixel folds.
    """
    size = max(target.shape)
    still = Flow(np.zeros((*target.shape, 2), np.float32), 1.0, 1.0)
    face = _touching(photo_face | target, target)
    inner = cv2.erode(target.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    rows, cols = np.nonzero(target & (inner == 0))
    if not len(rows) or not target.any():
        return still
    distance = signed_distance(face)
    depth = -distance[rows, cols]
    if depth.max() <= RIM:
        return still
    goal = -np.minimum(depth, RIM)
    ring = max(RING * np.sqrt(target.sum() / np.pi), REACH * float(depth.max()))
    grid = _Grid.build(target, np.stack([cols, rows], -1) + 0.5, ring, size / CELLS)
    nodes = grid.fit(distance, goal)
    amplitude = 1.0
    while True:
        flow = grid.upsample(amplitude * nodes)
        least = _least_jacobian(flow, ~target)
        if least >= MIN_JACOBIAN or amplitude < 0.05:
            break
        amplitude *= SHRINK
    if least <= 0:
        return still
    return Flow(flow, amplitude, least)


def apply(
    flow: Flow, photo: UInt8[np.ndarray, "h w 3"], parsing: UInt8[np.ndarray, "h w"]
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
    """The warped photo (cubic) and parsing (nearest)."""
    if not flow.displacement.any():
        return photo.copy(), parsing.copy()
    height, width = parsing.shape
    # cv2 puts the centre of the first pixel at 0; displacements do not care.
    u = np.arange(width, dtype=np.float32)[None] + flow.displacement[..., 0]
    v = np.arange(height, dtype=np.float32)[:, None] + flow.displacement[..., 1]
    image = cv2.remap(photo, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    classes = cv2.remap(parsing, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return image, classes


def leftover(
    warped_face: Bool[np.ndarray, "h w"], target: Bool[np.ndarray, "h w"], margin: float = 2.0
) -> float:
    """Old face that is still seen around the new one: its pixels beyond ``margin`` per pixel of the mask's contour."""
    outside = cv2.distanceTransform((~target).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    edge = int(((outside > 0) & (outside <= 1)).sum())
    face = _touching(warped_face | target, target)
    return float((face & (outside > margin)).sum() / max(edge, 1))


def signed_distance(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Distance of pixel centres to the mask's contour in pixels, negative inside; the image border is no contour."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(mask, 0.5 - inside, outside - 0.5)


def _touching(mask: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """The 8-connected parts of ``mask`` that meet ``seed``."""
    count, label = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    keep = np.zeros(count, bool)
    keep[np.unique(label[seed])] = True
    keep[0] = False
    return keep[label]


def _sample(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Bilinear values of (h, w[, c]) at pixel coordinates (n, 2)."""
    u, v = points[:, 0].astype(np.float32) - 0.5, points[:, 1].astype(np.float32) - 0.5
    value = cv2.remap(field, u[:, None], v[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return value[:, 0]


def _least_jacobian(flow: np.ndarray, where: np.ndarray) -> float:
    """Smallest determinant of ``x -> x + flow(x)`` over pixel cells whose corners lie in ``where``."""
    dx, dy = np.diff(flow, axis=1)[:-1], np.diff(flow, axis=0)[:, :-1]
    determinant = (1 + dx[..., 0]) * (1 + dy[..., 1]) - dx[..., 1] * dy[..., 0]
    cells = where[:-1, :-1] | where[1:, :-1] | where[:-1, 1:] | where[1:, 1:]
    return float(determinant[cells].min()) if cells.any() else 1.0


@dataclass(frozen=True)
class _Grid:
    """A coarse grid of displacements and the factorised problem that fits it to points of a contour."""

    points: np.ndarray  # (n, 2) pixel coordinates
    spread: sparse.csr_matrix  # (n, free nodes): bilinear weights
    solver: object  # of the normal equations
    free: np.ndarray  # (rows, cols) bool
    shape: tuple[int, int]
    cell: float

    @classmethod
    def build(cls, target: np.ndarray, points: np.ndarray, ring: float, cell: float) -> _Grid:
        height, width = target.shape
        rows, cols = int(np.ceil(height / cell)) + 1, int(np.ceil(width / cell)) + 1
        outside = cv2.distanceTransform((~target).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        v = np.clip((np.arange(rows) * cell).astype(int), 0, height - 1)
        u = np.clip((np.arange(cols) * cell).astype(int), 0, width - 1)
        free = outside[np.ix_(v, u)] < ring
        free[[0, -1]] = free[:, [0, -1]] = False  # the image border stands still
        number = np.full(free.shape, -1)
        number[free] = np.arange(free.sum())
        place = points / cell
        corner = np.minimum(place.astype(int), [cols - 2, rows - 2])
        part = place - corner
        entries = []
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = np.where(j, part[:, 0], 1 - part[:, 0]) * np.where(i, part[:, 1], 1 - part[:, 1])
            node = number[corner[:, 1] + i, corner[:, 0] + j]
            k = np.flatnonzero(node >= 0)
            entries.append((weight[k], k, node[k]))
        values, which, nodes = (np.concatenate(x) for x in zip(*entries, strict=True))
        spread = sparse.csr_matrix((values, (which, nodes)), shape=(len(points), int(free.sum())))
        normal = spread.T @ spread + MEMBRANE * _membrane(number)
        return cls(points, spread, splu(normal.tocsc(), permc_spec="MMD_AT_PLUS_A"), free, target.shape, cell)

    def fit(self, distance: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Nodes (rows, cols, 2) of the smoothest flow that leads every point to its goal distance."""
        smooth = cv2.GaussianBlur(distance.astype(np.float32), (0, 0), 1.0)
        gradient = np.stack([cv2.Scharr(smooth, cv2.CV_32F, *d, scale=1 / 32) for d in ((1, 0), (0, 1))], -1)
        nodes = np.zeros((self.spread.shape[1], 2))
        for _ in range(STEPS):
            moved = self.spread @ nodes
            at = self.points + moved
            slope = _sample(gradient, at)
            steep = np.maximum((slope**2).sum(-1, keepdims=True), 0.25)
            wanted = moved + (goal - _sample(smooth, at))[:, None] * slope / steep
            nodes = self.solver.solve(self.spread.T @ wanted)  # type: ignore[attr-defined]
        full = np.zeros((*self.free.shape, 2), np.float32)
        full[self.free] = nodes
        return full

    def upsample(self, nodes: np.ndarray) -> np.ndarray:
        """Displacement (h, w, 2) float32 at every pixel centre; bilinear between nodes, as the fit assumes."""
        height, width = self.shape
        u = ((np.arange(width) + 0.5) / self.cell).astype(np.float32)
        v = ((np.arange(height) + 0.5) / self.cell).astype(np.float32)
        return cv2.remap(nodes, *np.meshgrid(u, v), cv2.INTER_LINEAR)


def _membrane(number: np.ndarray) -> sparse.csr_matrix:
    """Laplacian of the free nodes, with every other node fixed at zero."""
    n = int(number.max()) + 1
    values, rows, cols = [], [], []
    for a, b in ((number[:, 1:], number[:, :-1]), (number[1:], number[:-1])):
        both, either = (a >= 0) & (b >= 0), ((a >= 0) | (b >= 0))
        for end in (a, b):
            k = end[either & (end >= 0)]
            values.append(np.ones(len(k)))
            rows.append(k)
            cols.append(k)
        for one, two in ((a, b), (b, a)):
            values.append(-np.ones(int(both.sum())))
            rows.append(one[both])
            cols.append(two[both])
    return sparse.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols))), shape=(n, n)
    )
