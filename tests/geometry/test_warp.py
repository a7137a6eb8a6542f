from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.geometry import warp

R = 128


def ellipse(cx, cy, ax, ay, side=R):
    mask = np.zeros((side, side), np.uint8)
    cv2.ellipse(mask, (round(cx), round(cy)), (round(ax), round(ay)), 0, 0, 360, 1, -1)
    return mask > 0


FACE = ellipse(64, 62, 38, 50)


def after(face, flow):
    blank = np.zeros((*face.shape, 3), np.uint8)
    return warp.apply(flow, blank, face.astype(np.uint8))[1] > 0


@pytest.mark.parametrize("target", [(64, 62, 34, 45), (67, 60, 33, 44), (64, 58, 36, 45)])
def test_the_old_face_ends_where_the_new_one_does(target):
    new = ellipse(*target) & FACE
    flow = warp.edge_flow(FACE, new)
    before, rest = warp.leftover(FACE, new), warp.leftover(after(FACE, flow), new)
    assert before > 1.5
    assert rest < 0.5
    assert flow.amplitude == 1


def test_the_old_face_ends_within_a_pixel_of_the_new_one():
    new = ellipse(64, 62, 34, 45)
    seen = after(FACE, warp.edge_flow(FACE, new))
    around, inside = (cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 5) for m in (~new, new))
    assert seen[new & (inside > 1)].all()
    assert not seen[around > 2].any()


def test_masks_with_holes_and_bays_that_are_no_star():
    bars = ~((np.abs(np.arange(R) - 55) < 6)[:, None] & (np.abs(np.arange(R) - 64) < 30)[None])
    bay = ~((np.arange(R) > 70)[:, None] & (np.abs(np.arange(R) - 64) < 6)[None])
    face = FACE & bars & bay
    new = ellipse(64, 62, 35, 46) & face
    flow = warp.edge_flow(face, new)
    assert warp.leftover(after(face, flow), new) < 0.4
    # What is in front of the face stays where it was.
    moved = np.linalg.norm(flow.displacement[50:60, 45:84], axis=-1)
    assert moved.max() < 1.5


@settings(max_examples=12, deadline=None)
@given(
    st.floats(56, 72), st.floats(54, 70), st.floats(12, 38), st.floats(14, 50),
)  # fmt: skip
def test_never_folds_and_the_border_stands_still(cx, cy, ax, ay):
    new = ellipse(cx, cy, ax, ay) & FACE
    flow = warp.edge_flow(FACE, new)
    u, v = np.moveaxis(flow.displacement.astype(np.float64), -1, 0)
    ux, uy = np.diff(u, axis=1)[:-1], np.diff(u, axis=0)[:, :-1]
    vx, vy = np.diff(v, axis=1)[:-1], np.diff(v, axis=0)[:, :-1]
    outside = ~new
    cells = outside[:-1, :-1] & outside[1:, :-1] & outside[:-1, 1:] & outside[1:, 1:]
    assert ((1 + ux) * (1 + vy) - uy * vx)[cells].min() > 0
    border = np.concatenate([flow.displacement[[0, -1]].ravel(), flow.displacement[:, [0, -1]].ravel()])
    assert np.abs(border).max() < 1.0
    assert warp.leftover(after(FACE, flow), new) <= warp.leftover(FACE, new) + 0.2


def test_other_peoples_faces_and_equal_masks_move_nothing():
    new = FACE.copy()
    assert not warp.edge_flow(FACE, new).displacement.any()
    other = ellipse(115, 20, 8, 10)
    assert not warp.edge_flow(FACE | other, new).displacement.any()
    assert not warp.edge_flow(FACE, np.zeros_like(FACE)).displacement.any()


def test_signed_distance_of_a_half_plane():
    mask = np.zeros((20, 30), bool)
    mask[:, :12] = True
    assert np.allclose(warp.signed_distance(mask)[10, 5:20], np.arange(5, 20) + 0.5 - 12)


def test_a_still_flow_returns_the_photo():
    photo = np.random.default_rng(0).integers(0, 256, (R, R, 3), dtype=np.uint8)
    image, classes = warp.apply(warp.edge_flow(FACE, FACE), photo, FACE.astype(np.uint8))
    assert np.array_equal(image, photo)
    assert np.array_equal(classes > 0, FACE)


def test_golden(golden):
    face, new = ellipse(32, 31, 19, 25, 64), ellipse(33, 30, 16, 21, 64)
    rows, cols = np.indices((64, 64))
    photo = np.stack([rows * 4, cols * 4, 128 + 60 * ((rows // 4 + cols // 4) % 2)], -1).astype(np.uint8)
    photo[face] = photo[face] // 2 + np.array([90, 60, 40], np.uint8)
    image, classes = warp.apply(warp.edge_flow(face, new), photo, face.astype(np.uint8))
    golden("warp", image, atol=4, outliers=0.01)
    golden("warp_parsing", classes > 0, outliers=0.01)
