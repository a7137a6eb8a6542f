from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readers.eval_mesh import read_mesh
from assets.registry import AssetError


def test_polygons_become_triangles_and_indices_may_count_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.obj"
    path.write_text(
        "# x\nv 0 0 0 0.5 0.5 0.5\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nf 1/1 2/2 3/3 -1/-1\n"
    )
    mesh = read_mesh(path)
    assert mesh.vertices.shape == (4, 3)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.face_uvs is not None
    assert mesh.face_uvs.tolist() == [[0, 1, 2], [0, 2, 2]]
    path.write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nvn 0 0 1\nf 1//1 2//1 3//1\n")
    assert read_mesh(path).uvs is None


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "0 vertices and 0 triangles"), ("v 0 0 x\nf 1 1 1\n", "no OBJ"), ("v 0 0 0\nf 1 2 3\n", "name others"),
     ("v 0 0 nan\nv 0 0 1\nv 0 1 1\nf 1 2 3\n", "finite"), ("v 0 0\nf 1 1 1\n", "no OBJ")],
)  # fmt: skip
def test_what_is_no_surface_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.obj"
    path.write_text(text)
    with pytest.raises(AssetError, match=said):
        read_mesh(path)
    with pytest.raises(AssetError, match="cannot be read"):
        read_mesh(tmp_path / "absent.obj")


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_a_mesh_or_a_sentence(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.obj"
        path.write_bytes(b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n" + data)
        with contextlib.suppress(AssetError):
            assert np.isfinite(read_mesh(path).vertices).all()
