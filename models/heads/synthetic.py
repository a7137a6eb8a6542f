"""A small closed head made of formulas: every field of :class:`LinearHead` is valid, and tests with it are fast."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float

from models.heads.linear import LinearHead, Proxy
from models.heads.regions import Region

ROWS, COLUMNS = 41, 48
RADII = np.array([76.0, 116.0, 96.0])  # mm, half axes
EYES_X, EYES_Y, MOUTH_Y = 31.0, 30.0, -38.0  # mm


def _brow(side: float) -> list[tuple[float, float]]:
    return [(side * x, 46 + y) for x, y in ((50, 0), (42, 5), (33, 7), (23, 6), (14, 3))]


def _template() -> Float[np.ndarray, "68 2"]:
    """iBUG-68 points of the face in frontal view, head x and y in mm; point 0 is at the subject's right (x < 0)."""
    t = np.linspace(-1, 1, 17) * np.pi / 2
    jaw = [(71 * np.sin(a), 32 - 122 * np.cos(a) ** 0.9) for a in t]
    nose = [(0, y) for y in (31, 20, 9, 0)] + [(x, -8) for x in (-14, -7, 0, 7, 14)]
    ring = [(14, 0), (6, 5), (-6, 5), (-14, 0), (-6, -5), (6, -5)]
    right = [(-EYES_X - x, EYES_Y + y) for x, y in ring]
    left = [(EYES_X - x, EYES_Y + y) for x, y in ring]
    outer = [(-24, 0), (-15, 5), (-6, 8), (0, 7), (6, 8), (15, 5), (24, 0)]
    outer += [(15, -6), (7, -9), (0, -10), (-7, -9), (-15, -6)]
    inner = [(-20, 0), (-7, 2), (0, 2), (7, 2), (20, 0), (7, -2), (0, -2), (-7, -2)]
    mouth = [(x, MOUTH_Y + y) for x, y in outer + inner]
    brows = _brow(-1) + [(x, y) for x, y in reversed(_brow(1))]
    return np.array(jaw + brows + nose + right + left + mouth, float)


def _surface() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (V,3) mm, faces, uvs, face_uvs and the grid of vertex ids (ROWS-2, COLUMNS) from top to bottom."""
    polar = np.linspace(0, np.pi, ROWS)[1:-1]
    around = (np.arange(COLUMNS) / COLUMNS - 0.5) * 2 * np.pi  # starts at the back, so the seam is there
    ring = np.sin(polar)[:, None]
    unit = np.stack(
        [ring * np.sin(around), np.cos(polar)[:, None] + 0 * ring * around, ring * np.cos(around)], -1
    )
    points = np.concatenate([unit.reshape(-1, 3), [[0, 1, 0], [0, -1, 0]]]) * RADII
    x, y = points[:, 0], points[:, 1]
    front = points[:, 2] > 0
    points[:, 2] += front * 20 * np.exp(-((x / 13) ** 2) - ((y - 2) / 17) ** 2)
    points[:, 2] += front * 6 * np.exp(-((x / 26) ** 2) - ((y - MOUTH_Y) / 14) ** 2)
    grid = np.arange((ROWS - 2) * COLUMNS).reshape(ROWS - 2, COLUMNS)
    top, bottom = grid.size, grid.size + 1
    wide = np.arange((ROWS - 2) * (COLUMNS + 1)).reshape(ROWS - 2, COLUMNS + 1)
    u = np.linspace(0.01, 0.99, COLUMNS + 1)
    v = 1 - polar / np.pi
    uvs = np.stack(np.broadcast_arrays(u[None, :], v[:, None]), -1).reshape(-1, 2)
    poles = np.stack([np.tile((u[1:] + u[:-1]) / 2, 2), np.repeat([0.995, 0.005], COLUMNS)], 1)
    faces, face_uvs = [], []
    for j in range(COLUMNS):
        k, p = (j + 1) % COLUMNS, wide.size + j
        for i in range(ROWS - 3):
            faces += [
                (grid[i, j], grid[i + 1, j], grid[i + 1, k]),
                (grid[i, j], grid[i + 1, k], grid[i, k]),
            ]
            face_uvs += [
                (wide[i, j], wide[i + 1, j], wide[i + 1, j + 1]),
                (wide[i, j], wide[i + 1, j + 1], wide[i, j + 1]),
            ]
        faces += [(top, grid[0, j], grid[0, k]), (bottom, grid[-1, k], grid[-1, j])]
        face_uvs += [(p, wide[0, j], wide[0, j + 1]), (p + COLUMNS, wide[-1, j + 1], wide[-1, j])]
    return points, np.array(faces), np.concatenate([uvs, poles]), np.array(face_uvs), grid


def _regions(points: Float[np.ndarray, "n 3"]) -> np.ndarray:
    """Region of points on or near the mean surface."""
    x, y, z = points.T
    ex = np.abs(x) - EYES_X
    region = np.full(len(points), Region.SKIN)
    region[(y > 78) | (z < 10)] = Region.SCALP
    region[(np.abs(x) > 62) & (np.abs(z - 8) < 16) & (np.abs(y - 12) < 26)] = Region.EARS
    region[(z < 40) & (y < -66)] = Region.NECK
    front = z > 20
    region[front & (np.abs(x) < 17) & (y > -14) & (y < 28)] = Region.NOSE
    region[front & (np.abs(x) < 52) & (np.abs(x) > 12) & (np.abs(y - 49) < 6)] = Region.BROWS
    region[front & ((ex / 14) ** 2 + ((y - EYES_Y) / 8) ** 2 < 1)] = Region.EYES
    region[front & ((x / 25) ** 2 + ((y - MOUTH_Y) / 12) ** 2 < 1)] = Region.LIPS
    region[front & (np.abs(x) < 16) & (np.abs(y - MOUTH_Y) < 4)] = Region.INNER_MOUTH
    return region.astype(np.uint8)


def _locate(points: np.ndarray, faces: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Front triangle under each target (x, y), and the barycentric coordinates there (clipped into the triangle)."""
    corners = points[faces][:, :, :2]
    facing = points[faces][:, :, 2].mean(1) > 0
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    ap = targets[:, None] - a
    w1 = (ap[..., 0] * ac[:, 1] - ap[..., 1] * ac[:, 0]) / area
    w2 = (ab[:, 0] * ap[..., 1] - ab[:, 1] * ap[..., 0]) / area
    bary = np.stack([1 - w1 - w2, w1, w2], -1)
    best = np.where(facing, bary.min(-1), -np.inf).argmax(1)
    chosen = np.clip(bary[np.arange(len(targets)), best], 0, None)
    return faces[best], chosen / chosen.sum(1, keepdims=True)


def _octahedron(name: str, centre: np.ndarray, nearest: np.ndarray, mean: np.ndarray) -> Proxy:
    """An eight-sided eyeball that hangs on three vertices of the head."""
    corners = 12.0 * np.concatenate([np.eye(3), -np.eye(3)])
    faces = [(0, 1, 2), (1, 3, 2), (3, 4, 2), (4, 0, 2), (1, 0, 5), (3, 1, 5), (4, 3, 5), (0, 4, 5)]
    bind = np.tile(nearest, (6, 1)).astype(np.int32)
    weights = np.full((6, 3), 1 / 3, np.float32)
    offsets = corners + centre - (mean[bind] * weights[..., None]).sum(1)
    uvs = 0.5 + corners[:, :2] / 30
    triangles = np.array(faces, np.int32)
    return Proxy(
        name, triangles, uvs.astype(np.float32), triangles, bind, weights, offsets.astype(np.float32), "eye"
    )


@cache
def synthetic_head(seed: int = 0) -> LinearHead:
    """An ellipsoid with nose and lips: 1874 vertices, 8 smooth identity modes, 4 expressions, all fields valid."""
    rng = np.random.default_rng(seed)
    mean, faces, uvs, face_uvs, grid = _surface()
    waves = rng.normal(size=(8, 3, 3)) / RADII
    phases = rng.uniform(0, 2 * np.pi, (8, 3))
    angle = np.einsum("vd,kcd->kvc", mean, waves) + phases[:, None]
    id_basis = 2.5 * np.sin(angle) * np.array([1.0, 1.0, 0.8])
    x, y = mean[:, 0], mean[:, 1]
    front = (mean[:, 2] > 0).astype(float)
    below = front / (1 + np.exp((y - MOUTH_Y) / 2.5)) * np.exp(-((x / 45) ** 2))
    exp_basis = np.zeros((4, len(mean), 3))
    exp_basis[0, :, 1] = -16 * below  # jawOpen
    corner = front * np.exp(-(((np.abs(x) - 24) / 9) ** 2) - ((y - MOUTH_Y) / 9) ** 2)
    exp_basis[1] = np.stack([5 * np.sign(x) * corner, 6 * corner, -2 * corner], 1)  # mouthSmile
    for i, side in enumerate((1.0, -1.0)):  # eyeBlinkLeft, eyeBlinkRight
        lid = front * np.exp(-(((x - side * EYES_X) / 11) ** 2) - ((y - EYES_Y - 4) / 5) ** 2)
        exp_basis[2 + i, :, 1] = -6 * lid
    vertices, bary = _locate(mean, faces, _template())
    contour = np.full((17, 12), -1, np.int32)
    points = (mean[vertices] * bary[..., None]).sum(1)
    for i in range(17):
        row, column = np.unravel_index(np.linalg.norm(mean[grid] - points[i], axis=-1).argmin(), grid.shape)
        step = 1 if i < 8 else -1  # away from the nose is towards the ear
        away = 6 if i != 8 else 1
        columns = (column + step * np.arange(-away + 1, away + 1)) % COLUMNS
        contour[i, : 2 * away] = grid[row, columns]
    proxies = tuple(
        _octahedron(
            name, centre := np.array([s * EYES_X, EYES_Y, 70.0]),
            np.argsort(np.linalg.norm(mean - centre, axis=1), kind="stable")[:3], mean,
        )
        for name, s in (("eye_l", 1.0), ("eye_r", -1.0))
    )  # fmt: skip
    return LinearHead(
        name=f"synthetic{seed}",
        mean=mean.astype(np.float32),
        id_basis=id_basis.astype(np.float32),
        exp_basis=exp_basis.astype(np.float32),
        exp_names=("jawOpen", "mouthSmile", "eyeBlinkLeft", "eyeBlinkRight"),
        faces=faces.astype(np.int32),
        uvs=uvs.astype(np.float32),
        face_uvs=face_uvs.astype(np.int32),
        vertex_region=_regions(mean),
        face_region=_regions(mean[faces].mean(1)),
        landmark_vertices=vertices.astype(np.int32),
        landmark_bary=bary.astype(np.float32),
        contour=contour,
        proxies=proxies,
        source_uvs=uvs.astype(np.float32),
        face_source_uvs=face_uvs.astype(np.int32),
        provenance={"source": "formulas in models/heads/synthetic.py", "license": "Apache-2.0"},
    )
