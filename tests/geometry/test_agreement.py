"""Agreement of image and normal map: high when both show the same grooves, none when they show different ones."""

import numpy as np

from models.geometry.agreement import agreement, shape_detail

R = 256
Y, X = np.mgrid[:R, :R]
ALL = np.ones((R, R), bool)


def grooves(shift=0.0):
    """Depth of vertical grooves 12 pixels apart."""
    return (1 + np.cos(2 * np.pi * (X + shift) / 12)) / 2


def normal_map(depth):
    slope = np.gradient(-2.0 * depth, axis=1)
    n = np.stack([-slope, 0 * slope, np.ones_like(slope)], -1)
    n /= np.linalg.norm(n, axis=-1, keepdims=True)
    return np.rint((n + 1) / 2 * 65535).astype(np.uint16)


def picture(depth):
    return np.repeat(np.rint(180 * np.exp(-0.3 * depth)).astype(np.uint8)[..., None], 3, 2)


def test_grooves_diverge_negatively():
    depth = grooves()
    detail = shape_detail(normal_map(depth))
    assert detail[10:-10, 10:-10][depth[10:-10, 10:-10] > 0.99].max() < 0


def test_the_same_grooves_agree_and_shifted_ones_do_not():
    depth = grooves()
    assert agreement(picture(depth), normal_map(depth), ALL) > 0.6
    assert agreement(picture(depth), normal_map(grooves(6)), ALL) < 0


def test_a_smooth_map_or_few_pixels_say_nothing():
    depth = grooves()
    flat = normal_map(0 * depth)
    assert np.isnan(agreement(picture(depth), flat, ALL))
    assert np.isnan(agreement(picture(depth), normal_map(depth), ALL & (X + R * Y < 20)))
