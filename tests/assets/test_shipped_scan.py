from __future__ import annotations

import io

import numpy as np
import pytest

from assets.readers.mesh import Scan
from assets.registry import default_head
from assets.shipped_scan import pack_scan, shipped_scan
from models.geometry.closest import closest_points
from models.heads.regions import FACE, Region


def test_the_scan_lies_in_the_heads_frame() -> None:
    scan, head = shipped_scan(), default_head()
    nose = scan.vertices[np.unique(scan.faces[scan.face_region == Region.NOSE])]
    assert np.linalg.norm(nose.mean(0) - head.landmarks(head.mean)[30]) < 20
    assert scan.head.shape == scan.offsets.shape == head.mean.shape
    assert np.linalg.norm(scan.offsets, axis=1).max() < 6.5
    outside = ~np.isin(head.vertex_region, FACE)
    assert not scan.offsets[outside].any()


def test_adding_the_offsets_brings_the_head_to_the_scan() -> None:
    scan, head = shipped_scan(), default_head()
    rows = np.flatnonzero(np.linalg.norm(scan.offsets, axis=1) > 0.5)[::7]
    before = closest_points(scan.head[rows], scan.vertices, scan.faces)[2]
    after = closest_points((scan.head + scan.offsets)[rows], scan.vertices, scan.faces)[2]
    assert np.sqrt((after**2).mean()) < 0.55 * np.sqrt((before**2).mean())
    assert len(head.mean) == len(scan.head)


def test_a_scan_is_packed_as_it_is_read() -> None:
    """A scan made of the mean head itself has no offsets to speak of."""
    head = default_head()
    scan = Scan(
        vertices=2.0 * head.mean.astype(np.float64) + [5, 6, 7], faces=head.faces, uvs=head.uvs, face_uvs=head.face_uvs,
        image=np.zeros((8, 8, 3), np.uint8),
    )  # fmt: skip
    marks = 2.0 * head.landmarks(head.mean.astype(np.float64)) + [5, 6, 7]
    with np.load(io.BytesIO(pack_scan(scan, marks, head)), allow_pickle=False) as file:
        assert np.abs(file["vertices"] - head.mean).max() < 1
        assert np.abs(file["offsets"].astype(np.float32)).max() < 1
        same = file["face_region"] == np.where(head.face_region == 0, Region.SCALP, head.face_region)
        assert same.mean() > 0.98


@pytest.mark.parametrize("name", ["vertices", "faces", "uvs", "image"])
def test_it_has_what_a_render_needs(name: str) -> None:
    assert len(getattr(shipped_scan(), name)) > 100
