import json

import numpy as np
import pytest
from PIL import Image

from assets.atlas import Atlas, closest_points
from assets.scan import IBUG, Scan, bake_scan, read_scan, register, similarity
from models.heads.regions import Region
from models.heads.synthetic import synthetic_head


def turn(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


@pytest.fixture(scope="module")
def scanned():
    """The synthetic head with some identity, scaled, turned and moved, under a flat brown picture."""
    head = synthetic_head()
    identity = np.array([1.0, -0.8, 0.5, 0.6, -0.4, 0.9, -1.0, 0.3])
    true = head.vertices(identity, np.zeros(4)).astype(float)
    moved = 0.9 * true @ turn(0.2).T + [10, -20, 5]
    picture = np.full((64, 64, 3), (120, 80, 60), np.uint8)
    scan = Scan(moved, head.faces, head.uvs, head.face_uvs, head.landmarks(moved), picture)
    return head, true, scan


def test_registration_recovers_shape_and_pose(scanned):
    head, true, scan = scanned
    vertices, moved = register(head, scan)
    face = np.isin(head.vertex_region, (Region.SKIN, Region.NOSE, Region.LIPS))
    before = np.linalg.norm(similarity(true[face], head.mean[face])(true[face]) - head.mean[face], axis=1)
    after = np.linalg.norm(similarity(moved[face], vertices[face])(moved[face]) - vertices[face], axis=1)
    assert after.mean() < 0.7 * before.mean()  # vertices may still slide along the surface
    _, _, distance = closest_points(vertices[face], moved, scan.faces)
    assert distance.mean() < 0.3  # mm
    gaps = np.linalg.norm(head.landmarks(vertices)[17:] - head.landmarks(moved)[17:], axis=1)
    assert gaps.mean() < 1.0


def test_the_scan_is_baked_over_most_of_the_face(scanned):
    head, _, scan = scanned
    atlas = Atlas(head, 128)
    skins = {"brown": np.full((128, 128, 3), (130, 85, 62), np.uint8)}
    baked = bake_scan(scan, atlas, skins)
    assert baked.share > 0.7
    assert baked.skin == "brown"
    np.testing.assert_allclose(
        baked.image[baked.valid], np.tile((130, 85, 62), (baked.valid.sum(), 1)), atol=6
    )


def test_similarity_is_recovered_exactly():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30, 3))
    goal = 2.5 * points @ turn(0.7).T + [1, 2, 3]
    np.testing.assert_allclose(similarity(points, goal)(points), goal, atol=1e-9)


def test_files_are_read_and_landmarks_reordered(tmp_path):
    (tmp_path / "james.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n")
    marks = [[float(i), 0, 0] for i in range(68)]
    (tmp_path / "james.ljson").write_text(json.dumps({"groups": {"LJSON": {"landmarks": {"points": marks}}}}))
    Image.new("RGB", (4, 4)).save(tmp_path / "james.jpg")
    scan = read_scan(tmp_path)
    assert scan.faces.tolist() == [[0, 1, 2]]
    assert sorted(IBUG) == list(range(68))
    assert scan.landmarks[17, 0] == 29  # first brow point
    assert scan.landmarks[36, 0] == 17  # first eye point
