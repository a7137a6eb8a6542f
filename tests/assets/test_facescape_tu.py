import cv2
import numpy as np
import pytest

from assets.readers.facescape import VERTICES_10
from assets.readers.facescape_tu import publishable, read_displacement, read_texture, read_tu_mesh, tu_people
from assets.registry import AssetError


@pytest.fixture
def folder(tmp_path):
    rows = "\n".join(f"v {k} 0 0" for k in range(VERTICES_10))
    for person in (2, 361):
        base = tmp_path / str(person)
        (base / "models_reg").mkdir(parents=True)
        (base / "dpmap").mkdir()
        (base / "models_reg" / "1_neutral.obj").write_text(f"{rows}\nvt 0 0\nvt 1 0\nvt 1 1\nf 1/1 2/2 3/3\n")
        (base / "models_reg" / "2_smile.obj").write_text("v 0 0 0\n")
        cv2.imwrite(str(base / "models_reg" / "1_neutral.jpg"), np.full((8, 8, 3), (0, 0, 250), np.uint8))
    cv2.imwrite(str(tmp_path / "2" / "dpmap" / "1_neutral.png"), np.array([[0, 32768, 65535]], np.uint16))
    return tmp_path


def test_people_their_files_and_mosaics(folder):
    people = tu_people(folder)
    assert [p.number for p in people] == [2, 361]
    assert [p.mosaic for p in people] == [False, True]
    assert people[0].displacement is not None
    assert people[1].displacement is None
    assert [p.number for p in tu_people(folder / "361")] == [361]
    mesh = read_tu_mesh(people[0])
    assert len(mesh.vertices) == VERTICES_10
    assert read_texture(people[0].texture)[0, 0, 0] > 200  # red first
    (folder / "2" / "models_reg" / "1_neutral.jpg").rename(folder / "2" / "models_reg" / "2_face.jpg")
    assert tu_people(folder)[0].texture.name == "2_face.jpg"  # one per person in some copies


def test_displacement_is_millimetres_around_the_middle(folder):
    values = read_displacement(folder / "2" / "dpmap" / "1_neutral.png", 32.0)[0]
    np.testing.assert_allclose(values, np.array([-0.914, 0, 0.914]) * 32 / 40, atol=1e-4)
    eight = folder / "eight.png"
    cv2.imwrite(str(eight), np.zeros((4, 4), np.uint8))
    with pytest.raises(AssetError, match="16 bits"):
        read_displacement(eight, 32.0)


def test_other_folders_and_topologies_are_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssetError, match="no FaceScape TU scans"):
        tu_people(tmp_path / "empty")
    person = tu_people(folder)[0]
    person.mesh.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    with pytest.raises(AssetError, match=r"26278.*another topology"):
        read_tu_mesh(person)
    person.texture.write_bytes(b"no picture")
    with pytest.raises(AssetError, match="not a whole picture"):
        read_texture(person.texture)
    person.texture.unlink()
    with pytest.raises(AssetError, match="no texture"):
        tu_people(folder)


def test_the_publishable_list(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("1, 5\n122 344\n")
    assert publishable(file) == {1, 5, 122, 344}
    file.write_text("name\n")
    with pytest.raises(AssetError, match="not a list of person numbers"):
        publishable(file)
