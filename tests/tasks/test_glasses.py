"""Glasses drawn over a skin picture come apart into the drawn frame and lenses."""

import cv2
import numpy as np
import pytest

from tasks.glasses import take_apart

R, IOD = 160, 60.0
EYES = ((50, 80), (110, 80))


def draw(
    dark: bool, thick: int, photo: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Photo, what a parser says (frames and lenses, coarse), the frame, and the lenses."""
    v, u = np.mgrid[:R, :R]
    if photo is None:
        photo = np.stack([170 + 0.2 * u, 120 + 0.15 * v, np.full((R, R), 95.0)], -1)
    for eye in EYES:
        cv2.circle(photo, eye, 5, (50, 35, 30), -1)
    frame, lenses = np.zeros((R, R), np.uint8), np.zeros((R, R), np.uint8)
    for eye in EYES:
        cv2.ellipse(lenses, eye, (24, 19), 0, 0, 360, 1, -1)
        cv2.ellipse(frame, eye, (24, 19), 0, 0, 360, 1, thick)
    cv2.line(frame, (72, 76), (88, 76), 1, thick)
    soft = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), 0.5)[..., None]
    photo = photo * (1 - soft) + soft * (np.array([30, 25, 25]) if dark else np.array([250, 245, 235]))
    parsed = cv2.dilate(frame | lenses, np.ones((5, 5), np.uint8)) > 0
    return np.rint(photo).astype(np.uint8), parsed, frame > 0, (lenses > 0) & (frame == 0)


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("thick", [2, 4])
def test_the_drawn_frame_is_found(dark: bool, thick: int) -> None:
    photo, parsed, frame, lenses = draw(dark, thick)
    taken = take_apart(photo, parsed, IOD)
    assert not (taken.frames & taken.lenses).any()
    near = cv2.dilate(frame.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert (taken.frames & frame).sum() > 0.8 * frame.sum()
    assert (taken.frames & near).sum() > 0.95 * taken.frames.sum()
    assert (taken.lenses & lenses).sum() > 0.9 * lenses.sum()
    assert (taken.lenses & ~lenses & ~near).sum() < 0.03 * lenses.sum()
    for u, v in EYES:
        assert taken.lenses[v, u]  # an eye is dark and is no frame


def test_one_blob_for_both_lenses_is_cut_between_the_eyes() -> None:
    photo, parsed, frame, lenses = draw(True, 3)
    parsed[66:86, 60:100] = True
    taken = take_apart(photo, parsed, IOD)
    assert (taken.frames & frame).sum() > 0.8 * frame.sum()
    assert (taken.lenses & lenses).sum() > 0.8 * lenses.sum()


def test_nothing_parsed_is_nothing_found() -> None:
    photo, parsed, _, _ = draw(True, 3)
    taken = take_apart(photo, np.zeros_like(parsed), IOD)
    assert not taken.frames.any()
    assert not taken.lenses.any()
