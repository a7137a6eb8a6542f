import numpy as np
import pytest

from assets.readers.obj import read_obj, split_quads
from assets.registry import AssetError

SQUARE = (
    "v 0 0 0\nv 2 0 0 9\nv 2 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nusemtl skin\nf 1/1 2/2 3/3 4/1\nf 1 2 3\n"
)


def test_vertices_uvs_and_polygons_of_three_and_four(tmp_path):
    (tmp_path / "a.obj").write_text(SQUARE.replace(" 9", ""))
    mesh = read_obj(tmp_path / "a.obj")
    np.testing.assert_array_equal(mesh.vertices[1], [2, 0, 0])
    np.testing.assert_array_equal(mesh.polygons, [[0, 1, 2, 3], [0, 1, 2, -1]])
    np.testing.assert_array_equal(mesh.polygon_uvs, [[0, 1, 2, 0], [-1, -1, -1, -1]])
    assert len(read_obj(tmp_path / "a.obj", vertices_only=True).polygons) == 0


def test_quads_are_split_along_the_shorter_diagonal_and_both_lists_alike():
    points = np.array([[0, 0, 0], [2, 0, 0], [3, 1, 0], [0, 1, 0]], float)
    faces, uvs = split_quads(
        points, np.array([[0, 1, 2, 3], [0, 1, 3, -1]]), np.array([[4, 5, 6, 7], [0, 1, 2, -1]])
    )
    np.testing.assert_array_equal(faces, [[0, 1, 3], [1, 2, 3], [0, 1, 3]])
    np.testing.assert_array_equal(uvs, [[4, 5, 7], [5, 6, 7], [0, 1, 2]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v 0 0\nv 1\n", "not a whole OBJ"),
        ("v 0 0 0\nf 1 2 3\n", "vertex 3 but has 1"),
        ("v 0 0 0\nf -1 -2 -3\n", "from 1 on"),
        ("v 0 0 0\nf 1 1 1 1 1\n", "5 corners"),
        ("# nothing\n", "0 vertices"),
        ("v nan 0 0\n", "finite"),
    ],
)
def test_damaged_files_give_one_sentence(tmp_path, text, said):
    (tmp_path / "a.obj").write_text(text)
    with pytest.raises(AssetError, match=said):
        read_obj(tmp_path / "a.obj")
    with pytest.raises(AssetError, match="cannot be read"):
        read_obj(tmp_path / "b.obj")
