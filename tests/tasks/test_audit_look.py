from __future__ import annotations

import numpy as np
import pytest

from tasks.audit_look import Shape, _packed, picture, shape_of_row, skin_tone, unpacked

META = {
    "camera": {"scale": 0.007, "rotation": np.eye(3).tolist(), "translation": [0.1, -0.2]},
    "identity": [0.5, -1.0], "expression": [0.25],
}  # fmt: skip


def test_class_maps_are_packed_without_loss() -> None:
    classes = np.random.default_rng(0).integers(0, 19, (40, 40)).astype(np.uint8)
    assert (unpacked(_packed(classes)) == classes).all()
    assert picture(np.zeros((8, 8, 3), np.uint8))[:4] == b"RIFF"


def test_shapes_come_from_the_store_s_meta_and_from_notes() -> None:
    stored = Shape.of_meta(META)
    noted = shape_of_row({
        "scale": 0.007, "rotation": np.eye(3).ravel().tolist(), "translation": [0.1, -0.2],
        "identity": META["identity"], "expression": META["expression"],
    })  # fmt: skip
    for shape in (stored, noted):
        assert shape.camera.scale == 0.007
        assert shape.camera.translation.tolist() == [0.1, -0.2]
        assert shape.identity.tolist() == [0.5, -1.0]
        assert shape.expression.tolist() == [0.25]


@pytest.mark.parametrize(
    ("colour", "low", "high"),
    [((250, 225, 210), 55, 90), ((200, 150, 120), 15, 41), ((70, 45, 30), -90, -30)],
)
def test_light_skin_has_a_large_angle_and_dark_skin_a_negative_one(
    colour: tuple[int, ...], low: float, high: float
) -> None:
    image = np.full((20, 20, 3), colour, np.uint8)
    assert low < skin_tone(image, np.ones((20, 20), bool)) < high
    assert np.isnan(skin_tone(image, np.zeros((20, 20), bool)))
