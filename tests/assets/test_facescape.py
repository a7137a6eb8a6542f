"""Format-faithful archives: full vertex counts, index bases, dictionaries and ragged lists; never the real thing."""

import numpy as np
import pytest
from published import open_head, write_facescape, write_facescape_10

from assets.readers.facescape import EXPRESSIONS, VERTICES_10, VERTICES_16, read_facescape
from assets.registry import AssetError

NAME = "facescape_bm_v1.6_847_50_52_id_front.npz"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_facescape(tmp_path_factory.mktemp("fs") / NAME)


def test_the_core_is_residual_and_the_mean_a_face(archive, tmp_path):
    model, head = read_facescape(archive, tmp_path, colours=2), open_head()
    raw = model.head
    assert raw.core.shape == (EXPRESSIONS, VERTICES_16, 3, 2)
    assert isinstance(raw.core, np.memmap)
    marks = raw.marks()
    wanted = head.points[head.marks]
    np.testing.assert_allclose(marks - marks[30], (wanted - wanted[30]) * 0.1, atol=0.35)
    jaw = raw.exp_basis[0][raw.landmark_vertices[8, 0]]
    np.testing.assert_allclose(jaw, head.jaw_open[head.marks[8]] * 0.1, atol=1e-3)
    assert np.abs(raw.exp_basis[5]).max() < 1e-4
    identity, expression = np.array([0.7, 0.75]), np.eye(EXPRESSIONS - 1)[0] * 0.5
    by_hand = np.einsum("evdk,e,k->vd", raw.core, np.r_[1, expression], identity)
    np.testing.assert_allclose(by_hand, raw.core[0] @ identity + 0.5 * raw.core[1] @ identity, atol=1e-4)
    assert raw.contour.shape[0] == 17
    assert (raw.contour[:, 0] >= 0).all()
    assert (raw.contour[3, 1:] == -1).all()
    assert raw.unit_mm is None
    assert 500 < raw.scale * 100 < 1500
    assert set(model.landmarks_10.tolist()).isdisjoint({-1})
    known = model.colours[0].sum(-1) > 0
    assert known.sum() == pytest.approx(6 / 7 * len(head.points), rel=0.01)
    front = np.flatnonzero(known)
    assert (
        model.colours[0, front].mean(0)[0] > model.colours[0, front].mean(0)[2]
    )  # red before blue: BGR was turned


def test_residual_releases_give_the_same_model(archive, tmp_path):
    other = write_facescape(tmp_path / NAME, absolute=False)
    one, two = read_facescape(archive, tmp_path / "a").head, read_facescape(other, tmp_path / "b").head
    np.testing.assert_allclose(one.core[1], two.core[1], atol=1e-4)


def test_older_versions_are_folders(tmp_path):
    model = read_facescape(write_facescape_10(tmp_path / "v1"), tmp_path / "work")
    assert model.head.core.shape == (EXPRESSIONS, VERTICES_10, 3, 2)
    assert model.head.identity_mean == pytest.approx([1, 1], abs=0.02)
    jaw = model.head.exp_basis[0][model.head.landmark_vertices[8, 0]]
    head = open_head()
    np.testing.assert_allclose(jaw, head.jaw_open[head.marks[8]] * 0.1, rtol=0.02, atol=1e-3)
    (tmp_path / "v1" / "landmark_indices.npz").unlink()
    with pytest.raises(AssetError, match="no landmarks"):
        read_facescape(tmp_path / "v1", tmp_path / "work")
    (tmp_path / "v1" / "predef_faces.pkl").write_bytes(b"cos\ngetcwd\n(tR.")
    np.savez(tmp_path / "v1" / "landmark_indices.npz", v10=np.arange(68))
    with pytest.raises(AssetError, match=r"os\.getcwd"):
        read_facescape(tmp_path / "v1", tmp_path / "work")
    (tmp_path / "v1" / "predef_texcoords.pkl").unlink()
    with pytest.raises(AssetError, match="not predef_texcoords"):
        read_facescape(tmp_path / "v1", tmp_path / "work")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fv_indices_front": np.array([[1, 2, VERTICES_10]])}, "2021-09-07"),
        ({"id_mean": np.ones(50)}, "2021-12-08"),
        ({"id_var": None}, "no array 'id_var'"),
        ({"shape_bm_core": np.zeros((3 * VERTICES_10, 1, 1), np.float32)}, "of an older version"),
        ({"lm_list_v16": np.arange(51)}, "68 landmark"),
        ({"contour_line_left": np.arange(3)}, "8 contour lines"),
        ({"fv_indices": np.array([[0, 1, 2]])}, "from 1"),
    ],
)
def test_bad_releases_and_foreign_files_give_one_sentence(tmp_path, archive, change, said):
    small = {"shape_bm_core": np.broadcast_to(np.float32(0), (3 * VERTICES_16, EXPRESSIONS, 2))} | change
    with np.load(archive, allow_pickle=True) as data:
        for key in data.files:
            if key not in small:
                small[key] = data[key]
    if said in ("68 landmark", "8 contour lines", "from 1"):
        small.pop("shape_bm_core")
        with np.load(archive, allow_pickle=True) as data:
            small["shape_bm_core"] = data["shape_bm_core"]
    file = tmp_path / NAME
    np.savez(file, **{key: value for key, value in small.items() if value is not None})
    with pytest.raises(AssetError, match=said):
        read_facescape(file, tmp_path / "work")


def test_expressions_as_principal_components_are_refused(tmp_path):
    with pytest.raises(AssetError, match="principal components"):
        read_facescape(tmp_path / "facescape_bm_v1.6_847_50_52_id_exp.npz", tmp_path)
