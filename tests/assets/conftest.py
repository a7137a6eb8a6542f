"""Writers of the published formats for the tests of this folder, and a head that was adopted from one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))  # published


@pytest.fixture(scope="session")
def raw():
    """The bundled head as its maker might publish it: open, turned, in another unit, without expressions."""
    from published import open_head

    from assets.heads.raw import RawHead
    from assets.readers.obj import split_polygons

    head = open_head()
    faces, face_uvs = split_polygons(head.points, head.polygons, head.polygon_uvs)
    turn = np.array([[1, 0, 0], [0, 0.98, -0.199], [0, 0.199, 0.98]])
    return RawHead(
        "disguised", (head.points @ turn.T + [3, 40, -20]) / 25, head.identity @ turn.T / 25,
        np.zeros((0, len(head.points), 3)), (), faces, np.repeat(head.marks[:, None], 3, 1),
        np.tile([1.0, 0, 0], (68, 1)), uvs=head.uvs, face_uvs=face_uvs, unit_mm=25.0, mouth_bag=head.bag,
    )  # fmt: skip


@pytest.fixture(scope="session")
def arrays(raw):
    """Arrays of its head file."""
    from assets.heads.adopt import adopt
    from assets.registry import default_head

    return adopt(raw, default_head()).arrays


@pytest.fixture(scope="session")
def made(arrays, tmp_path_factory):
    """The head that the file holds."""
    from assets.heads.adopt import write_head
    from models.heads.linear import LinearHead

    file = tmp_path_factory.mktemp("adopt") / "disguised.npz"
    write_head(arrays, file)
    return LinearHead.load(file)
