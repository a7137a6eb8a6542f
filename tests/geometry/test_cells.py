import numpy as np

from models.geometry.cells import BLOCK, MARGIN, bounding_spheres, near_blocks, triangle_cells

CELLS = 6
RNG = np.random.default_rng(0)
CORNERS = RNG.uniform(2, BLOCK * CELLS - 3, (40, 1, 3)) + RNG.uniform(-1.5, 1.5, (40, 3, 3))


def test_spheres_hold_their_triangles_and_are_no_larger_than_needed():
    centre, radius = bounding_spheres(CORNERS)
    away = np.linalg.norm(CORNERS - centre[:, None], axis=-1)
    assert (away <= radius[:, None] + 1e-6).all()
    longest = np.linalg.norm(CORNERS - np.roll(CORNERS, 1, axis=1), axis=-1).max(axis=1)
    assert (radius <= 0.7 * longest + 1e-6).all()


def test_every_triangle_is_listed_where_its_corners_are():
    start, triangles = triangle_cells(CORNERS, CELLS)
    n = CELLS + 2 * MARGIN
    for f, corners in enumerate(CORNERS):
        for corner in corners:
            x, y, z = np.floor((corner + 0.5) / BLOCK).astype(int) + MARGIN
            k = (x * n + y) * n + z
            assert f in triangles[start[k] : start[k + 1]]


def test_near_blocks_are_those_within_reach():
    start, _ = triangle_cells(CORNERS[:1], CELLS)
    n = CELLS + 2 * MARGIN
    used = np.argwhere(np.diff(start).reshape(n, n, n) > 0) - MARGIN
    got = np.stack(np.unravel_index(near_blocks(start, CELLS, 1), (CELLS,) * 3), -1)
    every = np.argwhere(np.ones((CELLS,) * 3))
    want = every[(np.abs(every[:, None] - used).max(axis=-1) <= 1).any(axis=1)]
    np.testing.assert_array_equal(got, want)
