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
    EYES_MM,
    IRIS_COLOURS,
    IRIS_WEIGHTS,
    CompletionNet,
    complete,
    crop_frame,
    cut_known,
    face_axes,
    frontal_iris,
    hole_frames,
    load_completion,
    sketch,
)


def face_points(side: int, turn: float = 0.0, iod: float = 0.28) -> np.ndarray:
    """A plain frontal set of 68 landmarks: eyes, mouth and jaw where faces have them."""
    points = np.zeros((68, 2), np.float32)
    around = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    ring = np.stack([np.cos(around), 0.45 * np.sin(around)], axis=1) * 0.07
    points[36:42] = ring + np.array([-iod / 2, -0.1])
    points[42:48] = ring + np.array([iod / 2, -0.1])
    points[48:68] = [0, 0.2]
    points[48], points[54] = (-0.1, 0.2), (0.1, 0.2)
    c, s = np.cos(turn), np.sin(turn)
    return ((points @ np.array([[c, s], [-s, c]])) * side + side / 2).astype(np.float32)


def face_hole(points: np.ndarray, side: int, mouth: bool = True) -> np.ndarray:
    """Discs of an eye's size at the eyes, and of a mouth's at the mouth."""
    v, u = np.mgrid[:side, :side] + 0.5
    hole = np.zeros((side, side), bool)
    centres = [points[36:42].mean(0), points[42:48].mean(0)] + ([points[60:68].mean(0)] if mouth else [])
    for x, y in centres:
        hole |= np.hypot((u - x) / 0.06, (v - y) / 0.03) < side
    return hole


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
    answer = complete(rough_net(), render, hole, points)
    np.testing.assert_array_equal(answer[~hole], render[~hole])
    assert (answer[hole] != render[hole]).any()


def test_without_a_hole_the_render_comes_back() -> None:
    render = np.full((64, 64, 3), 9, np.uint8)
    answer = complete(rough_net(), render, np.zeros((64, 64), bool), face_points(64))
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
    np.testing.assert_array_equal(complete(net, render, hole, points), complete(net, other, hole, points))


@settings(max_examples=20, deadline=None)
@given(turn=st.floats(-0.8, 0.8), seed=st.integers(0, 999))
def test_crops_cover_the_whole_hole(turn: float, seed: int) -> None:
    side = 128
    points = face_points(side, turn)
    hole = face_hole(points, side) | (np.random.default_rng(seed).random((side, side)) > 0.999)
    frames = hole_frames(points, hole)
    total = np.sum([pixels for _, pixels in frames], axis=0)
    np.testing.assert_array_equal(total, hole.astype(int))  # each pixel exactly once
    for frame, pixels in frames:
        v, u = np.nonzero(pixels)
        local = np.linalg.solve(frame.matrix[:, :2], np.stack([u + 0.5, v + 0.5]) - frame.matrix[:, 2:])
        assert local.min() > 2
        assert (local[0] < frame.spec.width - 2).all()
        assert (local[1] < frame.spec.height - 2).all()


def test_crop_is_upright_and_of_known_scale() -> None:
    points = face_points(256, 0.3)
    scale, axis, centres = face_axes(points)
    assert scale == pytest.approx(0.28 * 256 / EYES_MM, rel=0.05)
    np.testing.assert_allclose(axis, [np.cos(0.3), np.sin(0.3)], atol=1e-3)
    frame = crop_frame("eye_right", centres[0], scale, axis)
    np.testing.assert_allclose(frame.matrix @ [40, 24, 1], centres[0], atol=1e-6)
    assert frame.zoom == pytest.approx(scale / 1.6)


def test_left_eye_is_cut_mirrored() -> None:
    """A face that is its own mirror image gives two equal eye crops."""
    side = 128
    points = face_points(side)
    half = np.random.default_rng(0).random((side, side // 2, 3)).astype(np.float32)
    image = np.concatenate([half, half[:, ::-1]], axis=1)
    frames = {f.part: f for f, _ in hole_frames(points, face_hole(points, side))}
    right, left = frames["eye_right"].cut(image), frames["eye_left"].cut(image)
    np.testing.assert_allclose(right, left, atol=2e-2)


def test_cut_and_paste_agree() -> None:
    side = 160
    v, u = np.mgrid[:side, :side] / side
    image = np.stack([u, v, 0.5 * u + 0.5 * v], axis=-1).astype(np.float32)
    points = face_points(side, 0.4)
    for frame, pixels in hole_frames(points, face_hole(points, side)):
        back = frame.paste(frame.cut(image), (side, side))
        np.testing.assert_allclose(back[pixels], image[pixels], atol=0.01)


def test_known_crop_has_no_colour_of_the_hole() -> None:
    side = 128
    points = face_points(side)
    hole = face_hole(points, side)
    image = np.where(hole[..., None], [255, 0, 0], [100, 100, 100]).astype(np.uint8)
    for frame, _ in hole_frames(points, hole):
        colour, unknown = cut_known(frame, image, hole)
        assert unknown.any()
        np.testing.assert_allclose(colour[~unknown], 100 / 255, atol=1e-3)


def test_frontal_iris_is_of_human_size_and_inside_the_aperture() -> None:
    side = 256
    points = face_points(side)
    scale, _, _ = face_axes(points)
    frame, pixels = hole_frames(points, face_hole(points, side))[0]
    aperture = frame.cut(pixels.astype(np.float32)) > 0.5
    iris = frontal_iris(frame, aperture, scale, IRIS_COLOURS[0])
    assert iris.radius == pytest.approx(6.5 * 1.6, rel=0.05)
    assert aperture[int(iris.v), int(iris.u)]


def test_sketch_shows_the_iris_and_keeps_what_is_known() -> None:
    colour = np.full((48, 80, 3), 0.6, np.float32)
    hole = np.zeros((48, 80), bool)
    hole[15:33, 15:65] = True
    iris = frontal_iris(
        crop_frame("eye_right", np.zeros(2), 1.6, np.array([1.0, 0.0])), hole, 1.6, (0.3, 0.2, 0.1)
    )
    x = sketch(colour, hole, iris)
    assert x.shape == (5, 48, 80)
    np.testing.assert_allclose(x[:3, ~hole], 0.6, atol=1e-6)
    u, v = int(iris.u), int(iris.v)
    assert x[:3, v, u].max() < 0.1  # pupil
    assert x[:3, 16, 60].min() > 0.5  # sclera
    assert x[4, v, u] == 1
    assert x[4].max() <= 1
    assert sketch(colour, hole, None)[4].max() == 0


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
    answer = complete(rough_net(), render, hole, points)
    assert (answer[hole] != 120).any()


def test_golden_untrained(golden: Callable[..., None]) -> None:
    """Before training the answer is the sketch: sclera, iris and pupil at the camera, lips across the mouth."""
    side = 64
    points = face_points(side)
    hole = face_hole(points, side)
    v, u = np.mgrid[:side, :side] / side
    render = np.stack([230 - 60 * u, 180 - 50 * u, 150 - 20 * v], axis=-1).astype(np.uint8)
    render[hole] = 0
    answer = complete(CompletionNet(width=12).eval(), render, hole, points)
    golden("complete_untrained", answer, atol=3, outliers=0.01)
