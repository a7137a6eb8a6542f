"""Wavefront OBJ with its quirks, and what is none."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readers.obj import read_obj, split_polygons
from assets.registry import AssetError

SQUARE = (
    "v 0 0 0\nv 2 0 0\nv 2 1 0\n\tv 0 1 0 \nvt 0 0\nvt 1 0 0\nvt 1 1\nusemtl skin\n"
    "f 1/1 2/2 3/3 4/1\nf 1//1 2//1 3//1\n"
)


def read(folder, text, **named):
    (folder / "a.obj").write_text(text)
    return read_obj(folder / "a.obj", **named)


def test_vertices_uvs_and_polygons_of_three_and_four(tmp_path):
    mesh = read(tmp_path, SQUARE)
    np.testing.assert_array_equal(mesh.vertices[1], [2, 0, 0])
    np.testing.assert_array_equal(mesh.uvs, [[0, 0], [1, 0], [1, 1]])
    np.testing.assert_array_equal(mesh.polygons, [[0, 1, 2, 3], [0, 1, 2, -1]])
    np.testing.assert_array_equal(mesh.polygon_uvs, [[0, 1, 2, 0], [-1, -1, -1, -1]])
    assert not mesh.has_atlas
    assert read(tmp_path, SQUARE.rpartition("f")[0]).has_atlas
    assert len(read(tmp_path, SQUARE, vertices_only=True).polygons) == 0


def test_negative_indices_count_back_from_where_they_stand(tmp_path):
    first = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf -3/-1 -2/-1 -1/-1\n"
    mesh = read(tmp_path, first + "v 9 9 9\nvt 1 1\nf 1/-1 2/-1 -1/-1\n")
    np.testing.assert_array_equal(mesh.polygons, [[0, 1, 2], [0, 1, 3]])
    np.testing.assert_array_equal(mesh.polygon_uvs, [[0, 0, 0], [1, 1, 1]])


def test_colours_are_those_that_every_vertex_has(tmp_path):
    rest = "v 1 0 0 0 1 0\nv 0 1 0 0 0 1\nmtllib two words.mtl\nf 1 2 3\n"
    mesh = read(tmp_path, "v 0 0 0 1 0.5 0\n" + rest)
    np.testing.assert_array_equal(mesh.colours[0], [1, 0.5, 0])
    assert mesh.library == "two words.mtl"
    assert read(tmp_path, "v 0 0 0\n" + rest).colours is None


def test_quads_are_split_along_the_shorter_diagonal_and_both_lists_alike():
    points = np.array([[0, 0, 0], [2, 0, 0], [3, 1, 0], [0, 1, 0], [-1, 0, 0]], float)
    faces, uvs = split_polygons(
        points, np.array([[0, 1, 2, 3], [0, 1, 3, -1]]), np.array([[4, 5, 6, 7], [0, 1, 2, -1]])
    )
    np.testing.assert_array_equal(faces, [[0, 1, 3], [1, 2, 3], [0, 1, 3]])
    np.testing.assert_array_equal(uvs, [[4, 5, 7], [5, 6, 7], [0, 1, 2]])
    wide = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, -1], [2, 3, 4, -1, -1]])
    faces, _ = split_polygons(points, wide, wide)
    np.testing.assert_array_equal(faces, [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 1, 3], [1, 2, 3], [2, 3, 4]])
    assert split_polygons(points, wide[:0], wide[:0])[0].shape == (0, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v 0 0\nv 1\n", "not a whole OBJ"),
        ("v 0 0 x\nf 1 1 1\n", "not a whole OBJ"),
        ("v 0 0 0\nf 1 2 3\n", "vertex 3 but has 1"),
        ("v 0 0 0\nvt 0 0\nf 1/2 1/1 1/1\n", "coordinate 2 but has 1"),
        ("v 0 0 0\nf 1 1 0\n", "corner 0"),
        ("v 0 0 0\nf -1 -1 -2\n", "corner -2"),
        ("v 0 0 0\nf 1 1\n", "2 corners"),
        ("v 0 0 0\nf 1 /1 1\n", "not a whole OBJ"),
        ("v 0 0 0\nf 1 1 99999999999999999999\n", "not a whole OBJ"),
        ("# nothing\n", "0 vertices and 0 faces"),
        ("v 0 0 0\n", "1 vertices and 0 faces"),
        ("v nan 0 0\nf 1 1 1\n", "finite"),
    ],
)
def test_damaged_files_give_one_sentence(tmp_path, text, said):
    with pytest.raises(AssetError, match=said) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
    with pytest.raises(AssetError, match="cannot be read"):
        read_obj(tmp_path / "b.obj")


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_a_mesh_or_a_sentence(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("obj") / "a.obj"
    path.write_bytes(b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n" + data)
    with contextlib.suppress(AssetError):
        assert np.isfinite(read_obj(path).vertices).all()
