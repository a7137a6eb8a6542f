"""The skin model: shadow, shine and paint move the three numbers that they should, and light moves none."""

import cv2
import numpy as np
import pytest

from models.geometry.light import basis
from models.geometry.skin import depart_from_skin

R = 96
V, U = (np.mgrid[:R, :R] + 0.5) / R * 2 - 1
BALL = U**2 + V**2 < 0.7
NORMALS = np.where(BALL[..., None], np.stack([U, -V, np.sqrt(np.clip(1 - U**2 - V**2, 0, 1))], -1), 0).astype(
    np.float32
)
SPOT = np.hypot(U - 0.25, V - 0.2) < 0.15


def lit(light: np.ndarray, skin: tuple[float, float, float] = (0.46, 0.27, 0.19)) -> np.ndarray:
    """A ball of skin under a light, linear RGB."""
    return np.clip(basis(NORMALS) @ light, 0.02, None)[..., None] * np.array(skin)


def photo(linear: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    noisy = np.clip(linear, 0, 1) ** (1 / 2.2) * 255 + rng.normal(0, 1.5, linear.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


LIGHTS = {
    "front": np.array([2.5, 0, 0.8, 0, 0, 0, 0, 0, 0]),
    "side": np.array([2.2, 0.3, 0.5, 1.2, 0, 0, 0.1, 0.2, 0]),
}


@pytest.mark.parametrize("light", LIGHTS)
def test_bare_skin_departs_nowhere(light):
    away = depart_from_skin(photo(lit(LIGHTS[light])), NORMALS, BALL)
    inside = cv2.erode(BALL.astype(np.uint8), np.ones((7, 7))) > 0
    assert np.quantile(np.abs(away.across[inside]), 0.98) < 3
    assert np.quantile(np.abs(away.along[inside]), 0.98) < 6
    assert np.median(np.abs(away.lightness[inside])) < 6


def test_shadow_shine_and_paint_are_told_apart():
    plain = lit(LIGHTS["front"])
    medians = {}
    for name, spot in {
        "shadow": plain * 0.35,
        "shine": plain + 0.25,
        "leaf": plain.mean(-1, keepdims=True) * np.array([0.4, 1.1, 0.35]),
    }.items():
        away = depart_from_skin(photo(np.where(SPOT[..., None], spot, plain)), NORMALS, BALL)
        core = cv2.erode(SPOT.astype(np.uint8), np.ones((5, 5))) > 0
        medians[name] = [float(np.median(part[core])) for part in (away.lightness, away.along, away.across)]
    assert medians["shadow"][0] < -12
    assert abs(medians["shadow"][1]) < 6
    assert abs(medians["shadow"][2]) < 4
    assert medians["shine"][0] > 8
    assert medians["shine"][1] < -6
    assert abs(medians["shine"][2]) < 5
    assert abs(medians["leaf"][2]) > 10


def test_a_third_that_is_no_skin_does_not_bend_the_model():
    plain, paint = lit(LIGHTS["side"]), np.array([0.05, 0.2, 0.5])
    covered = V > 0.35
    away = depart_from_skin(photo(np.where(covered[..., None], paint, plain)), NORMALS, BALL)
    bare = BALL & (V < 0.2)
    assert np.quantile(np.abs(away.across[bare]), 0.95) < 4


def test_no_skin_is_an_error():
    with pytest.raises(ValueError, match="at least 9 pixels of skin, got 0"):
        depart_from_skin(
            np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), bool)
        )
