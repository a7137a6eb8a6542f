"""Canonical crops, sketches, and the promise that only hole pixels change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from models.networks.completion import (
    IRIS_COLOURS,
    IRIS_WEIGHTS,
    CompletionNet,
    complete,
    eye_sketch,
    load_completion,
    looking_iris,
)
from models.networks.crops import crop_frame, face_axes, hole_frames
from tests.networks.plain_face import face_hole, face_points


def mouth_of(render: np.ndarray) -> np.ndarray:
    """A picture of what the mouth shows: two rows of teeth in the dark."""
    inside = np.full_like(render, (60, 30, 28))
    inside[:, ::3] = (215, 205, 190)
    return inside


def rough_net() -> CompletionNet:
    """A network whose last layers are not zero, so that it paints something."""
    net = CompletionNet(width=12)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.03 * torch.randn(p.shape, generator=generator))
    return net.eval()


@settings(max_examples=12, deadline=None)
@given(side=st.sampled_from([96, 200, 256]), turn=st.floats(-1.0, 1.0), seed=st.integers(0, 999))
def test_only_hole_pixels_change(side: int, turn: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    render = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    points = face_points(side, turn)
    hole = face_hole(points, side) | (rng.random((side, side)) > 0.9995)
    answer = complete(rough_net(), render, mouth_of(render), hole, points)
    np.testing.assert_array_equal(answer[~hole], render[~hole])
    assert (answer[hole] != render[hole]).any()


def test_without_a_hole_the_render_comes_back() -> None:
    render = np.full((64, 64, 3), 9, np.uint8)
    answer = complete(rough_net(), render, render, np.zeros((64, 64), bool), face_points(64))
    np.testing.assert_array_equal(answer, render)
    assert answer is not render


def test_colours_of_the_hole_never_matter() -> None:
    points = face_points(128)
    hole = face_hole(points, 128)
    rng = np.random.default_rng(0)
    render = rng.integers(60, 200, (128, 128, 3), dtype=np.uint8)
    other = render.copy()
    other[hole] = 255 - other[hole]
    net = rough_net()
    inside = mouth_of(render)
    eyes_changed = np.where(face_hole(points, 128, mouth=False)[..., None], 255 - inside, inside).astype(
        np.uint8
    )
    np.testing.assert_array_equal(
        complete(net, render, inside, hole, points), complete(net, other, eyes_changed, hole, points)
    )


def test_looking_iris_is_of_human_size_and_inside_the_aperture() -> None:
    side = 256
    points = face_points(side)
    scale, _, _ = face_axes(points)
    frame, pixels = hole_frames(points, face_hole(points, side))[0]
    aperture = frame.cut(pixels.astype(np.float32)) > 0.5
    iris = looking_iris(frame, aperture, scale, IRIS_COLOURS[0])
    assert iris.radius == pytest.approx(6.5 * 1.6, rel=0.05)
    assert aperture[int(iris.v), int(iris.u)]


def test_sketch_shows_the_iris_and_keeps_what_is_known() -> None:
    colour = np.full((48, 80, 3), 0.6, np.float32)
    hole = np.zeros((48, 80), bool)
    hole[15:33, 15:65] = True
    iris = looking_iris(
        crop_frame("eye_right", np.zeros(2), 1.6, np.array([1.0, 0.0])), hole, 1.6, (0.3, 0.2, 0.1)
    )
    x = eye_sketch(colour, hole, iris)
    assert x.shape == (5, 48, 80)
    np.testing.assert_allclose(x[:3, ~hole], 0.6, atol=1e-6)
    u, v = int(iris.u), int(iris.v)
    assert x[:3, v, u].max() < 0.1  # pupil
    assert x[:3, 16, 60].min() > 0.5  # sclera
    assert x[4, v, u] == 1
    assert x[4].max() <= 1


def test_iris_palette_is_a_distribution() -> None:
    assert len(IRIS_COLOURS) == len(IRIS_WEIGHTS)
    assert sum(IRIS_WEIGHTS) == pytest.approx(1)


def test_weights_survive_the_file(tmp_path: Path) -> None:
    net = rough_net()
    save_file({k: v.to(torch.bfloat16) for k, v in net.state_dict().items()}, tmp_path / "w.safetensors")
    loaded = load_completion(tmp_path / "w.safetensors")
    for name, value in net.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, atol=0, rtol=0.01)


def test_profile_with_one_eye_is_painted() -> None:
    points = face_points(128)
    hole = face_hole(points, 128, mouth=False)
    hole[:, :64] = False
    render = np.full((128, 128, 3), 120, np.uint8)
    answer = complete(rough_net(), render, mouth_of(render), hole, points)
    assert (answer[hole] != 120).any()


def test_gaze_moves_both_irises_the_same_way() -> None:
    side = 256
    points = face_points(side)
    scale, _, _ = face_axes(points)
    centres = []
    for gaze in ((0.0, 0.0), (2.0, 1.0)):
        for frame, pixels in hole_frames(points, face_hole(points, side, mouth=False)):
            aperture = frame.cut(pixels.astype(np.float32)) > 0.5
            iris = looking_iris(frame, aperture, scale, IRIS_COLOURS[0], gaze)
            centres.append(frame.matrix @ [iris.u, iris.v, 1.0])
    moved = (np.array(centres[2:]) - centres[:2]) / scale
    np.testing.assert_allclose(moved, [[2, 1], [2, 1]], atol=1e-5)


def test_grey_renders_get_grey_eyes_and_mouths() -> None:
    side = 128
    points = face_points(side)
    hole = face_hole(points, side)
    render = np.full((side, side, 3), 150, np.uint8)
    answer = complete(rough_net(), render, mouth_of(render), hole, points)
    assert np.ptp(answer, axis=-1).max() == 0
    coloured = np.full((side, side, 3), (190, 150, 120), np.uint8)
    answer = complete(rough_net(), coloured, mouth_of(coloured), hole, points)
    assert np.ptp(answer[hole], axis=-1).max() > 5


@pytest.mark.parametrize("rendered", [("mouth",), ("eyes",), ("eyes", "mouth")])
def test_rendered_openings_are_the_interior_s(rendered: tuple[str, ...]) -> None:
    side = 128
    points = face_points(side)
    hole = face_hole(points, side)
    eyes = face_hole(points, side, mouth=False)
    render = np.full((side, side, 3), (190, 150, 120), np.uint8)
    inside = mouth_of(render)
    answer = complete(rough_net(), render, inside, hole, points, rendered=rendered)
    for name, pixels in (("eyes", eyes), ("mouth", hole & ~eyes)):
        assert (answer[pixels] == inside[pixels]).all() == (name in rendered)


def test_golden_untrained(golden: Callable[..., None]) -> None:
    """Before training the answer is the sketch: sclera, iris and pupil at the camera, the drawn mouth."""
    side = 64
    points = face_points(side)
    hole = face_hole(points, side)
    v, u = np.mgrid[:side, :side] / side
    render = np.stack([230 - 60 * u, 180 - 50 * u, 150 - 20 * v], axis=-1).astype(np.uint8)
    render[hole] = 0
    answer = complete(CompletionNet(width=12).eval(), render, mouth_of(render), hole, points)
    golden("complete_untrained", answer, atol=3, outliers=0.01)
