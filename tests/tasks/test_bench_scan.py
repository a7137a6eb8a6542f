from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from assets.registry import default_head
from assets.shipped_scan import shipped_scan
from models.geometry.rasterize import rasterize
from models.networks.classes import FACE, Parsing
from tasks.bench_scan import turned, view_scan


@pytest.mark.parametrize("yaw", [0, -60])
def test_picture_and_surface_share_their_pixels(yaw: float) -> None:
    scan, background = shipped_scan(), np.full((128, 128, 3), 120, np.uint8)
    view = view_scan(scan, default_head(), turned(yaw), background, 128)
    seen = rasterize(view.mesh, scan.faces, 128, cull=True)
    face = np.isin(view.label, FACE)
    assert face.sum() > 1500
    assert (seen.pix_to_face[face] >= 0).all()
    assert view.pose.angles[0] == pytest.approx(yaw, abs=1e-6)
    assert (view.image[0, 0] == 120).all()
    nose = np.argwhere(view.label == Parsing.NOSE).mean(0)
    assert np.linalg.norm(nose[::-1] + 0.5 - view.landmarks[30]) < 9


def test_a_render_of_the_scan(golden: Callable[..., None]) -> None:
    view = view_scan(
        shipped_scan(), default_head(), turned(30), np.full((96, 96, 3), (90, 120, 150), np.uint8), 96
    )
    labels = np.repeat(view.label[..., None] * 14, 3, -1).astype(np.uint8)
    golden("bench_scan", np.concatenate([view.image, labels], 1), atol=8, outliers=0.02)
