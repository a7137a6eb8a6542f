"""The mouth's input and network: measures of known mouths, what is never read, and what an untrained one shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.networks.mouth import (
    CHANNELS,
    FEATURES,
    MouthMeasures,
    MouthNet,
    mouth_box,
    mouth_input,
    mouth_measures,
    paint_mouth,
    rendered_share,
)

SMILE = MouthMeasures(8.0, 60.0)


def turned(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def opening(side: int, height: float, axis: np.ndarray, width: float = 0.7) -> np.ndarray:
    """An ellipse along the axis; height and width as shares of the side."""
    v, u = np.mgrid[:side, :side] + 0.5 - side / 2
    right, down = u * axis[0] + v * axis[1], v * axis[0] - u * axis[1]
    return np.hypot(right / (width * side / 2), down / (height * side / 2)) < 1


def picture(mouth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lips of one colour, and teeth with dark lines between them."""
    image = np.full((*mouth.shape, 3), (190, 110, 100), np.uint8)
    inside = np.full_like(image, (210, 200, 180))
    inside[:, ::4] = (60, 40, 40)
    return image, inside


@settings(max_examples=25, deadline=None)
@given(angle=st.floats(-60, 60), height=st.floats(0.06, 0.5), ppm=st.floats(0.8, 2.4))
def test_features_are_finite_and_measure_the_mouth(angle: float, height: float, ppm: float) -> None:
    axis = turned(angle)
    mouth = opening(64, height, axis)
    image, inside = picture(mouth)
    x = mouth_input(image, inside, mouth, mouth, axis, ppm, SMILE)
    assert x.shape == (CHANNELS + FEATURES, 64, 64)
    assert np.isfinite(x).all()
    assert not x[CHANNELS:, ~mouth].any()
    np.testing.assert_array_equal(x[3] > 0, mouth)
    width = 50 * (x[CHANNELS + 8, mouth][0] + 0.9)
    assert width == pytest.approx(0.7 * 64 / ppm, abs=3 / ppm)
    aperture = 20 * (x[CHANNELS + 7, mouth][0] + 0.8)
    assert aperture == pytest.approx(height * 64 / ppm, abs=2.5 / ppm + 0.1 * height * 64 / ppm)


def test_depth_grows_from_the_upper_lip_to_the_lower_one() -> None:
    mouth = opening(64, 0.4, turned(0))
    x = mouth_input(*picture(mouth), mouth, mouth, turned(0), 1.2, SMILE)
    depth = x[CHANNELS, :, 32][mouth[:, 32]]
    assert (np.diff(depth) > 0).all()
    assert depth[0] < -0.4 < 0.4 < depth[-1]


def test_hidden_colours_are_never_read() -> None:
    mouth = opening(48, 0.3, turned(10))
    image, inside = picture(mouth)
    other, outside = image.copy(), inside.copy()
    other[mouth], outside[~mouth] = (0, 255, 0), 7
    one, two = (
        mouth_input(a, b, mouth, mouth, turned(10), 1.2, SMILE)
        for a, b in ((image, inside), (other, outside))
    )
    np.testing.assert_array_equal(one, two)


def test_black_is_no_face() -> None:
    """At the edge of a profile the lips go on, not the background."""
    mouth = opening(48, 0.3, turned(0))
    image, inside = picture(mouth)
    image[:, 36:] = 0
    x = mouth_input(image, inside, mouth, mouth, turned(0), 1.2, SMILE)
    assert x[0, mouth].min() > 0.5
    everything = np.ones_like(mouth)
    assert np.isfinite(mouth_input(image, inside, mouth, everything, turned(0), 1.2, SMILE)).all()


def test_an_untrained_mouth_continues_the_lips_when_narrow_and_shows_the_interior_when_wide() -> None:
    net = MouthNet().eval()
    for height, drawn in ((0.1, False), (0.8, True)):
        mouth = opening(64, height, turned(0))
        image, inside = picture(mouth)
        x = mouth_input(image, inside, mouth, mouth, turned(0), 1.2, SMILE)
        painted = 255 * net(torch.from_numpy(x[None]))[0].detach().numpy().transpose(1, 2, 0)
        if drawn:
            np.testing.assert_allclose(painted[mouth], inside[mouth], atol=1)
        else:
            assert painted[mouth].std(0).max() < 25
            np.testing.assert_allclose(painted[mouth].mean(0), (190, 110, 100), atol=10)
        np.testing.assert_allclose(painted[~mouth], image[~mouth], atol=1)


def test_the_size_of_the_picture_hardly_matters() -> None:
    """The same mouth at twice the pixels has the same colours."""
    net = MouthNet().eval()
    with torch.no_grad():
        net.tail.weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(0))
    means = []
    for side, ppm in ((64, 1.2), (128, 2.4)):
        mouth = opening(side, 0.2, turned(0))
        image, inside = picture(mouth)
        inside[:] = (200, 190, 170)
        x = mouth_input(image, inside, mouth, mouth, turned(0), ppm, SMILE)
        means.append(net(torch.from_numpy(x[None]))[0].detach().numpy()[:, mouth].mean(1))
    np.testing.assert_allclose(means[0], means[1], atol=0.02)


def test_measures_of_a_smile() -> None:
    points = np.zeros((68, 2))
    points[48], points[54], points[62], points[66] = (-30, 0), (30, 0), (0, 5), (0, 11)
    axis = turned(25)
    rotation = np.array([[axis[0], axis[1]], [-axis[1], axis[0]]])
    measures = mouth_measures(2 * points @ rotation, axis, 2.0)
    assert measures.lift == pytest.approx(8)
    assert measures.width == pytest.approx(60)


def test_painting_gives_one_colour_per_pixel_of_the_mouth() -> None:
    points = np.zeros((68, 2), np.float32)
    points[36:42], points[42:48], points[48:] = (17, 15), (47, 15), (32, 45)
    mouth = np.zeros((64, 64), bool)
    mouth[43:48, 24:40] = True
    image, inside = picture(mouth)
    colours = paint_mouth(MouthNet().eval(), image, inside, mouth, mouth, points)
    assert colours.shape == (mouth.sum(), 3)
    assert 0 <= colours.min() <= colours.max() <= 1
    assert mouth_box(mouth, 0.5) == (slice(40, 51), slice(21, 43))


def test_teeth_of_the_head_fade_in_as_the_lips_part() -> None:
    points = np.zeros((68, 2), np.float32)
    points[36:42], points[42:48], points[48:] = (33, 30), (96, 30), (64, 98)  # a pixel per millimetre
    shares = []
    for height in range(1, 9):
        mouth = np.zeros((128, 128), bool)
        mouth[94 : 94 + height, 48:80] = True
        shares.append(rendered_share(mouth, points))
    assert shares[0] == 0
    assert shares[-1] == 1
    assert (np.diff(shares) >= 0).all()
    assert max(np.diff(shares)) < 0.5
