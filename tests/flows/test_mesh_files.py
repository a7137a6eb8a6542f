"""Mesh files are read back by a reader that is not ours."""

import io
import json

import numpy as np
import pytest
import trimesh
from PIL import Image

from flows.mesh_files import Mesh, glb_bytes, head_mesh, mesh_files, obj_bytes, ply_bytes
from models.heads.synthetic import synthetic_head

HEAD = synthetic_head()


@pytest.fixture(scope="module")
def texture():
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def load(data, kind):
    loaded = trimesh.load(io.BytesIO(data), file_type=kind, process=False)
    return loaded.to_mesh() if isinstance(loaded, trimesh.Scene) else loaded


@pytest.mark.parametrize(
    ("make", "kind", "unit"), [(obj_bytes, "obj", 1), (ply_bytes, "ply", 1), (glb_bytes, "glb", 0.001)]
)
def test_coloured_meshes_come_back(make, kind, unit):
    colours = np.random.default_rng(1).integers(0, 256, (len(HEAD.mean), 3)).astype(np.uint8)
    back = load(make(Mesh(HEAD.mean, HEAD.faces, colours)), kind)
    assert back.is_watertight
    assert back.volume > 0
    np.testing.assert_array_equal(back.faces, HEAD.faces)
    np.testing.assert_allclose(back.vertices, HEAD.mean * unit, atol=1e-4)
    assert (np.asarray(back.vertex_normals) * HEAD.mean).sum(1).mean() > 0
    if kind == "ply":
        np.testing.assert_array_equal(back.visual.vertex_colors[:, :3], colours)


def test_a_glb_has_its_picture_and_v_runs_down(texture):
    back = load(glb_bytes(head_mesh(HEAD, HEAD.mean, texture)), "glb")
    assert len(back.faces) == len(HEAD.faces)
    assert back.visual.material.baseColorTexture.size == (32, 32)
    corners = HEAD.uvs[HEAD.face_uvs]
    np.testing.assert_allclose(back.visual.uv[back.faces], corners, atol=1e-5)  # trimesh turns v up again
    data = glb_bytes(head_mesh(HEAD, HEAD.mean, texture))
    assert len(data) % 4 == 0
    assert int.from_bytes(data[8:12], "little") == len(data)


def test_an_obj_names_its_material_and_the_material_its_picture(texture):
    files = mesh_files("ann", head_mesh(HEAD, HEAD.mean, texture), ("obj", "ply", "glb"))
    assert set(files) == {"ann.obj", "ann.mtl", "ann.texture.png", "ann.ply", "ann.glb"}
    assert files["ann.obj"].startswith(b"mtllib ann.mtl\n")
    assert b"map_Kd ann.texture.png" in files["ann.mtl"]
    assert set(mesh_files("ann", head_mesh(HEAD, HEAD.mean), ("obj",))) == {"ann.obj"}


def test_normals_of_lone_vertices_are_unit_all_the_same():
    vertices = np.concatenate([HEAD.mean, [[0, 0, 500]]]).astype(np.float32)
    data = glb_bytes(Mesh(vertices, HEAD.faces))
    length = int.from_bytes(data[12:16], "little")
    document, body = json.loads(data[20 : 20 + length]), data[28 + length :]
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["NORMAL"]]
    start = document["bufferViews"][accessor["bufferView"]]["byteOffset"]
    normals = np.frombuffer(body, "<f4", 3 * accessor["count"], start).reshape(-1, 3)
    assert len(normals) == len(vertices)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
