"""A picture of known points: wherever augmentation moves the picture, the points must go too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry.camera import cube_to_pixel
from models.networks.classes import Parsing
from models.networks.sdf_augment import NONE, Augmentation, Example, augment, swap_sides

SIDE = 128
GEOMETRY = Augmentation(flip=0.5, zoom=0.1, shift=0.05, roll=20, light=0, blur=0, noise=0, jpeg=0, occluder=0)


def dotted() -> Example:
    """White squares around three known points."""
    points = np.float32([[-0.4, 0.3, 0.2], [0.25, -0.35, -0.1], [0.1, 0.45, 0.0]])
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    semantic = np.zeros((SIDE, SIDE), np.uint8)
    for k, (u, v) in enumerate(cube_to_pixel(points, SIDE)):
        box = (slice(int(v) - 3, int(v) + 4), slice(int(u) - 3, int(u) + 4))
        image[box], semantic[box] = 255, (Parsing.L_EYE, Parsing.R_EYE, Parsing.SKIN)[k]
    depth = np.full((SIDE, SIDE), np.nan, np.float32)
    for (u, v), z in zip(cube_to_pixel(points, SIDE), points[:, 2], strict=True):
        depth[int(v) - 6 : int(v) + 7, int(u) - 6 : int(u) + 7] = z
    return Example(image, semantic, points, np.float32([0.01, -0.02, 0.0]), depth)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_points_stay_on_their_pixels(seed: int) -> None:
    made = augment(dotted(), np.random.default_rng(seed), GEOMETRY)
    for u, v in cube_to_pixel(made.points, SIDE):
        assert made.image[int(v), int(u)].min() > 128
        assert made.semantic[int(v), int(u)] != 0


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_depth_map_moves_with_its_points(seed: int) -> None:
    made = augment(dotted(), np.random.default_rng(seed), GEOMETRY)
    for (u, v), z in zip(cube_to_pixel(made.points, SIDE), made.points[:, 2], strict=True):
        assert abs(made.depth[int(v), int(u)] - z) < 1e-4
    assert np.isnan(made.depth).mean() > 0.8


def test_a_flip_mirrors_points_and_sides_and_keeps_distances() -> None:
    before = dotted()
    made = augment(before, np.random.default_rng(0), Augmentation(1, 0, 0, 0, 0, 0, 0, 0))
    assert np.array_equal(made.points, before.points * [-1, 1, 1])
    assert np.array_equal(made.value, before.value)
    u, v = cube_to_pixel(made.points, SIDE)[0].astype(int)
    assert made.semantic[v, u] == Parsing.R_EYE


def test_a_zoom_scales_distances() -> None:
    before = dotted()
    made = augment(before, np.random.default_rng(1), Augmentation(0, 0.2, 0, 0, 0, 0, 0, 0))
    scale = made.points[0, 0] / before.points[0, 0]
    assert scale != 1
    assert np.allclose(made.value, before.value * scale)


def test_nothing_changes_when_nothing_may() -> None:
    before = dotted()
    made = augment(before, np.random.default_rng(2), NONE)
    for name in ("image", "semantic", "points", "value", "depth"):
        assert np.array_equal(getattr(made, name), getattr(before, name), equal_nan=name == "depth")


def test_an_occluder_is_background_in_the_parsing() -> None:
    plain = Example(
        np.full((SIDE, SIDE, 3), 90, np.uint8), np.full((SIDE, SIDE), Parsing.SKIN, np.uint8),
        np.zeros((1, 3), np.float32), np.zeros(1, np.float32), np.zeros((SIDE, SIDE), np.float32),
    )  # fmt: skip
    made = augment(plain, np.random.default_rng(3), replace(NONE, occluder=1))
    covered = made.semantic == Parsing.BACKGROUND
    assert 0.002 < covered.mean() < 0.2
    assert np.array_equal(covered, (made.image != 90).any(-1))


def test_equal_seeds_give_equal_examples() -> None:
    a, b = (augment(dotted(), np.random.default_rng(7), Augmentation()) for _ in range(2))
    assert np.array_equal(a.image, b.image)
    assert np.array_equal(a.points, b.points)


def test_swapping_sides_twice_is_nothing() -> None:
    classes = np.arange(len(Parsing), dtype=np.uint8)[None]
    assert np.array_equal(swap_sides(swap_sides(classes)), classes)
    assert not np.array_equal(swap_sides(classes), classes)
