import numpy as np
import pytest
from published import open_head, write_lyhm
from scipy.io import savemat

from assets.readers.lyhm import read_lyhm
from assets.registry import AssetError


def test_bases_faces_and_colours(tmp_path):
    model, head = read_lyhm(write_lyhm(tmp_path / "LYHM_male.mat")), open_head()
    np.testing.assert_allclose(model.mean, head.points)
    np.testing.assert_allclose(model.modes, head.identity[:2], atol=1e-9)  # eigenvectors times deviations
    a, b, c = (model.mean[model.faces[:, k]] for k in range(3))
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0  # turned to look outwards
    np.testing.assert_array_equal(model.colour, head.colour)
    assert model.colour_modes.shape == (2, *head.points.shape)
    assert len(read_lyhm(tmp_path / "LYHM_male.mat", modes=1).modes) == 1


def test_other_files_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(AssetError, match="does not exist"):
        read_lyhm(tmp_path / "a.mat")
    new = tmp_path / "new.mat"
    new.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(600, b" "))
    with pytest.raises(AssetError, match="-v7"):
        read_lyhm(new)
    savemat(tmp_path / "other.mat", {"shp": {"mu": np.zeros(3)}})
    with pytest.raises(AssetError, match="is not the Liverpool-York Head Model"):
        read_lyhm(tmp_path / "other.mat")
    data = write_lyhm(tmp_path / "LYHM.mat").read_bytes()
    (tmp_path / "cut.mat").write_bytes(data[: len(data) // 3])
    with pytest.raises(AssetError, match="damaged"):
        read_lyhm(tmp_path / "cut.mat")
