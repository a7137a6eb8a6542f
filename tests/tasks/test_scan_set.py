"""Scans as an evaluation set: the shipped scan, in another frame and unit, comes back where it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assets.readers.mesh import Scan
from assets.registry import AssetError
from assets.shipped_scan import shipped_scan
from models.geometry.camera import ScaledOrtho
from tasks.scan_set import SIZE, Placed, before_camera, place, projected, render


@pytest.fixture(scope="module")
def placed() -> Placed:
    scan = shipped_scan()
    tilt = np.radians(6)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    mesh = Scan(
        scan.vertices.astype(np.float64) @ turn.T * 0.5 + [900, 20, -40], scan.faces, scan.uvs, scan.face_uvs
    )
    return place(mesh, scan.image, "the scan")


def test_the_head_is_found_in_a_scan(placed: Placed) -> None:
    """Its own unit is kept (half millimetres here), its turn and its place are taken out."""
    scan = shipped_scan()
    off = placed.mesh.vertices[np.unique(scan.faces)] / 0.5 - scan.vertices[np.unique(scan.faces)]
    assert (
        np.linalg.norm(off.mean(0)) < 12
    )  # a fit of landmarks does not know depth and tilt to the millimetre
    assert np.sqrt((off**2).sum(1).mean()) < 16
    assert 0.2 < placed.counted.mean() < 0.9


def test_views_are_true_to_their_pictures(placed: Placed) -> None:
    big = Placed(replace(placed.mesh, vertices=placed.mesh.vertices * 2), placed.counted, placed.image)
    truth = before_camera(big, 30)
    assert ScaledOrtho(1, truth.rotation, np.zeros(2)).angles[0] == pytest.approx(30)
    flat = projected(truth.vertices)
    made = render(replace(big.mesh, vertices=flat), big.image)
    assert made.shape == (SIZE, SIZE, 3)
    assert ((made != 96).any(-1) == (truth.depth > 0)).mean() > 0.97
    assert np.allclose(truth.millimetres, big.mesh.vertices, atol=1e-6)


def test_what_shows_no_face_or_has_no_texture_is_refused(placed: Placed) -> None:
    with pytest.raises(AssetError, match="no face is found"):
        place(placed.mesh, np.full_like(placed.image, 90), "a grey one")
    with pytest.raises(AssetError, match="no texture coordinates"):
        place(replace(placed.mesh, uvs=None, face_uvs=None), placed.image, "a bare one")
