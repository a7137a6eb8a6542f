"""Canonical crops: they cover the hole, are upright, and let no hidden colour through."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.networks.crops import (
    EYES_MM,
    continued,
    crop_frame,
    cut_known,
    face_axes,
    hole_frames,
)
from tests.networks.plain_face import face_hole, face_points


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


def test_continued_takes_the_nearest() -> None:
    image = np.arange(12, dtype=np.float32).reshape(2, 6, 1)
    seen = np.zeros((2, 6), bool)
    seen[0, 0] = seen[0, 5] = True
    np.testing.assert_array_equal(continued(image, seen)[0, :, 0], [0, 0, 0, 5, 5, 5])
