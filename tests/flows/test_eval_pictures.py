from __future__ import annotations

import numpy as np

from flows.eval_pictures import heat_map, picture, sheet, truth_picture
from models.geometry.camera import ScaledOrtho
from models.geometry.truth import CubeTruth

POSE = ScaledOrtho(1 / 100, np.eye(3), np.zeros(2))


def plate(z: float, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    corners = np.array(
        [[-0.5, -0.5, z], [0.5, -0.5, z + tilt], [0.5, 0.5, z + tilt], [-0.5, 0.5, z]], np.float32
    )
    return corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def truth() -> CubeTruth:
    vertices, faces = plate(0.1)
    return CubeTruth(vertices, faces, np.ones(2, bool), POSE)


def test_heat_is_blue_where_depth_agrees_and_red_from_five_millimetres() -> None:
    cold = heat_map(plate(-0.2), truth(), 64)[32, 32]  # only depth differs, and that is aligned
    assert cold.argmax() == 2 or cold.max() < 120
    hot = heat_map(plate(0.1, 0.3), truth(), 64)  # 15 mm at both ends after alignment, 0 in the middle
    assert hot[32, 18].argmax() == 0
    assert (hot[2, 2] == 60).all()
    assert np.array_equal(hot[32, 18], heat_map(plate(0.1, 0.9), truth(), 64)[32, 18])  # saturated


def test_a_surface_that_is_seen_nowhere_before_the_truth_is_grey() -> None:
    vertices, faces = plate(0.1)
    beside = (vertices + np.float32([1.4, 0, 0]), faces)
    assert (heat_map(beside, truth(), 64) == 60).all()
    assert picture(np.zeros((64, 64, 3), np.uint8), beside, truth()).shape == (64, 128, 3)


def test_pictures_and_sheets_have_their_sizes() -> None:
    image = np.full((64, 64, 3), 99, np.uint8)
    tiles = [truth_picture(truth(), 64), picture(image, plate(0.1), truth()), picture(image, None, truth())]
    assert all(tile.shape == (64, 128, 3) for tile in tiles)
    made = sheet([image, image], ["truth", "a", "b"], [tiles, tiles])
    assert made.shape[1] == 160 + 4 + 3 * (320 + 4)
    assert (made[35 + 80, 80] == 99).all()
    assert picture(image, plate(0.1), None).shape == (64, 128, 3)
