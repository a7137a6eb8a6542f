"""Decoding a mesh from a store alone: the very surface of the labels, proven on a small real store."""

from functools import partial

import igl
import numpy as np
import pytest

from assets.registry import ledger, photo_paths
from flows.cli import main
from models.geometry.camera import voxel_centres
from models.heads.closed import check_closed
from storage.errors import StoreError
from storage.plan import Plan, PlanRow
from storage.store import Rejected, Store
from tasks.chain import Made
from tasks.decode import MeshReader, write_obj
from tasks.recipe import FaceRecipe

pytestmark = pytest.mark.skipif(
    not ledger().location(ledger().entry("bisenet")).exists(), reason="run `facepairs assets fetch` first"
)
TEXTURE = "photo_biden"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decode")
    recipe = FaceRecipe(
        128, 2048, 1.0, 8, ("anny",), (TEXTURE,), {}, "cpu", "mediapipe", folder / "cache"
    )  # fmt: skip
    photo = next(p for p in photo_paths() if p.name == "astronaut.png")
    found = recipe.annotate(photo, photo.name)[0]
    rows = [PlanRow(f"{i:08d}", i, 0, 3, found.id, "anny", TEXTURE, "train") for i in range(2)]
    made = Store.create(
        folder / "store", Plan(tuple(rows)), recipe.description, recipe.snapshot(), quality=recipe.quality,
        sizes=recipe.sizes,
    )  # fmt: skip
    outcomes = recipe.chain("anny").run(rows, partial(recipe.load, head="anny"))
    made.write_shard(
        0,
        [
            recipe.sample(o) if isinstance(o, Made) else Rejected(o.row.key, o.stage, o.reject)
            for o in outcomes
        ],
    )
    return made


def test_stored_distances_are_those_of_the_decoded_mesh(store):
    reader = MeshReader(store)
    for key in ("00000000", "00000001"):
        mesh, stored = reader.read(key), store.read(key, ("sdf_index", "sdf_value", "meta"))
        check_closed(mesh.head.faces, mesh.vertices)
        points = voxel_centres(256)[stored["sdf_index"].astype(int)]
        vertices, faces = mesh.vertices.astype(float), mesh.head.faces.astype(int)
        size = np.sqrt(igl.point_mesh_squared_distance(points, vertices, faces)[0])
        inside = igl.winding_number(vertices, faces, points) > 0.5
        value = stored["sdf_value"].astype(float)
        step = np.spacing(np.abs(stored["sdf_value"])).astype(float)
        assert (np.abs(np.where(inside, -size, size) - value) <= 0.51 * step + 1e-6).all()
        assert 0.5 <= stored["meta"]["relief"]["amplitude"] <= 1.6


def test_without_the_relief_the_distances_are_others(store):
    reader = MeshReader(store)
    mesh, stored = reader.read("00000000"), store.read("00000000", ("sdf_index", "sdf_value", "meta"))
    head, _ = reader._heads["anny"]
    coarse = head.refined.base.vertices(
        np.float32(stored["meta"]["identity"]), np.float32(stored["meta"]["expression"])
    )
    smooth = head.smooth(mesh.pose.to_cube(coarse).astype(np.float32))
    points = voxel_centres(256)[stored["sdf_index"].astype(int)]
    size = np.sqrt(
        igl.point_mesh_squared_distance(points, smooth.astype(float), mesh.head.faces.astype(int))[0]
    )
    assert np.abs(size - np.abs(stored["sdf_value"].astype(float))).max() > 1e-3


def test_the_command_writes_a_mesh_in_millimetres(store, tmp_path, capsys):
    out = tmp_path / "face.obj"
    with pytest.raises(SystemExit) as ended:
        main(["mesh", "00000000", str(store.root), "--out", str(out)])
    assert not ended.value.code
    lines = out.read_text().splitlines()
    points = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    mesh = MeshReader(store).read("00000000")
    assert len(points) == len(mesh.vertices)
    assert 200 < np.ptp(points[:, 1]) < 350
    np.testing.assert_allclose(points, mesh.millimetres, atol=1e-4)


def test_the_cube_frame_is_the_labels_own(store, tmp_path):
    mesh = MeshReader(store).read("00000000")
    write_obj(tmp_path / "cube.obj", mesh, millimetres=False)
    first = (tmp_path / "cube.obj").read_text().splitlines()[0].split()[1:]
    np.testing.assert_allclose(np.array(first, float), mesh.vertices[0], atol=1e-5)


def test_a_texture_without_relief_is_named(store, monkeypatch):
    reader = MeshReader(store)
    reader.read("00000000")
    head, arrays = reader._heads["anny"]
    reader._heads["anny"] = head, {k: v for k, v in arrays.items() if TEXTURE not in k}
    with pytest.raises(StoreError, match=f"wears '{TEXTURE}'"):
        reader.read("00000000")
