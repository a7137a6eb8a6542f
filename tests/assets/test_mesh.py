"""Scans in files: OBJ with its quirks, PLY and GLB with split vertices, and what is none."""

import io

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assets.readers.mesh import read_scan, read_surface
from assets.registry import AssetError
from flows.mesh_files import Mesh, glb_bytes, obj_bytes, ply_bytes
from models.heads.synthetic import synthetic_head
from models.heads.target import on_border

HEAD = synthetic_head()


def textured():
    out = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 120, 80)).save(out, "PNG")
    return Mesh(HEAD.mean, HEAD.faces, uvs=HEAD.uvs, face_uvs=HEAD.face_uvs, texture=out.getvalue())


def test_an_obj_keeps_surface_and_atlas_apart_and_finds_its_picture(tmp_path):
    mesh = textured()
    (tmp_path / "a.obj").write_bytes(obj_bytes(mesh, "a.mtl"))
    (tmp_path / "a.mtl").write_text("newmtl skin\nmap_Kd some\\where\\skin.png\n")
    Image.new("RGB", (64, 64), (200, 120, 80)).save(tmp_path / "skin.png")
    scan = read_scan(tmp_path / "a.obj")
    np.testing.assert_array_equal(scan.faces, HEAD.faces)
    np.testing.assert_array_equal(scan.face_uvs, HEAD.face_uvs)
    np.testing.assert_allclose(scan.vertices, HEAD.mean, atol=1e-3)
    assert scan.colour(np.array([3]), np.full((1, 3), 1 / 3)).tolist() == [[200, 120, 80]]
    bare = read_surface(tmp_path / "a.obj")
    np.testing.assert_array_equal(bare.face_uvs, HEAD.face_uvs)
    assert bare.image is None


def test_a_glb_is_joined_again_where_its_atlas_split_it(tmp_path):
    (tmp_path / "a.glb").write_bytes(glb_bytes(textured()))
    scan = read_scan(tmp_path / "a.glb")
    assert len(scan.vertices) == len(HEAD.mean)
    assert not on_border(scan.faces, len(scan.vertices)).any()
    np.testing.assert_allclose(
        np.sort(scan.vertices[:, 0]), np.sort(HEAD.mean[:, 0]) / 1000, atol=1e-6
    )  # metres
    assert scan.colour(np.array([3]), np.full((1, 3), 1 / 3)).tolist() == [[200, 120, 80]]


def test_a_ply_brings_the_colours_of_its_vertices(tmp_path):
    colours = np.tile(np.uint8([10, 20, 30]), (len(HEAD.mean), 1))
    (tmp_path / "a.ply").write_bytes(ply_bytes(Mesh(HEAD.mean, HEAD.faces, colours)))
    scan = read_scan(tmp_path / "a.ply")
    assert scan.coloured
    assert scan.image is None
    assert scan.colour(np.array([0]), np.full((1, 3), 1 / 3)).tolist() == [[10, 20, 30]]


def test_polygons_negative_indices_and_colours_of_an_obj(tmp_path):
    ball = trimesh.creation.icosphere(subdivisions=3)
    lines = [f"v {x} {y} {z} 1 0 0.5" for x, y, z in ball.vertices]
    count = len(ball.vertices)
    lines += [f"f {a - count}//1 {b - count}//1 {c - count}//1" for a, b, c in ball.faces]
    lines += ["f 1 2 3 4", "# a quad"]
    (tmp_path / "ball.obj").write_text("\n".join(lines))
    scan = read_scan(tmp_path / "ball.obj")
    np.testing.assert_array_equal(scan.faces[: len(ball.faces)], ball.faces)
    assert scan.faces[-2:].tolist() == [[0, 1, 2], [0, 2, 3]]
    assert scan.colours[0].tolist() == [255, 0, 128]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.stl", b"solid", "no scan that can be read"),
        ("a.obj", b"v 0 0 0\n", "1 vertices and 0 faces"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "has 1 triangles, expected 1000"),
        ("a.obj", b"v 0 0 0\nv 1 0 nan\nv 0 1 0\nf 1 2 3\n", "not finite"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "vertex 9 but has 3"),
        ("a.obj", b"v 0 0 0\nv 1 0 x\nf 1 2 3\n", "not a whole OBJ"),
        ("a.ply", b"not a mesh", "no whole PLY"),
        ("a.glb", b"glTF\x02\0\0\0", "no whole GLB"),
    ],
)
def test_other_files_are_told_in_one_sentence(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AssetError, match=said) as caught:
        read_scan(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(AssetError, match="there is no file"):
        read_scan(tmp_path / "a.obj")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([".ply", ".glb"]), st.data())
def test_damaged_files_are_errors_of_ours_or_still_meshes(tmp_path_factory, suffix, data):
    mesh = Mesh(HEAD.mean, HEAD.faces)
    body = bytearray(ply_bytes(mesh) if suffix == ".ply" else glb_bytes(mesh))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, 400))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("scan") / f"a{suffix}"
    path.write_bytes(bytes(body))
    try:
        scan = read_scan(path)
    except AssetError:
        return
    assert scan.faces.max() < len(scan.vertices)
