import numpy as np
import pytest
from published import open_head, write_npz

from assets.heads.raw import RawHead
from assets.readers.linear_npz import EXPRESSION_STD, read_linear_npz
from assets.registry import AssetError


def test_the_documented_form_becomes_a_head(tmp_path):
    fields, said = read_linear_npz(write_npz(tmp_path / "m.npz"), "m")
    raw, head = RawHead(**fields), open_head()
    assert said["licence"] == "CC-BY-4.0"
    assert raw.unit_mm == 1000
    np.testing.assert_allclose(raw.id_basis[1] * 1000, 0.5 * head.identity[1])
    assert raw.exp_names == ("jaw", "smile")


def test_signed_expression_modes_become_two_each(tmp_path):
    fields, _ = read_linear_npz(write_npz(tmp_path / "m.npz", exp_std=np.array([2.0, 1.0])), "m")
    raw, head = RawHead(**fields), open_head()
    assert raw.exp_names == ("jaw+", "smile+", "jaw-", "smile-")
    np.testing.assert_allclose(raw.exp_basis[0] * 1000, 3 * EXPRESSION_STD * 2 * head.jaw_open)
    np.testing.assert_allclose(raw.exp_basis[2], -raw.exp_basis[0])


def test_barycentric_landmarks_and_missing_ones(tmp_path):
    head = open_head()
    triples, bary = np.repeat(head.marks[:, None], 3, 1), np.full((68, 3), 1 / 3)
    fields, _ = read_linear_npz(write_npz(tmp_path / "m.npz", landmarks=triples, landmark_bary=bary), "m")
    np.testing.assert_allclose(RawHead(**fields).marks() * 1000, head.points[head.marks])
    fields, _ = read_linear_npz(write_npz(tmp_path / "n.npz", landmarks=None), "m")
    assert "landmark_vertices" not in fields


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shapedirs": np.zeros(3)}, "array 'shapedirs', which is not known"),
        ({"mean": None}, "no array 'mean'"),
        ({"id_basis": np.zeros((20, 3, 2))}, "keep modes last"),
        ({"id_std": np.ones(5)}, "id_std of 2 numbers"),
    ],
)
def test_other_forms_are_refused_in_a_sentence(tmp_path, change, said):
    with pytest.raises(AssetError, match=said):
        read_linear_npz(write_npz(tmp_path / "m.npz", **change), "m")
