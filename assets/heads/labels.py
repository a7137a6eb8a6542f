"""Regions, landmarks and jaw contour lines of a head, from its mean shape and measured landmark points.

All of it happens on the fine mean mesh in the head frame (mm, z to the viewer). Jaw and hairline are found along
*rays*: curves in which half-planes through the nose (parallel to the viewing axis) cut the surface, walked from the
front of the face outwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import igl
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import sparse
from scipy.spatial import cKDTree

from models.heads.regions import Region

CHIN_TILT = 34.0  # degrees: the chin's outline is where a viewer this far above no longer sees the skin
SIDEWAYS = 0.08  # z of the normal below which the surface counts as turned away


@dataclass(frozen=True, eq=False)
class Surface:
    """The fine mean mesh with its normals; ``ears`` are vertices of the ears, ``bag`` and ``eye`` mark faces."""

    points: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    ears: Bool[np.ndarray, " v"]
    bag: Bool[np.ndarray, " f"]
    eye: Bool[np.ndarray, " f"]

    @cached_property
    def bag_vertices(self) -> Bool[np.ndarray, " v"]:
        """Vertices of the mouth bag."""
        inside = np.zeros(len(self.points), bool)
        inside[self.faces[self.bag]] = True
        return inside

    def normals(self) -> Float[np.ndarray, "v 3"]:
        """Vertex normals, smoothed over a few rings so that wrinkles do not count."""
        a, b, c = (self.points[self.faces[:, i]] for i in range(3))
        across = np.cross(b - a, c - a)
        rows = self.faces.T.ravel()
        spread = sparse.csr_matrix(
            (np.ones(len(rows)), (rows, np.tile(np.arange(len(self.faces)), 3))),
            (len(self.points), len(self.faces)),
        )
        normals = spread @ across
        for _ in range(3):
            normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
            normals = spread @ (spread.T @ normals)
        return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)


@dataclass(frozen=True, eq=False)
class Ray:
    """A walk over the surface: points (n,3), their nearest vertices, and where the outline seen from the front is."""

    points: Float[np.ndarray, "n 3"]
    vertices: Int[np.ndarray, " n"]
    outline: int
    mouth: int  # last step inside the mouth, 0 when the walk misses it


def walk(surface: Surface, normals: np.ndarray, centre: Float[np.ndarray, " 3"], angle: float) -> Ray:
    """Walk from the front point at ``centre`` (x, y) outwards at an angle (radians, 0 is +x, anticlockwise)."""
    out = np.array([np.cos(angle), np.sin(angle)])
    flat = surface.points[:, :2] - centre[:2]
    side = flat @ np.array([-out[1], out[0]])
    side = np.where(np.abs(side) < 1e-9, 1e-9, side)
    above = side[surface.faces] > 0
    crossed = np.flatnonzero(above.sum(1) % 3 != 0)
    ends: dict[tuple[int, int], list[int]] = {}
    keys = []
    for f in crossed:
        tri = surface.faces[f]
        pair = []
        for k in range(3):
            a, b = int(tri[k]), int(tri[(k + 1) % 3])
            if (side[a] > 0) != (side[b] > 0):
                key = (min(a, b), max(a, b))
                pair.append(key)
                ends.setdefault(key, []).append(len(keys))
        keys.append(pair)

    def place(key: tuple[int, int]) -> np.ndarray:
        a, b = key
        t = side[a] / (side[a] - side[b])
        return surface.points[a] * (1 - t) + surface.points[b] * t

    reach = {key: float((place(key)[:2] - centre[:2]) @ out) for key in ends}
    # Start where the walk leaves the axis: the crossing just outside it that is nearest to the viewer.
    start = max((k for k, r in reach.items() if 0 <= r < 6), key=lambda k: place(k)[2])
    path, seen = [start], {start}
    while options := [k for s in ends[path[-1]] for k in keys[s] if k not in seen]:
        # Two ways lead on from the start only; the walk may turn back inside the mouth, so it is never told where to.
        path.append(max(options, key=lambda k: reach[k]))
        seen.update(options)
        if reach[path[-1]] < -40:
            break
    points = np.array([place(k) for k in path])
    vertices = np.array([a if abs(side[a]) < abs(side[b]) else b for a, b in path])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    reach_out = (points[:, :2] - centre[:2]) @ out
    tilt = np.radians(CHIN_TILT) * max(0.0, -out[1]) ** 2
    view = np.array([0, np.sin(tilt), np.cos(tilt)])
    outline = len(path) - 1
    front = surface.bag_vertices[vertices] & (points[:, 2] > 0)
    mouth = int(np.flatnonzero(front).max(initial=0))
    for i in range(len(path)):
        ahead = (length >= length[i]) & (length < length[i] + 8)
        if reach_out[i] > 42 and i > mouth and (normals[vertices[ahead]] @ view).mean() < SIDEWAYS:
            outline = int(np.searchsorted(length, length[i] + 4))  # the middle of the stretch that turns away
            break
    return Ray(points, vertices, min(outline, len(path) - 1), mouth)


def locate(surface: Surface, targets: Float[np.ndarray, "n 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n,3) and barycentrics (n,3) of the surface points nearest to targets, mouth bag and eyes left out."""
    usable = surface.faces[~surface.bag]
    _, face, near = igl.point_mesh_squared_distance(targets, surface.points, usable.astype(np.int64))
    triples = usable[face]
    corners = [np.ascontiguousarray(surface.points[triples[:, i]]) for i in range(3)]
    bary = igl.barycentric_coordinates(np.ascontiguousarray(near), *corners)
    bary = np.clip(bary, 0, None)
    return triples.astype(np.int32), (bary / bary.sum(1, keepdims=True)).astype(np.float32)


def jaw(
    surface: Surface, normals: np.ndarray, marks: Float[np.ndarray, "68 3"], length: int = 26
) -> tuple[Float[np.ndarray, "17 3"], Int[np.ndarray, "17 l"]]:
    """Jaw landmarks on the outline of the frontal face, and the vertices each may slide over as the head turns.

    Their directions from the nose are those of the measured points; their places are where the surface turns away,
    which is what iBUG-68 annotators mark. A line starts on the cheek and ends behind the outline, before the ear.
    """
    centre = marks[33]
    points = np.zeros((17, 3))
    lines = np.full((17, length), -1, np.int32)
    angles = np.unwrap(np.arctan2(marks[:17, 1] - centre[1], marks[:17, 0] - centre[0]))
    angles = (angles - angles[::-1]) / 2 - np.pi / 2  # the mean head is symmetric, the measured points nearly
    for i, angle in enumerate(angles):
        ray = walk(surface, normals, centre, float(angle))
        stop = len(ray.vertices)
        ears = np.flatnonzero(surface.ears[ray.vertices])
        stop = min(stop, int(ears[0])) if len(ears) else stop
        outline = min(ray.outline, stop - 1)
        points[i] = ray.points[outline]
        along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(ray.points, axis=0), axis=1))])
        first, last = along[outline] - 55.0, along[outline] + 32.0
        reach = np.linalg.norm(ray.points[:, :2] - centre[:2], axis=1)
        order = np.arange(len(along))
        usable = np.flatnonzero((along >= first) & (along <= last) & (order < stop) & (order > ray.mouth))
        usable = usable[reach[usable] > 0.55 * reach[outline]]
        ids = list(dict.fromkeys(ray.vertices[usable].tolist()))
        if len(ids) > length:
            ids = [ids[k] for k in np.linspace(0, len(ids) - 1, length).round().astype(int)]
        lines[i, : len(ids)] = ids
    return points, lines


def regions(
    surface: Surface, marks: Float[np.ndarray, "68 3"], jaw_points: Float[np.ndarray, "17 3"]
) -> tuple[UInt8[np.ndarray, " v"], UInt8[np.ndarray, " f"]]:
    """Region of every vertex and face; brows, nose and lips are polygons between landmarks in frontal view."""
    normals = surface.normals()
    seen = _before_outline(surface, normals, marks[33])
    corners = surface.faces
    vertex = _label(surface, surface.points, normals, seen, surface.ears, marks, jaw_points[8])
    face = _label(
        surface,
        surface.points[corners].mean(1),
        normals[corners].mean(1),
        seen[corners].sum(1) > 1,
        surface.ears[corners].sum(1) > 1,
        marks,
        jaw_points[8],
    )
    face[_cut_off(corners, face == Region.SKIN) & (surface.points[corners].mean(1)[:, 1] < marks[33, 1])] = (
        Region.LIPS
    )
    face[surface.bag] = Region.INNER_MOUTH
    face[surface.eye] = Region.EYES
    vertex[surface.bag_vertices] = Region.INNER_MOUTH
    vertex[np.unique(corners[surface.eye])] = Region.EYES
    return vertex, face


def _cut_off(faces: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """Faces of a region that do not hang together with its largest piece by an edge."""
    index = np.flatnonzero(mine)
    ends = np.sort(np.concatenate([faces[index][:, [i, (i + 1) % 3]] for i in range(3)]), axis=1)
    _, edge = np.unique(ends, axis=0, return_inverse=True)
    uses = sparse.coo_matrix(
        (np.ones(len(ends)), (edge.reshape(-1), np.tile(np.arange(len(index)), 3)))
    ).tocsr()
    piece = sparse.csgraph.connected_components(uses.T @ uses, False)[1]
    out = np.zeros(len(faces), bool)
    out[index[piece != np.bincount(piece).argmax()]] = True
    return out


def _label(
    surface: Surface,
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    seen: Bool[np.ndarray, " n"],
    ears: Bool[np.ndarray, " n"],
    marks: Float[np.ndarray, "68 3"],
    chin: Float[np.ndarray, " 3"],
) -> UInt8[np.ndarray, " n"]:
    """Region of points of the surface from where they are, which way they face and whether the front view sees them."""
    x, y, z = points.T
    label = np.full(len(points), Region.SCALP, np.uint8)
    ear_front = np.quantile(surface.points[surface.ears, 2], 0.95)
    lobe = np.quantile(surface.points[surface.ears, 1], 0.03)
    t = np.clip((z - ear_front) / (chin[2] - ear_front), 0, 1)
    jaw_line = lobe - 6 + (chin[1] - lobe) * t**0.8
    label[y < lobe - 4] = Region.NECK
    brow = marks[17:27, 1].max()
    hair = brow + 52 - (x / 62) ** 4 * 22
    temple = marks[[36, 45], 2].mean() - 30  # where the hair begins beside the forehead
    sideburn = temple + np.clip((y - brow) * 0.35, 0, 12)
    behind = np.where(y > marks[36, 1] - 8, sideburn, np.minimum(ear_front + 2, sideburn))
    cheek = (y < hair) & (z > behind) & (y > jaw_line) & (normals[:, 1] > -0.72)
    cheek |= seen & (y < hair) & (z > temple - 14) & (y < brow)
    label[cheek] = Region.SKIN
    frontal = (z > temple) & (label == Region.SKIN)
    for five in (marks[17:22], marks[22:27]):
        label[frontal & _inside(points, _brow_polygon(five))] = Region.BROWS
    label[frontal & _inside(points, _nose_polygon(marks))] = Region.NOSE
    label[ears] = Region.EARS
    label[_inside(points, _grown(marks[48:60, :2], 0.6)) & (z > 30)] = Region.LIPS
    return label


def _before_outline(surface: Surface, normals: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Vertices in front of the frontal outline, along rays every three degrees."""
    samples, inside = [], []
    for angle in np.radians(np.arange(0.7, 360, 3.0)):
        ray = walk(surface, normals, centre, float(angle))
        samples.append(ray.points)
        inside.append(np.arange(len(ray.points)) <= ray.outline)
    _, nearest = cKDTree(np.concatenate(samples)).query(surface.points)
    return np.concatenate(inside)[nearest]


def _inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which points lie, seen from the front, in a polygon of x, y."""
    outline = polygon[:, None, :2].astype(np.float32)
    return np.array(
        [cv2.pointPolygonTest(outline, (float(x), float(y)), False) >= 0 for x, y in points[:, :2]]
    )


def _brow_polygon(brow: np.ndarray) -> np.ndarray:
    """A band around five brow points, thinner towards the temple."""
    thick = np.array([3.0, 4.0, 4.5, 5.0, 5.0])
    if brow[0, 0] > 0:
        thick = thick[::-1]
    up, down = brow[:, :2].copy(), brow[:, :2].copy()
    up[:, 1] += 0.5 * thick
    down[:, 1] -= thick
    return np.concatenate([up, down[::-1]])


def _nose_polygon(marks: np.ndarray) -> np.ndarray:
    """Bridge, wings and base of the nose."""
    top, base = marks[27], marks[33]
    wing = np.abs(marks[[31, 35], 0]).mean() + 6.5
    alar = (base[1] + marks[30, 1]) / 2
    left = [
        (-7, top[1] + 2),
        (-8, (top[1] + alar) / 2),
        (-wing, alar + 3),
        (-wing, base[1]),
        (-wing * 0.55, base[1] - 2),
    ]
    return np.array(left + [(0, base[1] - 2.5)] + [(-x, y) for x, y in reversed(left)])


def _grown(polygon: np.ndarray, by: float) -> np.ndarray:
    """A polygon scaled about its centre so that its border moves out by about ``by`` mm."""
    away = polygon - polygon.mean(0)
    return polygon + by * away / np.linalg.norm(away, axis=1, keepdims=True)
