"""A scan of a made-up person becomes a head and a texture that the registry knows."""

from __future__ import annotations

import numpy as np
import pytest

from assets import registry
from assets.registry import AssetError, default_head, ledger, texture_pool
from flows import register_scan as module
from flows.mesh_files import Mesh, ply_bytes
from flows.register_scan import keep, register_file, unit_of
from models.geometry.similarity import Similarity
from models.heads.linear import LinearHead


@pytest.fixture
def own(tmp_path, monkeypatch):
    """An assets folder of one's own; the parser says that all is skin."""
    monkeypatch.setenv(registry.FETCHED_ENV, str(tmp_path / "assets"))
    monkeypatch.setattr(module, "skin", lambda scan, move, parser: np.ones(len(scan.vertices), bool))
    monkeypatch.setattr(module, "FaceParser", lambda *args, **named: None)
    path = module.asset_path
    monkeypatch.setattr(module, "asset_path", lambda name: tmp_path if name == "bisenet" else path(name))
    texture_pool.cache_clear()
    yield tmp_path
    texture_pool.cache_clear()


def person(folder):
    """A coloured scan in centimetres, cut off behind the ears, with its landmarks in a file."""
    head = default_head()
    vertices = head.vertices(np.random.default_rng(5).normal(size=len(head.id_basis)), np.zeros(0)) / 10
    front = head.faces[(vertices[head.faces, 2] > -1).all(1)]
    used, index = np.unique(front, return_inverse=True)
    colours = np.tile(np.uint8([185, 135, 110]), (len(used), 1))
    (folder / "ann.ply").write_bytes(ply_bytes(Mesh(vertices[used], index.reshape(-1, 3), colours)))
    np.savetxt(folder / "ann.txt", head.landmarks(vertices))
    return folder / "ann.ply", folder / "ann.txt"


def test_a_scan_becomes_a_head_and_a_texture(own):
    scan, marks = person(own)
    done = register_file(scan, marks)
    assert done.unit == "cm"
    assert done.folds == 0
    assert done.registered.rms < 0.2
    entries = keep(done, scan, "ann", "CC0-1.0", "Ann")
    assert [(e.name, e.kind, e.licence) for e in entries] == [
        ("ann", "head", "CC0-1.0"), ("ann_skin", "texture", "CC0-1.0"),
    ]  # fmt: skip
    head = LinearHead.load(ledger().path("ann"))
    points = head.vertices(np.zeros(0), head.provenance["scan"]["expression"])
    np.testing.assert_allclose(points, done.registered.vertices, atol=5e-3)
    texture_pool.cache_clear()
    assert texture_pool().image("ann_skin").shape == (1024, 1024, 3)
    assert sorted(p.name for p in (own / "assets/own").iterdir()) == [
        "ann.npz",
        "ann_skin.webp",
        "ledger.json",
    ]
    for name, licence, said in (
        ("ann", "", "licence"),
        ("anny", "CC0-1.0", "taken by"),
        ("Ann!", "CC0-1.0", "no name"),
    ):
        with pytest.raises(AssetError, match=said):
            keep(done, scan, name, licence, "Ann")


def test_a_scan_that_cannot_be_registered_is_told_by_name(own):
    scan, _ = person(own)
    np.savetxt(own / "none.txt", np.full((68, 3), np.nan))
    with pytest.raises(AssetError, match=r"'ann.ply': .*needs at least 10"):
        register_file(scan, own / "none.txt")


@pytest.mark.parametrize(
    ("scale", "unit"),
    [(0.86, "mm"), (1.1, "mm"), (9.0, "cm"), (900.0, "m"), (3.0, "fitted"), (25.4, "fitted")],
)
def test_units_are_recognised_by_the_size_of_the_face(scale, unit):
    found, millimetres = unit_of(Similarity(scale, np.eye(3), np.zeros(3)))
    assert found == unit
    assert millimetres == module.UNITS.get(unit)
